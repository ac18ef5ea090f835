"""Renders views as HTML with jinja2. The templates escape everything; an undefined name is an error."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from zoo_core.files import portable
from zoo_core.results.records import LeftOut, Record, TaskFacts
from zoo_core.results.store import Unreadable
from zoo_leaderboard.board.claims import interval_words
from zoo_leaderboard.board.curves import MAX_POINTS_PER_LINE, Curves
from zoo_leaderboard.board.history import ModelHistory
from zoo_leaderboard.board.row_frame import ENOUGH_SEEDS
from zoo_leaderboard.board.rows import Row
from zoo_leaderboard.board.sweeps import Sweep
from zoo_leaderboard.board.tables import Group, TaskBoard
from zoo_leaderboard.records.conformance import Conformance
from zoo_leaderboard.records.trials import TrialSummary
from zoo_leaderboard.site.logs import KeptLog
from zoo_leaderboard.site.pictures import Pictures
from zoo_leaderboard.site.plots import MAX_REFERENCES, Style
from zoo_leaderboard.site.summary import GroupSummary, Place, TaskSummary
from zoo_leaderboard.site.texts import Texts
from zoo_leaderboard.text import formats
from zoo_leaderboard.text.formats import TrialCounts
from zoo_leaderboard.text.labels import as_label, origin_label
from zoo_leaderboard.text.names import file_name

FILTERS = (
    *(formats.score, formats.spread, formats.seconds, formats.number, formats.count, formats.large, formats.statuses),
    *(formats.cell, formats.plain, formats.clip, formats.bare, formats.plugin, formats.day, formats.percent),
    *(formats.heat, formats.paper_link),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Plot:
    """An SVG file next to the page, a description of it, and sentences about what it leaves out."""

    file: str
    words: str
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class GroupView:
    """A group with everything that its section shows.

    `devices` are the device classes of its setting, `points` the numbers of the curves, `trials` the trials with pages
    of their own. `not_ok` are the listed trials that failed or were skipped. The legends map
    the names in the plots to models. `references` are scores by others on the same data; `hollow`: some times in the
    plots are unreliable. `verified` says by the text of a row which of its trials were run again, as `describe_notes`.
    """

    group: Group
    record: Record
    rows: Sequence[Row]
    devices: Sequence[str]
    hardware: Sequence[str]
    first_two: str
    comparisons: str
    left_out: Sequence[LeftOut]
    not_ok: Sequence[TrialSummary]
    not_ok_left_out: int
    trials: Sequence[TrialSummary]
    curves: Curves
    points: Sequence[Mapping[str, Any]]
    references: Sequence[Mapping[str, Any]]
    curve_plots: Sequence[Plot]
    curve_legend: Mapping[str, str]
    cost_plots: Sequence[Plot]
    cost_legend: Mapping[str, str]
    year_plots: Sequence[Plot]
    year_legend: Mapping[str, str]
    hollow: bool
    pictures: Pictures | None
    texts: Texts | None
    verified: Mapping[str, tuple[str, str]]
    commands: Sequence[str]
    max_commands: int

    @property
    def current(self) -> list[Row]:
        """The rows with a score that are as up to date as the group, best mean first."""
        return [row for row in self.rows if row.current]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SweepView:
    """A sweep with its plot; `legend` has colour and dash of each line."""

    sweep: Sweep
    record: Record
    plot: Plot
    legend: Sequence[tuple[str, int, int]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TaskView:
    """A task's board with the views of its groups; `filters` has the choices of each filter.

    `sweeps` compare trainings that differ in one recipe key. `skipped` are the listed trials of groups without any
    other trial. `references` are those on data without a group.
    """

    board: TaskBoard
    facts: TaskFacts
    slug: str
    groups: Sequence[GroupView]
    sweeps: Sequence[SweepView]
    skipped: Sequence[TrialSummary]
    skipped_left_out: int
    references: Sequence[Mapping[str, Any]]
    imported: Sequence[Mapping[str, Any]]
    history: bool
    filters: Mapping[str, Sequence[str]]
    trial_slugs: Mapping[str, str]

    @property
    def sweep_keys(self) -> list[str]:
        """The recipe keys by which the tables' rows can be grouped."""
        return list(dict.fromkeys(item.sweep.key for item in self.sweeps))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HistoryView:
    """The history of a model with its plots."""

    history: ModelHistory
    plots: Sequence[Plot]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class ModelPlace:
    """A model's row in one group of one task, which has this number of `ranked_rows`."""

    task: TaskSummary
    group: GroupSummary
    place: Place
    ranked_rows: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DrawnCurve:
    """A trial's learning curve: SVG paths by split, the ends of the axes, and the points as rows of a table."""

    words: str
    paths: Mapping[str, str]
    low: float
    high: float
    steps: int
    rows: Sequence[Sequence[Any]]
    thinned: bool


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TrialView:
    """A record with everything that its page shows; `curve` is None if no score was recorded in training.

    `command` measures the trial again; it is empty if no command can. `log` is None if the trial printed nothing.
    `verified` says what a rerun gave; it is empty if there was none.
    """

    record: Record
    slug: str
    task_slug: str
    is_of_future: bool
    disturbance: str
    scores: Sequence[Sequence[Any]]
    curve: DrawnCurve | None
    phases: Sequence[Sequence[Any]]
    pictures: Pictures | None
    texts: Texts | None
    environment: Sequence[Sequence[Any]]
    command: str
    log: KeptLog | None
    verified: str
    verified_same: bool
    verified_at: str


class Pages:
    """Renders pages. `styles` are the models' colours and shapes; `conformance` is by plugin."""

    def __init__(self, styles: Mapping[str, Style], conformance: Mapping[str, Conformance]) -> None:
        self._shared = {"styles": styles, "conformance": conformance}

    def index(
        self, tasks: Sequence[TaskSummary], changes: Sequence[str], since: str, unreadable: Sequence[Unreadable]
    ) -> str:
        """The page of all tasks; `unreadable` are the files that are left out."""
        return self._render(
            "index.html",
            root="",
            tasks=tasks,
            devices=sorted({group.device_class for task in tasks for group in task.groups}),
            models=len({name for task in tasks for name in task.models}),
            newest=max((task.newest for task in tasks), default=""),
            counts=TrialCounts(*(sum(numbers) for numbers in zip(*(task.counts for task in tasks), strict=True))),
            changes=changes,
            since=since,
            unreadable=unreadable,
        )

    def task(self, view: TaskView) -> str:
        """The page of one task."""
        return self._render("task.html", root="../", view=view, board=view.board, task=view.facts)

    def history(self, view: TaskView, histories: Sequence[HistoryView], left_out: int) -> str:
        """The page of a task's models over time."""
        return self._render(
            "history.html", root="../", task=view.facts, histories=histories, left_out=left_out, slug=view.slug
        )

    def model(self, name: str, places: Sequence[ModelPlace]) -> str:
        """The page of one model: its rows in all tasks."""
        title = places[-1].place.model_title if places else ""
        return self._render("model.html", root="../", name=name, places=places, title=title)

    def trial(self, view: TrialView) -> str:
        """The page of one trial."""
        return self._render("trial.html", root="../", view=view, record=view.record)

    def compare(self, tasks: Sequence[TaskSummary]) -> str:
        """The page whose script compares the rows or trials named in its address."""
        return self._render("compare.html", root="", tasks=tasks)

    def _render(self, template: str, **values: Any) -> str:
        return environment().get_template(template).render(**self._shared, **values)


@cache
def environment() -> Environment:
    """The templates; compiled once per process, because compiling takes longer than rendering a page."""
    made = Environment(
        loader=PackageLoader("zoo_leaderboard.site"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update({function.__name__: function for function in FILTERS})
    made.filters.update(
        settings_json=settings_json,
        interval_words=interval_words,
        file_name=file_name,
        portable=portable,
        label=as_label,
        origin_label=origin_label,
    )
    made.tests["link"] = formats.is_link
    made.globals.update(max_references=MAX_REFERENCES, max_points=MAX_POINTS_PER_LINE)
    made.globals.update(enough_seeds=ENOUGH_SEEDS, dash=formats.DASH)
    return made


def settings_json(recipe: Mapping[str, Any], keys: Sequence[str]) -> str:
    """The values of some recipe keys as JSON, each as text, for the script that groups rows by them."""
    return json.dumps({formats.clip(key, 60): formats.clip(recipe[key], 60) for key in keys if key in recipe})


def static_files() -> Iterator[tuple[str, bytes]]:
    """The static files by name."""
    for file in resources.files("zoo_leaderboard.site").joinpath("static").iterdir():
        yield file.name, file.read_bytes()

"""Renders views as HTML with jinja2. The templates escape everything; an undefined name is an error."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from jinja2 import Environment, PackageLoader, StrictUndefined

from zoo_core.files import portable
from zoo_core.results.records import TaskFacts
from zoo_core.results.store import Unreadable
from zoo_leaderboard.board.claims import interval_words
from zoo_leaderboard.board.curves import MAX_POINTS_PER_LINE
from zoo_leaderboard.board.row_frame import ENOUGH_SEEDS
from zoo_leaderboard.board.standing import MAX_COMPARED_ROWS
from zoo_leaderboard.records.conformance import Conformance
from zoo_leaderboard.site.hardware import hardware
from zoo_leaderboard.site.leaders import leader_lines
from zoo_leaderboard.site.matrix import matrices
from zoo_leaderboard.site.mistakespage import MAX_CLASSES, MistakesView
from zoo_leaderboard.site.options import NO_OPTIONS, SiteOptions
from zoo_leaderboard.site.plots import MAX_REFERENCES, Style
from zoo_leaderboard.site.summary import Regression, TaskSummary
from zoo_leaderboard.site.views import HistoryView, ModelPlace, TaskView, TrialView
from zoo_leaderboard.text import formats
from zoo_leaderboard.text.formats import TrialCounts
from zoo_leaderboard.text.labels import as_label, origin_label
from zoo_leaderboard.text.names import file_name

FILTERS = (
    *(formats.score, formats.spread, formats.seconds, formats.number, formats.count, formats.large, formats.statuses),
    *(formats.cell, formats.plain, formats.clip, formats.bare, formats.plugin, formats.day, formats.percent),
    *(formats.heat, formats.paper_link, formats.moment),
)


class Pages:
    """Renders pages. `styles` are the models' colours and shapes; `conformance` is by plugin."""

    def __init__(
        self, styles: Mapping[str, Style], conformance: Mapping[str, Conformance], options: SiteOptions = NO_OPTIONS
    ) -> None:
        self._shared = {"styles": styles, "conformance": conformance, "options": options}

    def index(
        self, tasks: Sequence[TaskSummary], changes: Sequence[str], since: str, unreadable: Sequence[Unreadable]
    ) -> str:
        """The page of all tasks; `unreadable` are the files that are left out."""
        lines = leader_lines(tasks)
        names = sorted({name for task in tasks for name in task.models}, key=lambda name: (name.casefold(), name))
        choices = {"kind": {task.kind for task in tasks}, "device": {line.device for line in lines if line.device}}
        return self._render(
            "index.html",
            root="",
            tasks=tasks,
            lines=lines,
            filters={name: sorted(values) for name, values in choices.items() if len(values) > 1},
            matrices=matrices(tasks),
            regressions=latest_regressions(tasks),
            models=len(names),
            model_names=names,
            newest=max((task.newest for task in tasks), default=""),
            counts=TrialCounts(*(sum(numbers) for numbers in zip(*(task.counts for task in tasks), strict=True))),
            changes=changes,
            since=since,
            unreadable=unreadable,
        )

    def feed(self, tasks: Sequence[TaskSummary]) -> str:
        """The Atom feed: the regressions that still stand, and each task with its leading models."""
        return self._render(
            "feed.xml",
            root="../",
            lines=leader_lines(tasks),
            regressions=latest_regressions(tasks),
            newest=max((task.newest for task in tasks), default=""),
            board=board_id(tasks),
        )

    def task(self, view: TaskView) -> str:
        """The page of one task."""
        return self._render("task.html", root="../", view=view, board=view.board, task=view.facts)

    def history(self, view: TaskView, histories: Sequence[HistoryView], left_out: int) -> str:
        """The page of a task's models over time."""
        return self._render(
            "history.html", root="../", task=view.facts, histories=histories, left_out=left_out, slug=view.slug
        )

    def mistakes(self, task: TaskFacts, slug: str, views: Sequence[MistakesView]) -> str:
        """The page of what a task's models get wrong."""
        return self._render("mistakes.html", root="../", task=task, slug=slug, views=views, max_classes=MAX_CLASSES)

    def model(self, name: str, places: Sequence[ModelPlace]) -> str:
        """The page of one model: its rows in all tasks."""
        title = places[-1].place.model_title if places else ""
        return self._render("model.html", root="../", name=name, places=places, title=title)

    def trial(self, view: TrialView) -> str:
        """The page of one trial."""
        return self._render("trial.html", root="../", view=view, record=view.record)

    def hardware(self, tasks: Sequence[TaskSummary]) -> str:
        """The page of the machines, and of times by machine."""
        return self._render("hardware.html", root="", found=hardware(tasks))

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
        entry_id=entry_id,
        portable=portable,
        label=as_label,
        origin_label=origin_label,
    )
    made.tests["link"] = formats.is_link
    made.globals.update(max_references=MAX_REFERENCES, max_points=MAX_POINTS_PER_LINE, max_compared=MAX_COMPARED_ROWS)
    made.globals.update(enough_seeds=ENOUGH_SEEDS, dash=formats.DASH)
    return made


def settings_json(recipe: Mapping[str, Any], keys: Sequence[str]) -> str:
    """The values of some recipe keys as JSON, each as text, for the script that groups rows by them."""
    return json.dumps({formats.clip(key, 60): formats.clip(recipe[key], 60) for key in keys if key in recipe})


def latest_regressions(tasks: Sequence[TaskSummary]) -> list[tuple[TaskSummary, Regression]]:
    """Return the regressions that still stand in any task, the latest first."""
    found = [(task, item) for task in tasks for item in task.regressions]
    return sorted(found, key=lambda pair: pair[1].moment, reverse=True)


def board_id(tasks: Sequence[TaskSummary]) -> str:
    """Return a text that tells this board from others: its oldest record. Adding a still older record changes it."""
    return min((task.oldest for task in tasks if task.oldest), default="")


def entry_id(text: str) -> str:
    """The id of an entry of the feed; the same in every build, and different for every text."""
    return f"urn:uuid:{uuid5(NAMESPACE_URL, text.encode('utf-8', 'backslashreplace').decode())}"


def static_files() -> Iterator[tuple[str, bytes]]:
    """The static files by name; the script is made of the files in `scripts`, in the order of their names."""
    site = resources.files("zoo_leaderboard.site")
    for file in site.joinpath("static").iterdir():
        yield file.name, file.read_bytes()
    parts = sorted(site.joinpath("scripts").iterdir(), key=lambda part: part.name)
    yield "script.js", b"\n".join(part.read_bytes() for part in parts)

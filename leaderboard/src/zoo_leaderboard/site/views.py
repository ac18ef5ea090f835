"""What the templates show: each view has everything that its page or section needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from zoo_core.results.records import LeftOut, Record, TableFacts, TaskFacts
from zoo_leaderboard.board.curves import Curves
from zoo_leaderboard.board.history import ModelHistory
from zoo_leaderboard.board.rows import Row
from zoo_leaderboard.board.sweeps import Sweep
from zoo_leaderboard.board.tables import Group, TaskBoard
from zoo_leaderboard.records.trials import TrialSummary
from zoo_leaderboard.site.bars import Bar
from zoo_leaderboard.site.failures import Failures
from zoo_leaderboard.site.logs import KeptLog
from zoo_leaderboard.site.pictures import Pictures
from zoo_leaderboard.site.summary import GroupSummary, Place, TaskSummary
from zoo_leaderboard.site.texts import Texts


@dataclass(frozen=True, kw_only=True, slots=True)
class Plot:
    """An SVG file of a task, a description of it, its size in pixels, and sentences about what it leaves out."""

    file: str
    slug: str
    words: str
    width: int
    height: int
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BestTrial:
    """The newest trial of the model with the best mean score: its confusion matrix, and its page as `slug`.

    `confusion` is None if there is none, or if it is too large for the page; `slug` is empty without a page.
    """

    record: Record
    confusion: TableFacts | None
    slug: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class GroupView:
    """A group with everything that its section shows.

    `devices` are the device classes of its setting, `points` the numbers of the curves, `trials` the trials with pages
    of their own. `not_ok` are the listed trials that failed or were skipped. `references` are scores by others on the
    same data; `hollow`: some times in the plots are unreliable. `verified` says by the text of a row which of its
    trials were run again, as `describe_notes`. `labels` and `bars` are the rows' names and
    intervals by the same text; the bars share one axis.
    """

    group: Group
    record: Record
    rows: Sequence[Row]
    devices: Sequence[str]
    hardware: Sequence[str]
    lead: str
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
    cost_plots: Sequence[Plot]
    year_plots: Sequence[Plot]
    hollow: bool
    pictures: Pictures | None
    texts: Texts | None
    best: BestTrial | None
    verified: Mapping[str, tuple[str, str]]
    labels: Mapping[str, str]
    bars: Mapping[str, Bar]
    commands: Sequence[str]
    max_commands: int

    @property
    def current(self) -> list[Row]:
        """The rows with a score that are as up to date as the group, best mean first."""
        return [row for row in self.rows if row.current]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class SweepView:
    """A sweep with its plot."""

    sweep: Sweep
    record: Record
    plot: Plot


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TaskView:
    """A task's board with the views of its groups; `filters` has the choices of each filter.

    `sweeps` compare trainings that differ in one recipe key. `skipped` are the listed trials of groups without any
    other trial. `references` are those on data without a group. `state` is a digest of all numbers.
    `mistakes` and `timed` are the anchors of the groups on the pages of mistakes and of hardware. `failures` are the
    failed trials of all groups.
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
    state: str
    mistakes: Collection[str]
    timed: Collection[str]
    filters: Mapping[str, Sequence[str]]
    trial_slugs: Mapping[str, str]
    failures: Failures

    @property
    def sweep_keys(self) -> list[str]:
        """The recipe keys by which the tables' rows can be grouped."""
        return list(dict.fromkeys(item.sweep.key for item in self.sweeps))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class HistoryView:
    """The history of a model with its plots.

    `acknowledged` has the reasons of acknowledged regressions by the last record of the occasion.
    """

    history: ModelHistory
    plots: Sequence[Plot]
    acknowledged: Mapping[str, str]


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

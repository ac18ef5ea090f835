"""Summaries of tasks for the site-wide pages, saved between builds, and the changes since the previous build."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from zoo_core.files import cache_dir
from zoo_leaderboard.board.hardware import HardwarePlace, Times
from zoo_leaderboard.board.rows import OUT_OF_DATE
from zoo_leaderboard.records.cachefile import read_cached, write_cached
from zoo_leaderboard.records.index import LeftOutFile
from zoo_leaderboard.site.plots import Style
from zoo_leaderboard.text.formats import TrialCounts, counted

STATE = "state of a site"  # whatever the version: models keep their colours


class Cached(msgspec.Struct, frozen=True, kw_only=True):
    """Base of everything in the saved state."""


class Place(Cached, frozen=True, kw_only=True, array_like=True):
    """A row in one group, with the fields of `Row` that site-wide pages show.

    `history` has its mean scores on the latest occasions, oldest first; it is empty for a row measured once.
    """

    anchor: str
    model: str
    model_version: int
    model_title: str
    variant: str
    pretrained_on: str
    year: int | None
    paper: str | None
    rank: int | None
    rank_high: int | None
    tied: int | None
    not_ranked: str
    score: float | None
    std: float | None
    low: float | None
    high: float | None
    covers: str | None
    seed_count: int
    provisional: bool
    stale: str
    time_to_target: str | None
    time_to_target_s: float | None
    times_reliable: bool | None
    latency_reliable: bool | None
    train_s: float | None
    latency_ms: float | None
    parameters: int | None
    untrained: bool
    recipe_class: str
    statuses: dict[str, int]
    reason: str | None
    recipe: dict[str, Any]
    command: str
    history: list[float] = []


class Regression(Cached, frozen=True, kw_only=True, array_like=True):
    """A regression that still stands. `moment` and `record` are the first occasion of it, and its newest trial.

    quantity: "score" or "train time". words: the change, as the pages show it. anchor: the id of the history on its
    page, empty if the page leaves it out. trial_slug: the page of the record, empty without one.
    """

    model: str
    dataset: str
    recipe_class: str
    device_class: str
    quantity: str
    words: str
    moment: str
    record: str
    anchor: str
    trial_slug: str


class Machine(Cached, frozen=True, kw_only=True, array_like=True):
    """A machine as its newest trial of a task describes it; texts are empty and numbers None where unknown.

    features: instruction sets. cores: that the zoo may use. trials: of the task on this machine. newest: their start.
    """

    place: HardwarePlace
    cpu: str
    features: str
    cores: int | None
    memory_mib: int | None
    system: str
    torch: str
    driver: str
    trials: int
    newest: str


class TimedRow(Cached, frozen=True, kw_only=True, array_like=True):
    """A row with its times on each machine that measured it. `anchor` is its id on the task's page."""

    label: str
    model: str
    anchor: str
    times: list[tuple[HardwarePlace, Times]]

    @property
    def by_place(self) -> dict[HardwarePlace, Times]:
        """The times by machine."""
        return dict(self.times)


class TimedTable(Cached, frozen=True, kw_only=True, array_like=True):
    """The timed rows of the tables of one setting, best score first; `anchors` are those of the tables."""

    anchors: list[str]
    recipe_class: str
    rows: list[TimedRow]


class GroupSummary(Cached, frozen=True, kw_only=True, array_like=True):
    """A group: the facts that its trials share, and its rows, best first. `target` is a score on val."""

    anchor: str
    dataset_title: str
    origin: str
    recipe_class: str
    device_class: str
    task_version: int
    stale: str
    places: list[Place]
    chance: float | None = None
    target: float | None = None

    @property
    def current(self) -> list[Place]:
        """The rows with a score that are as up to date as the group, best mean first."""
        return [place for place in self.places if place.score is not None and place.not_ranked != OUT_OF_DATE]

    @property
    def ranked(self) -> list[Place]:
        """The current rows with a rank: each was compared with at least one other."""
        return [place for place in self.current if place.rank is not None and not place.not_ranked]

    @property
    def leaders(self) -> list[Place]:
        """The ranked rows that may be first, best mean first."""
        return [place for place in self.ranked if place.rank == 1]

    @property
    def winner(self) -> Place | None:
        """The row that is certainly first; None if nothing was compared, or if another row may be first."""
        return next((place for place in self.leaders if place.rank_high == 1), None)


class TaskSummary(Cached, frozen=True, kw_only=True):
    """A task; `files` are the paths of all its files within the site. `left_out` are its records that are not shown;
    `complete`: none of them because of an error.

    `trials` counts the trials that ran, `failures` those of them that failed, and `skipped` those that did not run.
    `oldest` is the start and the id of the first record.
    """

    name: str
    title: str
    summary: str
    slug: str
    metric: str
    higher_is_better: bool
    version: int
    thumbnail: str
    trials: int
    failures: int
    skipped: int
    newest: str
    models: list[str]
    groups: list[GroupSummary]
    files: list[str]
    left_out: list[LeftOutFile] = []
    complete: bool = True
    kind: str = ""
    regressions: list[Regression] = []
    oldest: str = ""
    machines: list[Machine] = []
    timed: list[TimedTable] = []

    @property
    def counts(self) -> TrialCounts:
        return TrialCounts(ran=self.trials, failed=self.failures, skipped=self.skipped)

    def shown_group(self, device: str) -> GroupSummary | None:
        """The group that the index shows for a device class: up to date, the first in which models were compared.

        Without such a group, the first that has a score.
        """
        groups = [group for group in self.groups if group.device_class == device and not group.stale and group.current]
        compared = [group for group in groups if len(group.ranked) > 1]
        return next(iter([*compared, *groups]), None)

    @property
    def stale(self) -> int:
        """The number of rows that are out of date."""
        return sum(bool(place.stale) for group in self.groups for place in group.places)


class SiteState(Cached, frozen=True, kw_only=True):
    """The state that a build leaves for the next: styles of models, tasks with digests, and the listed changes."""

    styles: dict[str, tuple[int, int]] = {}
    tasks: dict[str, tuple[str, TaskSummary]] = {}
    changes: list[str] = []
    since: str = ""

    @property
    def drawn(self) -> dict[str, Style]:
        """The style of each model."""
        return {name: Style(colour=colour, dash=dash) for name, (colour, dash) in self.styles.items()}


def _state_path(out: Path) -> Path:
    name = hashlib.sha256(str(out.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return cache_dir() / "leaderboard" / "sites" / f"{name}.msgpack"


def load_state(out: Path) -> SiteState:
    """The state left by the previous build of this site; empty if there is none or another version wrote it."""
    return read_cached(_state_path(out), SiteState, STATE) or SiteState()


def save_state(out: Path, state: SiteState) -> None:
    """Save the state for the next build. Errors are ignored, because the state only saves time."""
    write_cached(_state_path(out), state, STATE)


def describe_changes(before: Mapping[str, TaskSummary], now: Sequence[TaskSummary]) -> list[str]:
    """The changes since the previous build, one sentence each."""
    sentences = []
    for task in now:
        old = before.get(task.name)
        if old is None:
            sentences.append(f"New task: {task.title}, {task.counts.words}.")
            continue
        if task.counts != old.counts:
            sentences.append(f"{task.title}: {old.counts.words} → {task.counts.words}.")
        sentences += [f"{task.title}: new model {model}." for model in sorted(set(task.models) - set(old.models))]
        sentences += _new_winners(old, task)
        if task.stale > old.stale:
            sentences.append(f"{task.title}: {counted(task.stale - old.stale, 'more row')} out of date.")
    gone = sorted(set(before) - {task.name for task in now})
    return sentences + [f"{before[name].title}: no records left." for name in gone]


def _new_winners(old: TaskSummary, task: TaskSummary) -> list[str]:
    before = {group.anchor: group.winner.model if group.winner else "" for group in old.groups}
    sentences = []
    for group in task.groups:
        model = group.winner.model if group.winner else ""
        if group.anchor in before and model != before[group.anchor]:
            where = f"{task.title} on {group.device_class.upper()} ({group.dataset_title})"
            sentences.append(f"{where}: {model} now leads." if model else f"{where}: no model leads any more.")
    return sentences

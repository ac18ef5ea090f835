"""Groups the trials of a task into tables of comparable trials, and selects the trials that count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import msgspec
import pandas as pd

from zoo_core.results.records import FINAL
from zoo_core.specs import Origin
from zoo_leaderboard.board.row_frame import INTEGER_COLUMNS, MEDIAN_COLUMNS, row_frame, timed_trials
from zoo_leaderboard.board.untrained import Part, join_untrained
from zoo_leaderboard.records.current import NO_NOTES, OTHER_CODE, Current, select_row_code
from zoo_leaderboard.records.index import oldest_first
from zoo_leaderboard.records.keys import GroupKey
from zoo_leaderboard.records.trials import RUNNER, TrialSummary
from zoo_leaderboard.text.formats import TrialCounts
from zoo_leaderboard.text.names import short_hash

ORIGINS: tuple[str, ...] = get_args(Origin)  # real data first: the order of the groups on a page
RECIPE_CLASSES = ("default", "quick", "custom")
FLOAT_COLUMNS = ("score", "target_s", *MEDIAN_COLUMNS)


@dataclass(frozen=True, kw_only=True, slots=True)
class Versions:
    """The newest versions of tasks, data sets and models, by name, among all records."""

    tasks: Mapping[str, int]
    datasets: Mapping[str, int]
    models: Mapping[str, int]


def anchor_of(group_text: str) -> str:
    """Return the HTML id of the section of the group with this text."""
    return f"g-{short_hash(group_text)}"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Group:
    """A comparison group: `trials` are its current trials, oldest first, and `newest` is the latest of them.

    `frame` has a line per board row: the columns of `row_frame`, and `stale`. It is not changed afterwards. `by_row`,
    `timed` and `timed_inference` map the text of a RowKey to trials, oldest first: to all trials of the row, and to the
    ok trials whose training times or latencies count, which ran on one machine. `stale` says why the whole group is out
    of date; it is empty for an up-to-date group.
    """

    key: GroupKey
    newest: TrialSummary
    frame: pd.DataFrame
    trials: Sequence[TrialSummary]
    by_row: Mapping[str, Sequence[TrialSummary]]
    timed: Mapping[str, Sequence[TrialSummary]]
    timed_inference: Mapping[str, Sequence[TrialSummary]]
    stale: str

    @property
    def anchor(self) -> str:
        """The HTML id of the group's section."""
        return anchor_of(self.key.text)

    @property
    def not_ok(self) -> list[TrialSummary]:
        """The current trials with another status than ok: failed or skipped."""
        return [trial for trial in self.trials if trial.status != "ok"]

    @property
    def ranked(self) -> pd.DataFrame:
        """The lines of `frame` that are ranked: with a score, and not out of date in an up-to-date group."""
        return self.frame[self.frame["score"].notna() & (self.frame["stale"] == self.stale)]

    def ok(self, row_text: str) -> list[TrialSummary]:
        """The row's trials with status ok, oldest first."""
        return [trial for trial in self.by_row[row_text] if trial.status == "ok"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class TaskBoard:
    """A task's groups in the order of the page; `newest` is the latest trial of the task's newest version.

    `skipped` are the trials of groups in which every trial was skipped, because data, weights or a device were
    missing. `imported` are measurements by other programs. `history` has all trials, oldest first.
    """

    newest: TrialSummary
    groups: Sequence[Group]
    skipped: Sequence[TrialSummary]
    imported: Sequence[TrialSummary]
    history: Sequence[TrialSummary]

    @property
    def models(self) -> list[str]:
        """The names of all models in any of the tables, each once."""
        names = [name for group in self.groups for name in group.frame["model"]]
        return list(dict.fromkeys([*names, *(trial.model for trial in (*self.skipped, *self.imported))]))

    @property
    def counts(self) -> TrialCounts:
        """The current trials, each counted once, also if it is in the tables of several recipe classes."""
        current = {trial.id: trial for group in self.groups for trial in group.trials}.values()
        skipped = sum(trial.status == "skipped" for trial in current)
        return TrialCounts(
            ran=len(current) - skipped,
            failed=sum(trial.failed for trial in current),
            skipped=skipped + len(self.skipped),
        )


def task_board(trials: Iterable[TrialSummary], versions: Versions, notes: Current = NO_NOTES) -> TaskBoard:
    """Build the board of one task; `notes` say which code is current.

    An id that occurs twice, from copied folders, counts once.
    """
    history = oldest_first(trials)
    by_id = {trial.id: trial for trial in history}
    current = _select_current(trial_frame(trial for trial in history if trial.source == RUNNER), notes)
    parts: list[Part] = []
    skipped: list[TrialSummary] = []
    for group_text, frame in current.groupby("group_text", sort=True):
        members = _trials_of(frame, by_id)
        if all(trial.status == "skipped" for trial in members):
            skipped += members
        else:
            parts.append(Part(key=GroupKey.parse(str(group_text)), frame=frame, trials=members))
    groups = [_group(part, versions) for part in join_untrained(parts)]
    return TaskBoard(
        newest=max(history, key=lambda trial: (trial.source == RUNNER, trial.task_version, trial.started_at, trial.id)),
        groups=sorted(groups, key=_group_order),
        skipped=skipped,
        imported=[trial for trial in history if trial.source != RUNNER],
        history=history,
    )


def trial_frame(trials: Iterable[TrialSummary]) -> pd.DataFrame:
    """Return a frame with one line per trial, in the same order, and the fields of TrialSummary as columns."""
    trials = list(trials)
    frame = pd.DataFrame(map(msgspec.structs.asdict, trials), columns=TrialSummary.__struct_fields__)
    # Not by `astype`: beside unknown sizes pandas would have made floats of them, which lose digits.
    whole = {name: pd.array([getattr(trial, name) for trial in trials], dtype="Int64") for name in INTEGER_COLUMNS}
    return frame.astype(dict.fromkeys(FLOAT_COLUMNS, "float64")).assign(**whole)


def current_trials(trials: Iterable[TrialSummary], notes: Current = NO_NOTES) -> list[TrialSummary]:
    """Select the trials that count, oldest first: one trial of each row and seed.

    A seed counts once, on however many devices of a class it ran. An ok trial takes precedence over a failed one of the
    same seed, a final one over one that is not (interrupted, timed out, skipped), and then the latest. If the code
    changed, only the trials of the current code count; if a row has none, those of its latest code. A skipped trial
    does not count if the same trial ran at another time, when its data were there.
    """
    by_task: dict[str, dict[str, TrialSummary]] = {}  # two tasks may have trials of one id, in records of anyone
    for trial in trials:
        by_task.setdefault(trial.task, {})[trial.id] = trial
    return oldest_first(
        trial
        for by_id in by_task.values()
        for trial in _trials_of(_select_current(trial_frame(by_id.values()), notes), by_id)
    )


def _select_current(trials: pd.DataFrame, notes: Current) -> pd.DataFrame:
    """Select as `current_trials` describes; `older_trials` is the number of trials of the row that do not count."""
    trials = trials.assign(ok=trials["status"] == "ok", final=trials["status"].isin(FINAL))
    by_preference = select_row_code(trials, notes).sort_values(["ok", "final", "started_at", "id"])
    current = by_preference.drop_duplicates(["row_text", "seed"], keep="last")
    skipped = current["status"] == "skipped"
    has_run = current["planned_text"].isin(current.loc[~skipped, "planned_text"])
    current = current[~skipped | ~has_run]
    sizes, current_sizes = trials.groupby("row_text").size(), current.groupby("row_text").size()
    older = sizes.sub(current_sizes, fill_value=0).astype(int)
    current = current.assign(older_trials=current["row_text"].map(older))
    return current.sort_values(["started_at", "id"], ignore_index=True)


def _trials_of(frame: pd.DataFrame, by_id: Mapping[str, TrialSummary]) -> list[TrialSummary]:
    return [by_id[name] for name in frame["id"]]


def _group(part: Part, versions: Versions) -> Group:
    """Build a group from its current trials. Its newest trial is one of its own recipe class."""
    key, frame, trials = part.key, part.frame, part.trials
    newest = [trial for trial in trials if trial.recipe_class == key.recipe_class][-1]
    stale = stale_group(newest, versions)
    rows = row_frame(frame, higher_is_better=newest.higher_is_better)
    ok, by_id = frame[frame["status"] == "ok"], {trial.id: trial for trial in trials}
    return Group(
        key=key,
        newest=newest,
        frame=rows.assign(stale=[stale or _stale_row(row, versions) for row in rows.itertuples()]),
        trials=trials,
        by_row=_by_row(trials),
        timed=_by_row(_trials_of(timed_trials(ok), by_id)),
        timed_inference=_by_row(_trials_of(timed_trials(ok, "latency_disturbance"), by_id)),
        stale=stale,
    )


def _by_row(trials: Sequence[TrialSummary]) -> dict[str, list[TrialSummary]]:
    by_row: dict[str, list[TrialSummary]] = {}
    for trial in trials:
        by_row.setdefault(trial.row_text, []).append(trial)
    return by_row


def stale_group(trial: TrialSummary, versions: Versions) -> str:
    """Say why the group of this trial is out of date; empty if it is not."""
    newest = versions.tasks.get(trial.task, trial.task_version)
    if trial.task_version < newest:
        return f"task version {trial.task_version}, the newest is {newest}"
    newest = versions.datasets.get(trial.dataset, trial.dataset_version)
    if trial.dataset_version < newest:
        return f"data version {trial.dataset_version}, the newest is {newest}"
    return ""


def _stale_row(row: Any, versions: Versions) -> str:
    newest = versions.models.get(row.model, row.model_version)
    if row.model_version < newest:
        return f"model version {row.model_version}, the newest is {newest}"
    return "" if row.is_current else OTHER_CODE


def _group_order(group: Group) -> tuple[Any, ...]:
    """Sort by the latest task version, then up-to-date before out-of-date, then real data, then the default recipe."""
    trial = group.newest
    origin = ORIGINS.index(trial.origin) if trial.origin in ORIGINS else len(ORIGINS)
    recipe = RECIPE_CLASSES.index(trial.recipe_class) if trial.recipe_class in RECIPE_CLASSES else len(RECIPE_CLASSES)
    return (-trial.task_version, bool(group.stale), origin, recipe, trial.device_class, group.key.text)

"""Parts of a task's page that are selected from its board: trials, commands, filters and intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from zoo_core.results.records import Record
from zoo_leaderboard.board.rows import Row
from zoo_leaderboard.board.standing import Standing
from zoo_leaderboard.board.tables import Group, TaskBoard
from zoo_leaderboard.records.keys import GroupKey
from zoo_leaderboard.records.trials import TrialSummary
from zoo_leaderboard.site.bars import Bar, bar_of, scale_of
from zoo_leaderboard.text.formats import plugin

MAX_TRIALS_FOR_COMMANDS = 20  # latest trials of a group whose recorded commands are shown


def newest_first(trials: Sequence[TrialSummary]) -> list[TrialSummary]:
    """Return the trials, oldest first, in the other order."""
    return list(reversed(trials))


def with_facts(board: TaskBoard) -> TrialSummary:
    """Return the board's newest trial, or the newest that was scored: only that one may know the chance level."""
    newest = board.newest
    scored = [trial for group in board.groups for trial in group.trials if trial.status == "ok"]
    same_version = [trial for trial in scored if trial.task_version == newest.task_version]
    return max(same_version, key=lambda trial: trial.started_at, default=newest)


def newest_finished(group: Group) -> TrialSummary:
    """Return the trial that knows the facts of the data: a skipped one has no examples, and no chance level of them."""
    own = [trial for trial in group.trials if trial.recipe_class == group.key.recipe_class and trial.status == "ok"]
    return own[-1] if own else group.newest


def recorded_commands(group: Group, read: Callable[[TrialSummary], Record]) -> list[str]:
    """Return the different commands of the group's latest trials, newest first."""
    latest = newest_first(group.trials)[:MAX_TRIALS_FOR_COMMANDS]
    return list(dict.fromkeys(filter(None, (read(trial).command for trial in latest))))


def filters_of(groups: Sequence[Group], ranked: Mapping[GroupKey, Standing]) -> dict[str, list[str]]:
    """Return the choices by which a reader can filter the tables; only those with several values on the page."""
    rows = [row for group in groups for row in ranked[group.key].rows]
    choices = {
        "device": {group.newest.device_class for group in groups},
        "data": {group.newest.origin for group in groups},
        "recipe": {group.newest.recipe_class for group in groups},
        "plugin": {plugin(row.model) for row in rows},
        "hardware": {row.hardware for row in rows},
    }
    return {name: sorted(values) for name, values in choices.items() if len(values) > 1}


def bars_of(rows: Sequence[Row], *, metric: str, higher_is_better: bool) -> dict[str, Bar]:
    """Return the intervals of a table's rows on one axis, by the texts of the rows; rows without a score have none."""
    current = [row for row in rows if row.current]
    ends = [value for row in current for value in (row.score, row.low, row.high)]
    scale = scale_of(ends, metric=metric, higher_is_better=higher_is_better)
    bars = {row.row_text: bar_of(row, scale) for row in current}
    return {row_text: bar for row_text, bar in bars.items() if bar is not None}

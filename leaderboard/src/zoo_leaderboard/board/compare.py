"""Compares two runs: the models that both measured, and the significant changes of score, time and failures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from zoo_core.errors import UsageError
from zoo_leaderboard.board.tables import current_trials
from zoo_leaderboard.records.current import load_current
from zoo_leaderboard.records.index import load_all_trials, scan
from zoo_leaderboard.records.keys import GroupKey, Key
from zoo_leaderboard.records.samples import load_sample
from zoo_leaderboard.records.trials import RUNNER, TrialSummary, reliable_times
from zoo_leaderboard.stats.changes import Change, correct_together, ratio_change, score_change

# compared if both runs are from the same machine
TIMES: tuple[Literal["train_s", "latency_ms"], ...] = ("train_s", "latency_ms")


class ComparedKey(Key, frozen=True, kw_only=True, array_like=True):
    """The fields that a trial before and one after must share to be compared; versions and code may differ."""

    group: GroupKey
    model: str
    pretrained_on: str
    dtype: str
    compiled: bool
    threads: int
    budget_s: float | None
    recipe: str

    @property
    def words(self) -> str:
        """The setting in one line."""
        group = self.group
        return f"{self.model} on {group.task} ({group.dataset}, {group.recipe_class} recipe, {group.device_class})"


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparedModel:
    """A model in one setting, before and after: its ok trials and its changes.

    `changes` has the keys `score`, `train_s` and `latency_ms`, as far as known. `failed` is the number of failed trials
    before and after.
    """

    key: ComparedKey
    metric: str
    before: Sequence[TrialSummary]
    after: Sequence[TrialSummary]
    changes: dict[str, Change]
    failed: tuple[int, int]

    @property
    def regressions(self) -> list[str]:
        """The names of the significant regressions; `failures` if trials fail that did not before."""
        names = [name for name, change in self.changes.items() if change.verdict == "regression"]
        fails_now = self.failed[1] and (not self.failed[0] or (self.before and not self.after))
        return names + (["failures"] if fails_now else [])


@dataclass(frozen=True, kw_only=True, slots=True)
class RunComparison:
    """The models that both runs measured, and the settings that only one run measured, in words."""

    compared: Sequence[ComparedModel]
    only_before: Sequence[str]
    only_after: Sequence[str]

    @property
    def regressions(self) -> int:
        return sum(bool(item.regressions) for item in self.compared)


def compare_runs(
    before: Sequence[Path], after: Sequence[Path], *, least_score: float, least_speed: float
) -> RunComparison:
    """Compare two runs; changes below `least_score` (in the metric's unit) or `least_speed` (a share) do not count.

    Trials are compared if task version, data fingerprint, recipe class, device class, precision and model are equal;
    the model's version and code may differ. Raises UsageError for a folder that is missing or has no records.
    """
    old, new = _trials_by_setting(before), _trials_by_setting(after)
    both = [key for key in new if key in old]
    compared = [_compare_model(old[key], new[key], least_score, least_speed) for key in both]
    corrected = correct_together([item.changes for item in compared])
    if not both:
        raise UsageError(
            "the two runs have nothing in common: no model was measured on the same task version, data, recipe class, "
            "device class and precision in both"
        )
    return RunComparison(
        compared=[replace(item, changes=changes) for item, changes in zip(compared, corrected, strict=True)],
        only_before=[key.words for key in old if key not in new],
        only_after=[key.words for key in new if key not in old],
    )


def _trials_by_setting(results: Sequence[Path]) -> dict[ComparedKey, list[TrialSummary]]:
    """Load the current trials, by setting."""
    trials = [trial for trial in load_all_trials(results) if trial.source == RUNNER]
    if not trials:
        raise UsageError(f"there are no records in {', '.join(map(str, results))}; `zoo bench TASK` makes some")
    settings: dict[ComparedKey, list[TrialSummary]] = {}
    current = load_current(shard.folder for shard in scan(results))
    for trial in current_trials(trials, current):
        if trial.status != "skipped":
            settings.setdefault(_compared_key(trial), []).append(trial)
    # A folder that grew over time also has rows of earlier versions and recipes; only the newest row counts.
    newest = {key: [trial for trial in rows if trial.row_text == rows[-1].row_text] for key, rows in settings.items()}
    return dict(sorted(newest.items(), key=lambda item: item[0].text))


def _compared_key(trial: TrialSummary) -> ComparedKey:
    return ComparedKey(
        group=GroupKey.parse(trial.group_text),
        model=trial.model,
        pretrained_on=trial.pretrained_on,
        dtype=trial.dtype,
        compiled=trial.compiled,
        threads=trial.requested_threads,
        budget_s=trial.budget_s,
        recipe=trial.recipe if trial.recipe_class == "custom" else "",
    )


def _compare_model(
    before: Sequence[TrialSummary], after: Sequence[TrialSummary], least_score: float, least_speed: float
) -> ComparedModel:
    latest = after[-1]
    old, new = _ok(before), _ok(after)
    changes = {}
    if old and new:
        changes["score"] = score_change(
            load_sample(old), load_sample(new), higher_is_better=latest.higher_is_better, min_change=least_score
        )
    machines = {trial.machine for trial in (*before, *after)}
    same_machine = len(machines) == 1 and "" not in machines
    for name in TIMES if same_machine else ():
        old_times, new_times = reliable_times(old, name), reliable_times(new, name)
        if old_times and new_times:
            changes[name] = ratio_change(old_times, new_times, min_change=least_speed)
    return ComparedModel(
        key=_compared_key(latest),
        metric=latest.metric,
        before=old,
        after=new,
        changes=changes,
        failed=(_count_failed(before), _count_failed(after)),
    )


def _ok(trials: Sequence[TrialSummary]) -> list[TrialSummary]:
    return [trial for trial in trials if trial.status == "ok" and trial.score is not None]


def _count_failed(trials: Sequence[TrialSummary]) -> int:
    """Count the failed trials, without those that the user interrupted."""
    return sum(trial.failed and trial.status != "interrupted" for trial in trials)


def as_builtins(comparison: RunComparison) -> dict[str, Any]:
    """Return the comparison as JSON values."""
    return {
        "regressions": comparison.regressions,
        "only_before": list(comparison.only_before),
        "only_after": list(comparison.only_after),
        "compared": [
            {
                "task": item.key.group.task,
                "model": item.key.model,
                "dataset": item.key.group.dataset,
                "recipe_class": item.key.group.recipe_class,
                "device": item.key.group.device_class,
                "metric": item.metric,
                "seeds": [len(item.before), len(item.after)],
                "failed": list(item.failed),
                **{name: msgspec.to_builtins(change) for name, change in item.changes.items()},
                "regressions": item.regressions,
            }
            for item in comparison.compared
        ],
    }

"""Compares two runs: the models that both measured, and the significant changes of score, time and failures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from zoo_core.errors import UsageError
from zoo_leaderboard.board.tables import current_entries
from zoo_leaderboard.records.entries import RUNNER, Entry, quiet_times
from zoo_leaderboard.records.index import all_entries
from zoo_leaderboard.records.keys import GroupKey, Key
from zoo_leaderboard.records.samples import sample
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
        return f"{self.model} on {group.task} ({group.dataset}, {group.recipe_class} recipe, {group.device})"


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparedModel:
    """A model in one setting, before and after: its ok trials and its changes.

    `changes` has the keys `score`, `train_s` and `latency_ms`, as far as known. `failed` is the number of failed trials
    before and after.
    """

    key: ComparedKey
    metric: str
    before: Sequence[Entry]
    after: Sequence[Entry]
    changes: dict[str, Change]
    failed: tuple[int, int]

    @property
    def regressions(self) -> list[str]:
        """The names of the significant regressions; `failures` if trials fail that did not before."""
        found = [name for name, change in self.changes.items() if change.verdict == "regression"]
        fails = self.failed[1] and (not self.failed[0] or (self.before and not self.after))
        return found + (["failures"] if fails else [])


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
    compared = [_compared(old[key], new[key], least_score, least_speed) for key in both]
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


def _trials_by_setting(results: Sequence[Path]) -> dict[ComparedKey, list[Entry]]:
    """The current trials by setting."""
    found = [entry for entry in all_entries(results) if entry.source == RUNNER]
    if not found:
        raise UsageError(f"there are no records in {', '.join(map(str, results))}; `zoo bench TASK` makes some")
    settings: dict[ComparedKey, list[Entry]] = {}
    for entry in current_entries(found):
        if entry.status != "skipped":
            settings.setdefault(_compared_key(entry), []).append(entry)
    # A folder that grew over time also has rows of earlier versions and recipes; only the newest row counts.
    newest = {key: [entry for entry in entries if entry.row == entries[-1].row] for key, entries in settings.items()}
    return dict(sorted(newest.items(), key=lambda item: item[0].text))


def _compared_key(entry: Entry) -> ComparedKey:
    return ComparedKey(
        group=GroupKey.parse(entry.group),
        model=entry.model,
        pretrained_on=entry.pretrained_on,
        dtype=entry.dtype,
        compiled=entry.compiled,
        threads=entry.threads,
        budget_s=entry.budget_s,
        recipe=entry.recipe if entry.recipe_class == "custom" else "",
    )


def _compared(before: Sequence[Entry], after: Sequence[Entry], least_score: float, least_speed: float) -> ComparedModel:
    entry = after[-1]
    old, new = _ok(before), _ok(after)
    changes = {}
    if old and new:
        higher = entry.higher_is_better
        changes["score"] = score_change(sample(old), sample(new), higher_is_better=higher, min_change=least_score)
    machines = {item.machine for item in (*before, *after)}
    same_machine = len(machines) == 1 and "" not in machines
    for name in TIMES if same_machine else ():
        times = [quiet_times(side, name) for side in (old, new)]
        if all(times):
            changes[name] = ratio_change(*times, min_change=least_speed)
    return ComparedModel(
        key=_compared_key(entry),
        metric=entry.metric,
        before=old,
        after=new,
        changes=changes,
        failed=(_failures(before), _failures(after)),
    )


def _ok(entries: Sequence[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.status == "ok" and entry.score is not None]


def _failures(entries: Sequence[Entry]) -> int:
    """The number of failed trials, without those that the user interrupted."""
    return sum(entry.failed and entry.status != "interrupted" for entry in entries)


def as_builtins(comparison: RunComparison) -> dict[str, Any]:
    """The comparison as JSON values."""
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
                "device": item.key.group.device,
                "metric": item.metric,
                "seeds": [len(item.before), len(item.after)],
                "failed": list(item.failed),
                **{name: msgspec.to_builtins(change) for name, change in item.changes.items()},
                "regressions": item.regressions,
            }
            for item in comparison.compared
        ],
    }

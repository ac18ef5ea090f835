"""Two runs against each other: the pairs that both measured, and what changed by more than noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import msgspec

from zoo_core.errors import UsageError
from zoo_leaderboard.board.tables import current_entries
from zoo_leaderboard.records.entries import RUNNER, Entry, quiet_times
from zoo_leaderboard.records.index import every
from zoo_leaderboard.records.keys import GroupKey, Key
from zoo_leaderboard.records.samples import sample
from zoo_leaderboard.stats.changes import Change, correct_together, ratio_change, score_change

SPEEDS: tuple[Literal["train_s", "latency_ms"], ...] = (
    "train_s",
    "latency_ms",
)  # compared where both runs are of one machine


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparedModel:
    """A model in one setting, before and after: its ok trials, and what is known of the changes by name.

    The names are `score`, `train_s` and `latency_ms`; `failed` counts the trials of each side that came to nothing.
    """

    about: dict[str, Any]
    before: Sequence[Entry]
    after: Sequence[Entry]
    changes: dict[str, Change]
    failed: tuple[int, int]

    @property
    def regressions(self) -> list[str]:
        """What got worse by more than noise: score, a speed, or trials that fail where none did."""
        found = [name for name, change in self.changes.items() if change.verdict == "regression"]
        fails = self.failed[1] and (not self.failed[0] or (self.before and not self.after))
        return found + (["failures"] if fails else [])


@dataclass(frozen=True, kw_only=True, slots=True)
class RunComparison:
    """What both runs measured, and what only one did, in words."""

    compared: Sequence[ComparedModel]
    only_before: Sequence[str]
    only_after: Sequence[str]

    @property
    def regressions(self) -> int:
        return sum(bool(item.regressions) for item in self.compared)


def compare_runs(
    before: Sequence[Path], after: Sequence[Path], *, least_score: float, least_speed: float
) -> RunComparison:
    """Compare two runs; `least_score` (the metric's unit) and `least_speed` (a share) are the least that counts.

    Compared are the trials of one task version, data fingerprint, recipe class, device class, precision and model,
    whatever the model's version and code. Raises UsageError for a folder that is not there or holds no records.
    """
    old, new = _by_setting(before), _by_setting(after)
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


def _by_setting(results: Sequence[Path]) -> dict[ComparedKey, list[Entry]]:
    """The current trials by the setting they were measured in."""
    found = [entry for entry in every(results) if entry.source == RUNNER]
    if not found:
        raise UsageError(f"there are no records in {', '.join(map(str, results))}; `zoo bench TASK` makes some")
    settings: dict[ComparedKey, list[Entry]] = {}
    for entry in current_entries(found):
        if entry.status != "skipped":
            settings.setdefault(_setting(entry), []).append(entry)
    # A folder that grew has earlier versions and recipes too: the newest row of a setting is what the run says.
    newest = {key: [entry for entry in entries if entry.row == entries[-1].row] for key, entries in settings.items()}
    return dict(sorted(newest.items(), key=lambda item: item[0].text))


def _setting(entry: Entry) -> ComparedKey:
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
        changes["score"] = score_change(sample(old), sample(new), higher_is_better=higher, least=least_score)
    machines = {item.machine for item in (*before, *after)}
    same_machine = len(machines) == 1 and "" not in machines
    for name in SPEEDS if same_machine else ():
        times = [quiet_times(side, name) for side in (old, new)]
        if all(times):
            changes[name] = ratio_change(*times, least=least_speed)
    about = {name: getattr(entry, name) for name in ("task", "model", "dataset", "recipe_class", "device", "metric")}
    failed = (_failures(before), _failures(after))
    return ComparedModel(about=about, before=old, after=new, changes=changes, failed=failed)


def _ok(entries: Sequence[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.status == "ok" and entry.score is not None]


def _failures(entries: Sequence[Entry]) -> int:
    """The trials that failed by themselves: Ctrl-C is no failure of a model."""
    return sum(entry.failed and entry.status != "interrupted" for entry in entries)


def as_builtins(comparison: RunComparison) -> dict[str, Any]:
    """The comparison as JSON values."""
    return {
        "regressions": comparison.regressions,
        "only_before": list(comparison.only_before),
        "only_after": list(comparison.only_after),
        "compared": [
            {
                **item.about,
                "seeds": [len(item.before), len(item.after)],
                "failed": list(item.failed),
                **{name: msgspec.to_builtins(change) for name, change in item.changes.items()},
                "regressions": item.regressions,
            }
            for item in comparison.compared
        ],
    }

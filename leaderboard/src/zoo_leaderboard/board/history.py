"""A pair over time: score and speed by occasion, the best so far, and the changes that are more than noise.

A pair is a model trained on one data set with one recipe class on one class of device. An occasion is what was measured
on one day by one machine with the same code and the same settings.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from zoo_leaderboard.records.entries import RUNNER, Entry, quiet_times
from zoo_leaderboard.records.keys import Key
from zoo_leaderboard.records.samples import sample
from zoo_leaderboard.stats.changes import Change, correct_together, ratio_change, score_change
from zoo_leaderboard.stats.statistics import mean_interval
from zoo_leaderboard.text.names import short_hash

MAX_HISTORIES = 40  # on a page, the last measured first; the data have all


@dataclass(frozen=True, kw_only=True, slots=True)
class Occasion:
    """The ok trials of one day; `change` is of the score, `speed` of the training time, against the occasion before.

    Speed is compared on the same machine only. `best` is the best mean so far.
    """

    moment: str
    entries: tuple[Entry, ...]
    score: float
    low: float | None
    high: float | None
    best: float
    train_s: float | None
    change: Change | None
    speed: Change | None

    @property
    def last(self) -> Entry:
        return self.entries[-1]


class HistoryKey(Key, frozen=True, kw_only=True, array_like=True):
    """The fields that all occasions of a pair share; versions and code may differ."""

    model: str
    dataset: str
    fingerprint: str
    metric: str
    higher_is_better: bool
    recipe_class: str
    device: str
    pretrained_on: str
    dtype: str
    compiled: bool
    threads: int
    budget_s: float | None
    recipe: str

    @property
    def text(self) -> str:
        """The form that the anchors are made from."""
        return repr(msgspec.structs.astuple(self))


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelHistory:
    """A model with its occasions, oldest first."""

    key: HistoryKey
    model: str
    dataset: str
    recipe_class: str
    device: str
    occasions: tuple[Occasion, ...]

    @property
    def anchor(self) -> str:
        return f"p-{short_hash(self.key.text)}"

    @property
    def regressions(self) -> int:
        """How many occasions are significantly worse than the one before, in score or in speed."""
        changes = [change for occasion in self.occasions for change in (occasion.change, occasion.speed)]
        return sum(change is not None and change.verdict == "regression" for change in changes)


def model_histories(entries: Sequence[Entry]) -> list[ModelHistory]:
    """The pairs that were measured on more than one occasion, the last measured first."""
    by_key: dict[HistoryKey, list[Entry]] = {}
    for entry in entries:
        if entry.status == "ok" and entry.score is not None and entry.source == RUNNER:
            by_key.setdefault(_history_key(entry), []).append(entry)
    found = []
    for key, trials in by_key.items():
        parts = _occasions(trials)
        if len(parts) > 1:
            occasions = tuple(_measured(parts))
            last = trials[-1]
            about = {name: getattr(last, name) for name in ("model", "dataset", "recipe_class", "device")}
            found.append(ModelHistory(key=key, occasions=occasions, **about))
    return sorted(found, key=lambda pair: pair.occasions[-1].moment, reverse=True)


def _history_key(entry: Entry) -> HistoryKey:
    return HistoryKey(
        model=entry.model,
        dataset=entry.dataset,
        fingerprint=entry.fingerprint,
        metric=entry.metric,
        higher_is_better=entry.higher_is_better,
        recipe_class=entry.recipe_class,
        device=entry.device,
        pretrained_on=entry.pretrained_on,
        dtype=entry.dtype,
        compiled=entry.compiled,
        threads=entry.threads,
        budget_s=entry.budget_s,
        recipe=entry.recipe if entry.recipe_class == "custom" else "",
    )


def _occasions(entries: Sequence[Entry]) -> list[list[Entry]]:
    """The trials by day, machine, code and settings; of a seed that ran twice on an occasion the later."""
    parts: dict[tuple[str, ...], dict[int, Entry]] = {}
    for entry in entries:
        part = (entry.started_at[:10], entry.machine, entry.code, entry.row)
        parts.setdefault(part, {})[entry.seed] = entry
    found = [list(seeds.values()) for seeds in parts.values()]
    return sorted(found, key=lambda part: part[0].started_at)


def _measured(parts: Sequence[Sequence[Entry]]) -> list[Occasion]:
    found: list[Occasion] = []
    samples = [sample(part) for part in parts]
    for index, part in enumerate(parts):
        higher = part[0].higher_is_better
        interval = mean_interval(samples[index])
        score = interval.value
        version = part[0].task_version  # another version may split or score otherwise: its scores begin anew
        before = [occasion for occasion in found if occasion.last.task_version == version]
        best = (max if higher else min)([score, *(occasion.best for occasion in before[-1:])])
        follows = bool(found) and found[-1].last.task_version == version
        change = score_change(samples[index - 1], samples[index], higher_is_better=higher) if follows else None
        occasion = Occasion(
            moment=part[0].started_at,
            entries=tuple(part),
            score=score,
            low=interval.low,
            high=interval.high,
            best=best,
            train_s=statistics.median(times) if (times := quiet_times(part)) else None,
            change=change,
            speed=_speed(parts[:index], part),
        )
        found.append(occasion)
    corrected = correct_together([_known_changes(occasion) for occasion in found])
    return [
        replace(occasion, change=changes.get("change"), speed=changes.get("speed"))
        for occasion, changes in zip(found, corrected, strict=True)
    ]


def _known_changes(occasion: Occasion) -> dict[str, Change]:
    changes = {"change": occasion.change, "speed": occasion.speed}
    return {name: change for name, change in changes.items() if change is not None}


def _speed(earlier: Sequence[Sequence[Entry]], part: Sequence[Entry]) -> Change | None:
    """The training time against the last occasion on the same machine; None where either has no quiet times."""
    machine, version = part[0].machine, part[0].task_version
    same = (item for item in reversed(earlier) if (item[0].machine, item[0].task_version) == (machine, version))
    before = next(same, None)
    if before is None or not machine or not quiet_times(before) or not quiet_times(part):
        return None
    return ratio_change(quiet_times(before), quiet_times(part))


def plotted(pair: ModelHistory) -> list[dict[str, Any]]:
    """The scores as `plots.over_time` takes them."""
    return [
        {
            "moment": occasion.moment,
            "value": occasion.score,
            "low": occasion.low,
            "high": occasion.high,
            "best": occasion.best,
            "model": pair.model,
        }
        for occasion in pair.occasions
    ]


def plotted_speed(pair: ModelHistory) -> list[dict[str, Any]]:
    """The training times as `plots.over_time` takes them, the fastest so far as the best."""
    found: list[dict[str, Any]] = []
    for occasion in pair.occasions:
        if occasion.train_s is not None:
            best = min([occasion.train_s, *(row["best"] for row in found[-1:])])
            times = sorted(quiet_times(occasion.entries))
            row = {"moment": occasion.moment, "value": occasion.train_s, "low": times[0], "high": times[-1]}
            found.append({**row, "best": best, "model": pair.model})
    return found

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

from zoo_leaderboard.records.entries import RUNNER, Entry
from zoo_leaderboard.records.keys import Key
from zoo_leaderboard.records.samples import sample
from zoo_leaderboard.stats.changes import Change, among_others, ratio_change, score_change
from zoo_leaderboard.stats.statistics import mean_interval
from zoo_leaderboard.text.names import short_hash

MOST_PAIRS = 40  # on a page, the last measured first; the data have all


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
class PairHistory:
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


def pairs(history: Sequence[Entry]) -> list[PairHistory]:
    """The pairs that were measured on more than one occasion, the last measured first."""
    by_pair: dict[HistoryKey, list[Entry]] = {}
    for entry in history:
        if entry.status == "ok" and entry.score is not None and entry.source == RUNNER:
            by_pair.setdefault(_history_key(entry), []).append(entry)
    found = []
    for key, entries in by_pair.items():
        parts = _occasions(entries)
        if len(parts) > 1:
            occasions = tuple(_measured(parts))
            last = entries[-1]
            about = {name: getattr(last, name) for name in ("model", "dataset", "recipe_class", "device")}
            found.append(PairHistory(key=key, occasions=occasions, **about))
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
            train_s=_median(_times(part)),
            change=change,
            speed=_speed(parts[:index], part),
        )
        found.append(occasion)
    return _corrected(found)


def _corrected(occasions: Sequence[Occasion]) -> list[Occasion]:
    """The same with verdicts that allow for how many changes the pair's history has."""
    looked_at = [change for occasion in occasions for change in (occasion.change, occasion.speed) if change is not None]
    corrected = dict(zip(map(id, looked_at), among_others(looked_at), strict=True))
    return [
        replace(item, change=corrected.get(id(item.change)), speed=corrected.get(id(item.speed))) for item in occasions
    ]


def _speed(earlier: Sequence[Sequence[Entry]], part: Sequence[Entry]) -> Change | None:
    """The training time against the last occasion on the same machine; None where either has no quiet times."""
    machine, version = part[0].machine, part[0].task_version
    same = (item for item in reversed(earlier) if (item[0].machine, item[0].task_version) == (machine, version))
    before = next(same, None)
    if before is None or not machine or not _times(before) or not _times(part):
        return None
    return ratio_change(_times(before), _times(part))


def _times(part: Sequence[Entry]) -> list[float]:
    times = (entry.train_s for entry in part if not entry.disturbed)
    return [value for value in times if value is not None and value > 0]


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def plotted(pair: PairHistory) -> list[dict[str, Any]]:
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


def plotted_speed(pair: PairHistory) -> list[dict[str, Any]]:
    """The training times as `plots.over_time` takes them, the fastest so far as the best."""
    found: list[dict[str, Any]] = []
    for occasion in pair.occasions:
        if occasion.train_s is not None:
            best = min([occasion.train_s, *(row["best"] for row in found[-1:])])
            times = sorted(_times(occasion.entries))
            row = {"moment": occasion.moment, "value": occasion.train_s, "low": times[0], "high": times[-1]}
            found.append({**row, "best": best, "model": pair.model})
    return found

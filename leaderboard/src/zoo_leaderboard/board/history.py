"""Models over time: score and training time by occasion, the best so far, and the significant changes.

A history follows one model on one data set with one recipe class on one device class. An occasion is a set of trials of
one day on one machine with the same code and settings.
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

MAX_HISTORIES = 40  # on a page


@dataclass(frozen=True, kw_only=True, slots=True)
class Occasion:
    """The ok trials of one occasion; `best` is the best mean score so far.

    `change` is the change of the score since the occasion before, `speed` that of the training time since the last
    occasion on the same machine.
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
    """The fields that all occasions of a history share; versions and code may differ."""

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
        """The text that the anchor is a hash of."""
        return repr(msgspec.structs.astuple(self))


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelHistory:
    """A model with its occasions, oldest first."""

    key: HistoryKey
    occasions: tuple[Occasion, ...]

    @property
    def model(self) -> str:
        return self.key.model

    @property
    def dataset(self) -> str:
        return self.key.dataset

    @property
    def recipe_class(self) -> str:
        return self.key.recipe_class

    @property
    def device(self) -> str:
        return self.key.device

    @property
    def anchor(self) -> str:
        """The HTML id of its section."""
        return f"p-{short_hash(self.key.text)}"

    @property
    def regressions(self) -> int:
        """The number of significant regressions of score or training time."""
        changes = [change for occasion in self.occasions for change in (occasion.change, occasion.speed)]
        return sum(change is not None and change.verdict == "regression" for change in changes)


def model_histories(entries: Sequence[Entry]) -> list[ModelHistory]:
    """The models measured on more than one occasion, the latest measured first."""
    by_key: dict[HistoryKey, list[Entry]] = {}
    for entry in entries:
        if entry.status == "ok" and entry.score is not None and entry.source == RUNNER:
            by_key.setdefault(_history_key(entry), []).append(entry)
    found = []
    for key, trials in by_key.items():
        by_occasion = _trials_by_occasion(trials)
        if len(by_occasion) > 1:
            occasions = tuple(_summaries(by_occasion))
            found.append(ModelHistory(key=key, occasions=occasions))
    return sorted(found, key=lambda item: item.occasions[-1].moment, reverse=True)


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


def _trials_by_occasion(entries: Sequence[Entry]) -> list[list[Entry]]:
    """The trials by day, machine, code and settings, one per seed: the latest."""
    by_key: dict[tuple[str, ...], dict[int, Entry]] = {}
    for entry in entries:
        key = (entry.started_at[:10], entry.machine, entry.code, entry.row)
        by_key.setdefault(key, {})[entry.seed] = entry
    found = [list(seeds.values()) for seeds in by_key.values()]
    return sorted(found, key=lambda trials: trials[0].started_at)


def _summaries(by_occasion: Sequence[Sequence[Entry]]) -> list[Occasion]:
    found: list[Occasion] = []
    samples = [sample(trials) for trials in by_occasion]
    for index, trials in enumerate(by_occasion):
        higher = trials[0].higher_is_better
        interval = mean_interval(samples[index])
        score = interval.value
        version = trials[0].task_version  # scores of different task versions are not comparable
        before = [occasion for occasion in found if occasion.last.task_version == version]
        best = (max if higher else min)([score, *(occasion.best for occasion in before[-1:])])
        follows = bool(found) and found[-1].last.task_version == version
        change = score_change(samples[index - 1], samples[index], higher_is_better=higher) if follows else None
        occasion = Occasion(
            moment=trials[0].started_at,
            entries=tuple(trials),
            score=score,
            low=interval.low,
            high=interval.high,
            best=best,
            train_s=statistics.median(times) if (times := quiet_times(trials)) else None,
            change=change,
            speed=_time_change(by_occasion[:index], trials),
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


def _time_change(earlier: Sequence[Sequence[Entry]], trials: Sequence[Entry]) -> Change | None:
    """The change of the training time since the last occasion on the same machine.

    None if there is none, or if either occasion has no undisturbed times.
    """
    machine, version = trials[0].machine, trials[0].task_version
    same = (item for item in reversed(earlier) if (item[0].machine, item[0].task_version) == (machine, version))
    before = next(same, None)
    if before is None or not machine or not quiet_times(before) or not quiet_times(trials):
        return None
    return ratio_change(quiet_times(before), quiet_times(trials))


def plotted(history: ModelHistory) -> list[dict[str, Any]]:
    """The scores as rows for `plots.over_time`."""
    return [
        {
            "moment": occasion.moment,
            "value": occasion.score,
            "low": occasion.low,
            "high": occasion.high,
            "best": occasion.best,
            "model": history.model,
        }
        for occasion in history.occasions
    ]


def plotted_speed(history: ModelHistory) -> list[dict[str, Any]]:
    """The training times as rows for `plots.over_time`; the best is the fastest so far."""
    found: list[dict[str, Any]] = []
    for occasion in history.occasions:
        if occasion.train_s is not None:
            best = min([occasion.train_s, *(row["best"] for row in found[-1:])])
            times = sorted(quiet_times(occasion.entries))
            row = {"moment": occasion.moment, "value": occasion.train_s, "low": times[0], "high": times[-1]}
            found.append({**row, "best": best, "model": history.model})
    return found

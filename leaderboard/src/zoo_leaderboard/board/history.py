"""Models over time: score and training time by occasion, the best so far, and the significant changes.

A history follows one model on one data set with one recipe class on one device class. `occasions` says which trials
belong to one occasion, `sequence` how a change is judged: from what was known at its occasion, so that a mark stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from zoo_leaderboard.board.occasions import occasions_of
from zoo_leaderboard.board.score_range import score_range
from zoo_leaderboard.records.keys import Key
from zoo_leaderboard.records.samples import load_sample
from zoo_leaderboard.records.trials import RUNNER, TrialSummary, reliable_times
from zoo_leaderboard.stats.changes import Change
from zoo_leaderboard.stats.intervals import mean_interval
from zoo_leaderboard.stats.sample import Covers
from zoo_leaderboard.stats.sequence import score_marks, time_marks
from zoo_leaderboard.text.names import short_hash

MAX_HISTORIES = 40  # on a page


@dataclass(frozen=True, kw_only=True, slots=True)
class Occasion:
    """The ok trials of one occasion; `best` is the best mean score so far.

    `low` to `high` is the 95 % interval of the score, `covers` says what it allows for.
    `change` is the change of the score from the mean since the last mark, `speed` that of the training time since the
    last occasion on the same machine.
    """

    moment: str
    trials: tuple[TrialSummary, ...]
    score: float
    low: float | None
    high: float | None
    covers: Covers
    best: float
    train_s: float | None
    change: Change | None
    speed: Change | None

    @property
    def last(self) -> TrialSummary:
        return self.trials[-1]


class HistoryKey(Key, frozen=True, kw_only=True, array_like=True):
    """The fields that all occasions of a history share; versions and code may differ."""

    model: str
    dataset: str
    fingerprint: str
    metric: str
    higher_is_better: bool
    recipe_class: str
    device_class: str
    pretrained_on: str
    dtype: str
    compiled: bool
    threads: int
    budget_s: float | None
    recipe: str

    @property
    def text(self) -> str:
        """The text that the anchor is a hash of; like the JSON texts, it has no names of fields."""
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
    def device_class(self) -> str:
        return self.key.device_class

    @property
    def anchor(self) -> str:
        """The HTML id of its section."""
        return f"p-{short_hash(self.key.text)}"

    @property
    def regressions(self) -> int:
        """The number of significant regressions of score or training time."""
        changes = [change for occasion in self.occasions for change in (occasion.change, occasion.speed)]
        return sum(change is not None and change.verdict == "regression" for change in changes)


def model_histories(trials: Sequence[TrialSummary]) -> list[ModelHistory]:
    """Return the models measured on more than one occasion, the latest measured first.

    A trial whose start is unknown, because it lies in the future, has no place in a history.
    """
    by_key: dict[HistoryKey, list[TrialSummary]] = {}
    for trial in trials:
        if trial.status == "ok" and trial.score is not None and trial.source == RUNNER and trial.started_at:
            by_key.setdefault(_history_key(trial), []).append(trial)
    histories = []
    for key, of_model in by_key.items():
        by_occasion = occasions_of(of_model)
        if len(by_occasion) > 1:
            histories.append(ModelHistory(key=key, occasions=tuple(_occasions(by_occasion))))
    return sorted(histories, key=lambda history: history.occasions[-1].moment, reverse=True)


def _history_key(trial: TrialSummary) -> HistoryKey:
    return HistoryKey(
        model=trial.model,
        dataset=trial.dataset,
        fingerprint=trial.fingerprint,
        metric=trial.metric,
        higher_is_better=trial.higher_is_better,
        recipe_class=trial.recipe_class,
        device_class=trial.device_class,
        pretrained_on=trial.pretrained_on,
        dtype=trial.dtype,
        compiled=trial.compiled,
        threads=trial.requested_threads,
        budget_s=trial.budget_s,
        recipe=trial.recipe if trial.recipe_class == "custom" else "",
    )


def _occasions(by_occasion: Sequence[Sequence[TrialSummary]]) -> list[Occasion]:
    """Summarise the occasions, oldest first. A verdict depends only on the occasions up to its own."""
    samples = [load_sample(trials) for trials in by_occasion]
    firsts = [trials[0] for trials in by_occasion]
    versions = [first.task_version for first in firsts]  # scores of different task versions are not comparable
    higher = firsts[0].higher_is_better
    bounds = score_range(firsts[0].metric, higher)
    changes = score_marks([sample.scores for sample in samples], versions, higher_is_better=higher)
    times = [np.array(reliable_times(trials)) for trials in by_occasion]
    machines = [(first.place, first.task_version) if first.machine else None for first in firsts]
    speeds = time_marks([item if len(item) else None for item in times], machines)
    occasions = []
    best: dict[int, float] = {}
    for index, trials in enumerate(by_occasion):
        interval, version = mean_interval(samples[index], bounds=bounds), versions[index]
        best[version] = (max if higher else min)(interval.value, best.get(version, interval.value))
        occasions.append(
            Occasion(
                moment=firsts[index].started_at,
                trials=tuple(trials),
                score=interval.value,
                low=interval.low,
                high=interval.high,
                covers=interval.covers,
                best=best[version],
                train_s=float(np.median(times[index])) if len(times[index]) else None,
                change=changes[index],
                speed=speeds[index],
            )
        )
    return occasions


def score_rows(history: ModelHistory) -> list[dict[str, Any]]:
    """Return the scores as rows for `plots.over_time`."""
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


def time_rows(history: ModelHistory) -> list[dict[str, Any]]:
    """Return the training times as rows for `plots.over_time`; the best is the fastest so far on the same machine."""
    rows: list[dict[str, Any]] = []
    best_of: dict[tuple[str, str], float] = {}
    for occasion in history.occasions:
        if occasion.train_s is not None:
            place = occasion.last.place
            best = best_of[place] = min(occasion.train_s, best_of.get(place, occasion.train_s))
            times = sorted(reliable_times(occasion.trials))
            row = {"moment": occasion.moment, "value": occasion.train_s, "low": times[0], "high": times[-1]}
            rows.append({**row, "best": best, "model": history.model})
    return rows

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

from zoo_leaderboard.records.keys import Key
from zoo_leaderboard.records.samples import load_sample
from zoo_leaderboard.records.trials import RUNNER, TrialSummary, reliable_times
from zoo_leaderboard.stats.changes import Change, correct_together, ratio_change, score_change
from zoo_leaderboard.stats.intervals import mean_interval
from zoo_leaderboard.text.names import short_hash

MAX_HISTORIES = 40  # on a page


@dataclass(frozen=True, kw_only=True, slots=True)
class Occasion:
    """The ok trials of one occasion; `best` is the best mean score so far.

    `change` is the change of the score since the occasion before, `speed` that of the training time since the last
    occasion on the same machine.
    """

    moment: str
    trials: tuple[TrialSummary, ...]
    score: float
    low: float | None
    high: float | None
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
    """Return the models measured on more than one occasion, the latest measured first."""
    by_key: dict[HistoryKey, list[TrialSummary]] = {}
    for trial in trials:
        if trial.status == "ok" and trial.score is not None and trial.source == RUNNER:
            by_key.setdefault(_history_key(trial), []).append(trial)
    histories = []
    for key, of_model in by_key.items():
        by_occasion = _trials_by_occasion(of_model)
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


def _trials_by_occasion(trials: Sequence[TrialSummary]) -> list[list[TrialSummary]]:
    """Group the trials by day, machine, code and settings; of each seed, only the latest."""
    by_occasion: dict[tuple[str, ...], dict[int, TrialSummary]] = {}
    for trial in trials:
        key = (trial.started_at[:10], trial.machine, trial.code_sha256, trial.row_text)
        by_occasion.setdefault(key, {})[trial.seed] = trial
    return sorted((list(by_seed.values()) for by_seed in by_occasion.values()), key=lambda group: group[0].started_at)


def _occasions(by_occasion: Sequence[Sequence[TrialSummary]]) -> list[Occasion]:
    """Summarise the occasions, oldest first, with verdicts corrected for the number of changes."""
    occasions: list[Occasion] = []
    samples = [load_sample(trials) for trials in by_occasion]
    for index, trials in enumerate(by_occasion):
        higher = trials[0].higher_is_better
        interval = mean_interval(samples[index])
        version = trials[0].task_version  # scores of different task versions are not comparable
        comparable = [occasion for occasion in occasions if occasion.last.task_version == version]
        follows = bool(occasions) and occasions[-1].last.task_version == version
        change = score_change(samples[index - 1], samples[index], higher_is_better=higher) if follows else None
        times = reliable_times(trials)
        occasion = Occasion(
            moment=trials[0].started_at,
            trials=tuple(trials),
            score=interval.value,
            low=interval.low,
            high=interval.high,
            best=(max if higher else min)([interval.value, *(occasion.best for occasion in comparable[-1:])]),
            train_s=statistics.median(times) if times else None,
            change=change,
            speed=_time_change(by_occasion[:index], trials),
        )
        occasions.append(occasion)
    corrected = correct_together([_known_changes(occasion) for occasion in occasions])
    return [
        replace(occasion, change=changes.get("change"), speed=changes.get("speed"))
        for occasion, changes in zip(occasions, corrected, strict=True)
    ]


def _known_changes(occasion: Occasion) -> dict[str, Change]:
    changes = {"change": occasion.change, "speed": occasion.speed}
    return {name: change for name, change in changes.items() if change is not None}


def _time_change(earlier: Sequence[Sequence[TrialSummary]], trials: Sequence[TrialSummary]) -> Change | None:
    """Compute the change of the training time since the last occasion on the same machine.

    None if there is no such occasion, or if either has no undisturbed times.
    """
    machine, version = trials[0].machine, trials[0].task_version
    same = (item for item in reversed(earlier) if (item[0].machine, item[0].task_version) == (machine, version))
    before = next(same, None)
    if before is None or not machine or not reliable_times(before) or not reliable_times(trials):
        return None
    return ratio_change(reliable_times(before), reliable_times(trials))


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
    """Return the training times as rows for `plots.over_time`; the best is the fastest so far."""
    rows: list[dict[str, Any]] = []
    for occasion in history.occasions:
        if occasion.train_s is not None:
            best = min([occasion.train_s, *(row["best"] for row in rows[-1:])])
            times = sorted(reliable_times(occasion.trials))
            row = {"moment": occasion.moment, "value": occasion.train_s, "low": times[0], "high": times[-1]}
            rows.append({**row, "best": best, "model": history.model})
    return rows

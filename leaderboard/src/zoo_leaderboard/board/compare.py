"""Compares two runs: the models that both measured, and the significant changes of score, time and failures.

`compared_runs` selects the trials of the two runs. All tests of a comparison are corrected together, over all its
tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import msgspec
import numpy as np

from zoo_leaderboard.board.compared_runs import ComparedKey, Runs
from zoo_leaderboard.records.trials import TrialSummary, reliable_times
from zoo_leaderboard.stats.changes import (
    Change,
    Pair,
    Shift,
    correct_together,
    failure_change,
    failures_together,
    score_changes,
    time_changes,
)

TimeName: TypeAlias = Literal["train_s", "latency_ms"]
TIMES: tuple[TimeName, ...] = ("train_s", "latency_ms")  # compared if both runs are from the same machine and device
ALL = "failures of all models"  # the name of the test over all models, in the family of the correction


@dataclass(frozen=True, kw_only=True, slots=True)
class Least:
    """The smallest changes that count: of a score in its unit; of a time, and of what all times share, as shares."""

    score: float = 0.0
    speed: float = 0.05
    shift: float = 0.10


@dataclass(frozen=True, kw_only=True, slots=True)
class ComparedModel:
    """A model in one setting, before and after: its ok trials and its changes.

    `changes` has the keys `score`, `train_s`, `latency_ms` and `failures`, as far as known. `not_judged` maps the names
    of what could not be judged to the reason. `failed` and `ended` are the numbers of failed trials and of all trials,
    before and after, without interrupted ones.
    """

    key: ComparedKey
    metric: str
    before: Sequence[TrialSummary]
    after: Sequence[TrialSummary]
    failed: tuple[int, int]
    ended: tuple[int, int]
    changes: Mapping[str, Change] = field(default_factory=dict)
    not_judged: Mapping[str, str] = field(default_factory=dict)

    @property
    def fails_now(self) -> bool:
        """Whether every trial fails where none failed before: that is no matter of chance."""
        return not self.failed[0] and bool(self.before) and 0 < self.ended[1] == self.failed[1]

    @property
    def regressions(self) -> list[str]:
        """The names of the significant regressions; `failures` also if the model always fails now and never did."""
        names = [name for name, change in self.changes.items() if change.verdict == "regression"]
        return names + (["failures"] if self.fails_now and "failures" not in names else [])


@dataclass(frozen=True, kw_only=True, slots=True)
class CommonShift:
    """A change of a time that all models measured at one place share; a regression if surely above what counts."""

    name: TimeName
    place: str
    shift: Shift
    regression: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class RunComparison:
    """The models that both runs measured, what all of them share, and the settings that only one run measured.

    `failures` compares the failed trials of all models at once; None if none failed. `tests` is the number of tests
    that were corrected together.
    """

    runs: Runs
    compared: Sequence[ComparedModel]
    shifts: Sequence[CommonShift]
    failures: Change | None
    tests: int

    @property
    def regressions(self) -> int:
        """The number of models with a regression, plus those of all models together."""
        together = sum(item.regression for item in self.shifts)
        together += self.failures is not None and self.failures.verdict == "regression"
        return sum(bool(item.regressions) for item in self.compared) + together

    @property
    def not_judged(self) -> int:
        """The number of scores and times that could not be judged; a model only measured before counts once."""
        return sum(len(item.not_judged) for item in self.compared) + len(self.runs.only_before)


def compare(runs: Runs, least: Least) -> RunComparison:
    """Compare the models that both runs measured."""
    models = [_model(key, before, after) for key, (before, after) in runs.both.items()]
    changes: list[dict[str, Change]] = [{} for _ in models]
    reasons: list[dict[str, str]] = [{} for _ in models]
    _add_scores(models, changes, reasons, least)
    shifts = [shift for name in TIMES for shift in _add_times(name, models, changes, reasons, least)]
    counts = [tuple(zip(model.failed, model.ended, strict=True)) for model in models]
    for found, (before, after) in zip(changes, counts, strict=True):
        if (change := failure_change(before, after)) is not None:
            found["failures"] = change
    together = failures_together([(before, after) for before, after in counts])
    *corrected, common = correct_together([*changes, {ALL: together} if together else {}])
    return RunComparison(
        runs=runs,
        compared=[
            replace(model, changes=found, not_judged=_all_reasons(found, why))
            for model, found, why in zip(models, corrected, reasons, strict=True)
        ],
        shifts=shifts,
        failures=common.get(ALL),
        tests=sum(change.p_value is not None for found in (*corrected, common) for change in found.values()),
    )


def _model(key: ComparedKey, before: Sequence[TrialSummary], after: Sequence[TrialSummary]) -> ComparedModel:
    ended = [[trial for trial in trials if trial.status != "interrupted"] for trials in (before, after)]
    failed, failed_after = (sum(trial.failed for trial in trials) for trials in ended)
    return ComparedModel(
        key=key,
        metric=after[-1].metric,
        before=_ok(before),
        after=_ok(after),
        failed=(failed, failed_after),
        ended=(len(ended[0]), len(ended[1])),
    )


def _ok(trials: Sequence[TrialSummary]) -> list[TrialSummary]:
    return [trial for trial in trials if trial.status == "ok" and trial.score is not None]


def _scores(trials: Sequence[TrialSummary]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([trial.score for trial in trials], dtype=np.float64)


def _add_scores(
    models: Sequence[ComparedModel], changes: list[dict[str, Change]], reasons: list[dict[str, str]], least: Least
) -> None:
    """Add the changes of the scores; the spread is pooled over the models of a table, whose scores have one unit."""
    tables: dict[str, list[int]] = {}
    for index, model in enumerate(models):
        if model.before and model.after:
            tables.setdefault(model.key.group.text, []).append(index)
        else:
            reasons[index]["score"] = f"no ok trial {'after' if model.before else 'before'}"
    for members in tables.values():
        pairs = [Pair(_scores(models[index].before), _scores(models[index].after)) for index in members]
        higher = models[members[0]].key.group.higher_is_better
        found = score_changes(pairs, higher_is_better=higher, min_change=least.score)
        for index, change in zip(members, found, strict=True):
            changes[index]["score"] = change


def _add_times(
    name: TimeName,
    models: Sequence[ComparedModel],
    changes: list[dict[str, Change]],
    reasons: list[dict[str, str]],
    least: Least,
) -> list[CommonShift]:
    """Add the changes of a time, and return the shifts that the models of each machine and device share."""
    places: dict[str, list[tuple[int, Pair]]] = {}
    for index, model in enumerate(models):
        found = _times_of_one_place(name, model)
        if isinstance(found, str):
            reasons[index] |= {name: found} if found else {}
        else:
            place, pair = found
            places.setdefault(place, []).append((index, pair))
    shifts = []
    for place, members in places.items():
        found_changes, shift = time_changes([pair for _, pair in members], min_change=least.speed)
        for (index, _), change in zip(members, found_changes, strict=True):
            changes[index][name] = change
        if shift is not None:
            regression = shift.low > least.shift
            shifts.append(CommonShift(name=name, place=place, shift=shift, regression=regression))
    return shifts


def _times_of_one_place(name: TimeName, model: ComparedModel) -> tuple[str, Pair] | str:
    """Return the times of the place that both runs measured most; or why there are none, empty if there is no time."""
    if not model.before or not model.after:
        return ""  # the score says so already
    known = [[trial for trial in trials if getattr(trial, name) is not None] for trials in (model.before, model.after)]
    if not all(known):
        return f"not measured {'after' if known[0] else 'before'}" if any(known) else ""
    places = [{trial.place: trial.place_words for trial in trials if trial.machine} for trials in known]
    common = [place for place in places[1] if place in places[0]]
    if not common:
        return "measured on different machines or devices"
    pairs = {
        place: [reliable_times([trial for trial in trials if trial.place == place], name) for trials in known]
        for place in common
    }
    best = max(common, key=lambda place: (min(map(len, pairs[place])), sum(map(len, pairs[place]))))
    before, after = pairs[best]
    if not before or not after:
        return f"every time {'after' if before else 'before'} is unreliable: other work was running"
    return places[1][best], Pair(np.array(before), np.array(after))


def _all_reasons(changes: Mapping[str, Change], reasons: Mapping[str, str]) -> dict[str, str]:
    unknown = {name: change.reason for name, change in changes.items() if change.verdict == "unknown"}
    return {**reasons, **unknown}


def as_builtins(comparison: RunComparison) -> dict[str, Any]:
    """Return the comparison as JSON values."""
    return {
        "regressions": comparison.regressions,
        "not_judged": comparison.not_judged,
        "tests": comparison.tests,
        "only_before": list(comparison.runs.only_before),
        "only_after": list(comparison.runs.only_after),
        "left_out": comparison.runs.left_out,
        "failures": msgspec.to_builtins(comparison.failures),
        "shifts": [msgspec.to_builtins(shift) for shift in comparison.shifts],
        "compared": [_model_as_builtins(item) for item in comparison.compared],
    }


def _model_as_builtins(item: ComparedModel) -> dict[str, Any]:
    return {
        "task": item.key.group.task,
        "model": item.key.model,
        "dataset": item.key.group.dataset,
        "recipe_class": item.key.group.recipe_class,
        "device": item.key.group.device_class,
        "metric": item.metric,
        "seeds": [len(item.before), len(item.after)],
        "started_at": [trials[0].started_at if trials else None for trials in (item.before, item.after)],
        "failed": list(item.failed),
        "ended": list(item.ended),
        **{name: msgspec.to_builtins(change) for name, change in item.changes.items() if name != "failures"},
        "failures": msgspec.to_builtins(item.changes.get("failures")),
        "not_judged": dict(item.not_judged),
        "regressions": item.regressions,
    }

"""Estimates how long planned trials will take, from earlier trials of this machine or from a short run.

The wall time of a trial is taken apart: what it takes whatever its length, the time of a step, and of an evaluation.
So a trial of 100 steps tells how long one of 10,000 steps takes.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from zoo_core.errors import ZooError
from zoo_core.recipe import Recipe
from zoo_core.results.records import CurvePoint, Record
from zoo_core.runner.length import MIN_EVALUATIONS, Length, resolve_length
from zoo_core.runner.planned_trial import PlannedTrial

# Of a trial outside of its worker: staging, the second scoring, and saving. On two busy cores, each of 40 trials of
# `cosine mlp` took at least 0.36 s for that.
BESIDE_WORKER_S = 0.4
MAX_S = 1e9  # thirty years: larger numbers in a record cannot be true
LENGTH_KEYS = frozenset({"steps", "epochs", "eval_every"})
TIMEOUT_FACTOR, LEAST_TIMEOUT_S = 10.0, 600.0  # of the default time limit: a multiple of the estimate, but not less

Kin = tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """An estimated wall time, and where it comes from, in words."""

    seconds: float
    source: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Cost:
    """What a trial took. fixed_s: apart from steps and evaluations on val. epoch_steps: None without epochs.

    other: the recipe without what sets the length. budget_s: of the training time, if that ended it.
    """

    wall_s: float
    fixed_s: float
    step_s: float
    evaluation_s: float
    epoch_steps: float | None
    recipe: Mapping[str, Any]
    budget_s: float | None = None


def cost_of(record: Record) -> Cost | None:
    """Return what a recorded trial took; None if it did not end well."""
    if record.status != "ok" or record.wall_s is None:
        return None
    phases = {phase.name: phase.seconds for phase in record.phases}
    return make_cost(record.wall_s, phases, record.curve, recipe=record.recipe, budget_s=record.budget_s)


def make_cost(
    wall_s: float,
    phases: Mapping[str, float],
    curve: Sequence[CurvePoint],
    *,
    recipe: Mapping[str, Any],
    budget_s: float | None,
) -> Cost | None:
    """Take the wall time of a trial apart by its phases; None if its numbers cannot be true.

    curve: its evaluations, the last one at its last step.
    """
    train_s, evaluate_s = phases.get("train", 0.0), phases.get("evaluate", 0.0)
    if not all(0 <= seconds < MAX_S for seconds in (wall_s, train_s, evaluate_s)):
        return None
    last = curve[-1] if curve else None
    return Cost(
        wall_s=wall_s,
        fixed_s=max(0.0, wall_s - train_s - evaluate_s),
        step_s=train_s / last.step if last is not None and last.step > 0 else 0.0,
        evaluation_s=evaluate_s / len(curve) if curve else 0.0,
        epoch_steps=last.step / last.epoch if last is not None and last.epoch else None,
        recipe=recipe,
        budget_s=budget_s,
    )


def kin_of_record(record: Record) -> Kin:
    """Return what trials have in common whose costs can be compared."""
    device = record.device
    setup = (device.kind, device.name, device.dtype, str(device.compiled), str(device.requested_threads))
    return (record.task.name, record.dataset.name, record.model.name, *setup)


def kin_of_trial(trial: PlannedTrial) -> Kin:
    """Return the same for a planned trial."""
    request = trial.request
    setup = (trial.device_class, trial.device_name, trial.dtype, str(request.compiled), str(request.threads))
    return (trial.task.qualified, trial.dataset.qualified, trial.model.qualified, *setup)


class Estimator:
    """Estimates trials from what earlier ones took. machine: the id of this machine; records of others do not count.

    measure: runs a trial for a moment and returns what that took, or None; without it, trials that are not like any
    earlier one have no estimate. A measured pair serves all its trials.
    """

    def __init__(
        self,
        records: Iterable[Record],
        machine: str,
        measure: Callable[[PlannedTrial], Cost | None] | None = None,
    ) -> None:
        self._measure = measure
        self._measured: dict[tuple[Kin, str], Cost | None] = {}
        self._costs: dict[Kin, list[Cost]] = {}
        for record in records:
            cost = cost_of(record) if record.environment.get("machine") == machine else None
            if cost is not None:
                self._costs.setdefault(kin_of_record(record), []).append(cost)

    def estimate(self, trial: PlannedTrial) -> Estimate | None:
        """Estimate one trial; None if nothing is known of it."""
        costs = self._costs.get(kin_of_trial(trial), [])
        same = [cost for cost in costs if _is_same(cost, trial)]
        if same:
            seconds = statistics.median(cost.wall_s for cost in same)
            plural = "s" if len(same) > 1 else ""
            return Estimate(seconds=seconds + BESIDE_WORKER_S, source=f"{len(same)} earlier trial{plural}")
        alike = [cost for cost in costs if _without_length(cost.recipe) == _without_length(trial.recipe)]
        for known, source in ((alike, "an earlier trial of another length"), (costs, "other settings of this pair")):
            if known and (scaled := _scaled(known[-1], trial)) is not None:
                return Estimate(seconds=scaled + BESIDE_WORKER_S, source=source)
        return self._from_short_run(trial)

    def _from_short_run(self, trial: PlannedTrial) -> Estimate | None:
        if self._measure is None:
            return None
        key = (kin_of_trial(trial), repr(sorted(_without_length(trial.recipe).items())))
        if key not in self._measured:
            self._measured[key] = self._measure(trial)
        cost = self._measured[key]
        seconds = _scaled(cost, trial) if cost is not None else None
        return None if seconds is None else Estimate(seconds=seconds + BESIDE_WORKER_S, source="a short run")


def _is_same(cost: Cost, trial: PlannedTrial) -> bool:
    return dict(cost.recipe) == dict(trial.recipe) and cost.budget_s == trial.request.budget_s


def _without_length(recipe: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in recipe.items() if key not in LENGTH_KEYS}


def _scaled(cost: Cost, trial: PlannedTrial) -> float | None:
    """Return the wall time of a trial that takes what `cost` says for each step and evaluation; None if unknown."""
    before, now = cost.recipe.get("batch_size"), trial.recipe.get("batch_size")
    larger = now / before if _is_positive(before) and _is_positive(now) else 1.0
    epoch_steps = max(1, math.ceil(cost.epoch_steps / larger)) if _is_positive(cost.epoch_steps) else None
    budget_s = trial.request.budget_s
    try:
        length = resolve_length(trial.recipe, epoch_steps, budget_s)
    except ZooError:  # the trial itself will say why
        return None
    train_s = cost.step_s * larger * length.total if budget_s is None else budget_s
    evaluations = _evaluations(length, trial.recipe) if budget_s is None else MIN_EVALUATIONS
    seconds = cost.fixed_s + train_s + cost.evaluation_s * evaluations
    return seconds if 0 <= seconds < MAX_S else None


def _is_positive(value: Any) -> TypeGuard[float]:
    """Return whether a value, which may come from a record of anyone, is a positive number of a sane size."""
    return isinstance(value, int | float) and 0 < value < MAX_S


def _evaluations(length: Length, recipe: Recipe) -> int:
    """Return how often val is evaluated; without a val split, not at all."""
    return math.ceil(length.total / length.interval) if recipe.get("holdout", True) else 0


def default_timeout_s(estimate: Estimate | None) -> float | None:
    """Return the time limit of a trial that was given none: generous, and none where nothing is known."""
    return None if estimate is None else max(LEAST_TIMEOUT_S, math.ceil(TIMEOUT_FACTOR * estimate.seconds))

"""Gives each trial of a plan its estimate and its time limit, and keeps those that fit into `--limit`."""

from __future__ import annotations

import heapq
import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from msgspec import structs

from zoo_core.errors import ZooError
from zoo_core.measure.environment import machine_id
from zoo_core.results.store import Store
from zoo_core.runner.estimates import (
    Cost,
    Estimate,
    Estimator,
    default_timeout_s,
    kin_of_record,
    kin_of_trial,
    make_cost,
)
from zoo_core.runner.events import TrialJob
from zoo_core.runner.executor import LocalExecutor
from zoo_core.runner.jobs import Place, Places
from zoo_core.runner.log import limiting_log
from zoo_core.runner.plan import Plan
from zoo_core.runner.planned_trial import PlannedTrial
from zoo_core.runner.preflight import InitialWeights, preflight
from zoo_core.runner.scoring import remove_predictions

NEWEST = 1000  # records of a task that estimates come from
SHORT_TRAINING_S, SHORT_LIMIT_S = 1.0, 60.0  # of a short run: of its training, and of all of it

Identity = tuple[str, str]


def schedule(plan: Plan, store: Store, executor: LocalExecutor) -> Plan:
    """Return the plan with estimates and time limits, and under `--limit` with the trials that do not fit in `left`.

    Only under `--limit` are pairs measured by a short run, which decodes their data and fetches their weights.
    """
    if not plan.todo:
        return plan
    request = plan.todo[0].request
    short_runs = ShortRuns(plan, executor) if request.limit_s is not None else None
    records = (record for task in _tasks(plan.todo) for record in store.newest(task, NEWEST))
    estimator = Estimator(records, machine_id(), short_runs.measure if short_runs else None)
    estimates = {trial.identity: estimate for trial in plan.todo if (estimate := estimator.estimate(trial))}
    todo, left = list(plan.todo), list[PlannedTrial]()
    if request.limit_s is not None:
        todo, left = fit(plan, estimates, request.limit_s)
    if request.default_timeout:
        todo = [_with_timeout(trial, estimates.get(trial.identity)) for trial in todo]
    return replace(plan, todo=tuple(todo), left=tuple(left), estimates=estimates)


def _with_timeout(trial: PlannedTrial, estimate: Estimate | None) -> PlannedTrial:
    """Return the trial with the default time limit, unless it was given one."""
    timeout_s = default_timeout_s(estimate)
    return trial if timeout_s is None or trial.timeout_s is not None else replace(trial, timeout_s=timeout_s)


def _tasks(trials: Iterable[PlannedTrial]) -> list[str]:
    return list(dict.fromkeys(trial.task.qualified for trial in trials))


def fit(
    plan: Plan, estimates: Mapping[Identity, Estimate], limit_s: float
) -> tuple[list[PlannedTrial], list[PlannedTrial]]:
    """Return the trials that fit into the limit, in the order to run them, and the others.

    One seed of everything comes before the second of anything, and a short trial before a long one. Earlier seeds that
    are recorded count. Trials without an estimate do not fit.
    """
    seeds = Counter(_group(kin_of_record(record), record.recipe) for record in plan.recorded)
    ranked = []
    for number, trial in enumerate(plan.todo):
        group = _group(kin_of_trial(trial), trial.recipe)
        estimate = estimates.get(trial.identity)
        ranked.append((seeds[group], estimate.seconds if estimate else float("inf"), number, trial))
        seeds[group] += 1
    lanes = [0.0] * plan.todo[0].request.jobs
    chosen, left = [], []
    for _, seconds, _, trial in sorted(ranked, key=lambda item: item[:3]):
        if lanes[0] + seconds <= limit_s:
            heapq.heapreplace(lanes, lanes[0] + seconds)
            chosen.append(trial)
        else:
            left.append(trial)
    return chosen, left


def _group(kin: tuple[str, ...], recipe: Mapping[str, object]) -> str:
    """Name what differs only in its seed."""
    return json.dumps([kin, dict(recipe)], sort_keys=True, default=str)


def total_s(seconds: Sequence[float], jobs: int) -> float:
    """Return how long trials take, `jobs` at a time in this order.

    >>> total_s([3.0, 1.0, 1.0], 2)
    3.0
    """
    lanes = [0.0] * jobs
    for item in seconds:
        heapq.heapreplace(lanes, lanes[0] + item)
    return max(lanes)


@dataclass(slots=True)
class ShortRuns:
    """Measures pairs by training each for a moment. Nothing of it is recorded."""

    plan: Plan
    executor: LocalExecutor
    weights: Mapping[str, InitialWeights] | None = None

    def measure(self, trial: PlannedTrial) -> Cost | None:
        """Return what a short run of a trial took, also if it failed; None if it was not done in time or cannot run."""
        if self.weights is None:
            self.weights = preflight(self.plan, self.executor).weights
        weights = self.weights.get(trial.model.qualified)
        if weights is None:
            return None
        with tempfile.TemporaryDirectory(prefix="zoo-short-") as folder, limiting_log(Path(folder)):
            job = trial.to_trial_job(Path(folder), weights.path, weights.sha256)
            try:
                result = self.executor.run(_shortened(job, trial), timeout_s=SHORT_LIMIT_S)
            except ZooError:  # the trial itself will say why
                return None
            finally:
                remove_predictions(Path(folder))
        if result.interrupted:
            raise KeyboardInterrupt
        if result.timed_out:
            return None
        phases = result.trial_done.phases if result.trial_done else {}
        curve = [event.point for event in result.points]
        return make_cost(result.wall_s, phases, curve, recipe=dict(trial.recipe), budget_s=SHORT_TRAINING_S)


def _shortened(job: TrialJob, trial: PlannedTrial) -> TrialJob:
    """Return a job with a short training and without extras, in a place such as the trial will have."""
    taken = Places(trial.request).take(trial)
    place = taken[1] if taken else Place()
    return structs.replace(
        job,
        budget_s=SHORT_TRAINING_S,
        save=False,
        onnxruntime=False,
        inspect=False,
        profile="",
        cpus=[*place.cpus],
        max_threads=place.max_threads,
    )

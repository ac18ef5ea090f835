"""Estimates of trials, `--limit`, and the default time limit: derived from what earlier trials took."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from zoo_core.measure.environment import machine_id
from zoo_core.recipe import Recipe
from zoo_core.registry import Pair, Registry
from zoo_core.results.records import CurvePoint, PhaseFacts, Record
from zoo_core.results.store import Store
from zoo_core.runner.estimates import BESIDE_WORKER_S, Estimate, Estimator, default_timeout_s, make_cost
from zoo_core.runner.executor import WorkerResult
from zoo_core.runner.plan import Plan, make_plan
from zoo_core.runner.planned_trial import PlannedTrial
from zoo_core.runner.preflight import InitialWeights
from zoo_core.runner.recording import TrialStatus, make_record, now
from zoo_core.runner.request import Request
from zoo_core.runner.schedule import fit, total_s


@pytest.fixture(scope="module")
def planned() -> PlannedTrial:
    """A trial of 100 steps."""
    registry = Registry.load()
    task = registry.task("cosine")
    pair = Pair(task, registry.model("mlp", task))
    request = Request(pairs=[pair], overrides={"steps": 100}, device_names={"cpu": "a cpu"})
    (trial,) = make_plan(request, registry, Store(Path("nowhere"))).todo
    return trial


def like(trial: PlannedTrial, **changes: Any) -> PlannedTrial:
    recipe = {**trial.recipe, **changes.pop("recipe", {})}
    return replace(trial, recipe=Recipe(recipe), **changes)


def record_of(trial: PlannedTrial, wall_s: float, **changes: Any) -> Record:
    """The record of a trial that took 2 s, 6 s of training and 1 s for 10 evaluations, if `wall_s` is 9."""
    record = make_record(
        trial,
        WorkerResult(),
        TrialStatus(status="ok", reason=""),
        started=now(),
        environment={"machine": machine_id()},
        weights=InitialWeights(),
    )
    steps = trial.recipe.steps
    curve = [CurvePoint(step=steps * n // 10, seconds=0.6 * n, epoch=steps * n / 500) for n in range(1, 11)]
    phases = [PhaseFacts(name="train", seconds=6.0), PhaseFacts(name="evaluate", seconds=1.0)]
    return structs.replace(record, **{"wall_s": wall_s, "curve": curve, "phases": phases, **changes})


def test_the_same_recipe_takes_the_median_of_earlier_seeds(planned: PlannedTrial) -> None:
    earlier = [record_of(like(planned, seed=seed), wall_s) for seed, wall_s in enumerate((8.0, 9.0, 20.0))]
    found = Estimator(earlier, machine_id()).estimate(like(planned, seed=7))
    assert found == Estimate(seconds=9.0 + BESIDE_WORKER_S, source="3 earlier trials")


def test_ten_times_the_steps_take_ten_times_the_training(planned: PlannedTrial) -> None:
    """2 s apart from steps, 60 s for 1,000 steps of 0.06 s, and 0.1 s for each evaluation."""
    found = Estimator([record_of(planned, 9.0)], machine_id()).estimate(like(planned, recipe={"steps": 1000}))
    assert found is not None
    assert found.source == "an earlier trial of another length"
    evaluations = 20  # 1,000 steps are 20 epochs of 50 steps, with an evaluation after each
    assert found.seconds == pytest.approx(2 + 60 + 0.1 * evaluations + BESIDE_WORKER_S)


@pytest.mark.parametrize(
    "changes",
    [
        {"environment": {"machine": "another"}},
        {"status": "error"},
        {"wall_s": float("inf")},
        {"wall_s": -3.0},
        {"wall_s": None},
        {"phases": [PhaseFacts(name="train", seconds=float("nan"))]},
    ],
)
def test_records_of_other_machines_and_with_impossible_numbers_tell_nothing(
    planned: PlannedTrial, changes: dict[str, Any]
) -> None:
    record = structs.replace(record_of(planned, 9.0), **changes)
    assert Estimator([record], machine_id()).estimate(planned) is None


def test_absurd_recipes_of_records_make_no_absurd_estimate(planned: PlannedTrial) -> None:
    for absurd in ("x", -1, 0, 1e300, float("nan"), None, True, [1]):
        record = structs.replace(record_of(planned, 9.0), recipe={**planned.recipe, "batch_size": absurd})
        found = Estimator([record], machine_id()).estimate(planned)
        assert found is None or 0 < found.seconds < 1e9


def test_a_pair_without_records_is_measured_once(planned: PlannedTrial) -> None:
    calls = []

    def measure(trial: PlannedTrial) -> Any:
        calls.append(trial)
        curve = [CurvePoint(step=50, seconds=1.0)]
        phases = {"train": 1.0, "evaluate": 0.5}
        return make_cost(4.5, phases, curve, recipe=dict(trial.recipe), budget_s=1.0)

    estimator = Estimator([], machine_id(), measure)
    found = [estimator.estimate(like(planned, seed=seed)) for seed in range(3)]
    # 3 s apart from steps, 100 steps of 1 / 50 s, and 10 evaluations of 0.5 s
    assert found == [Estimate(seconds=3 + 2 + 5 + BESIDE_WORKER_S, source="a short run")] * 3
    assert len(calls) == 1


def test_the_default_time_limit_is_generous_and_needs_an_estimate() -> None:
    assert default_timeout_s(None) is None
    assert default_timeout_s(Estimate(seconds=3.0, source="")) == 600
    assert default_timeout_s(Estimate(seconds=100.0, source="")) == 1000


def plan_of(trial: PlannedTrial, *settings: tuple[float, int], recorded: tuple[Record, ...] = ()) -> tuple[Plan, Any]:
    """A plan with trials of (lr, seed), and estimates: a trial takes 100 times its lr."""
    trials = [like(trial, recipe={"lr": lr}, seed=seed) for lr, seed in settings]
    estimates = {item.identity: Estimate(seconds=100 * item.recipe.lr, source="") for item in trials}
    return Plan(todo=tuple(trials), recorded=recorded, skipped=()), estimates


def chosen(plan: Plan, estimates: Any, limit_s: float) -> list[tuple[float, int]]:
    return [(trial.recipe.lr, trial.seed) for trial in fit(plan, estimates, limit_s)[0]]


def test_one_seed_of_everything_comes_before_the_second_of_anything(planned: PlannedTrial) -> None:
    plan, estimates = plan_of(planned, (0.3, 0), (0.3, 1), (0.1, 0), (0.1, 1), (0.1, 2))
    assert chosen(plan, estimates, 100.0) == [(0.1, 0), (0.3, 0), (0.1, 1), (0.3, 1), (0.1, 2)]
    assert chosen(plan, estimates, 50.0) == [(0.1, 0), (0.3, 0), (0.1, 1)]
    assert chosen(plan, estimates, 25.0) == [(0.1, 0), (0.1, 1)], "what fits goes on with the time that is left"
    assert chosen(plan, estimates, 1.0) == []


def test_recorded_seeds_count(planned: PlannedTrial) -> None:
    done = record_of(like(planned, recipe={"lr": 0.1}, seed=9), 1.0)
    plan, estimates = plan_of(planned, (0.1, 0), (0.3, 0), recorded=(done,))
    assert chosen(plan, estimates, 35.0) == [(0.3, 0)]


def test_trials_without_an_estimate_do_not_fit(planned: PlannedTrial) -> None:
    plan, estimates = plan_of(planned, (0.1, 0), (0.3, 0))
    del estimates[plan.todo[0].identity]
    assert chosen(plan, estimates, 1e6) == [(0.3, 0)]


def test_with_two_jobs_twice_as_much_fits(planned: PlannedTrial) -> None:
    plan, estimates = plan_of(planned, *((0.1, seed) for seed in range(6)))
    two = replace(plan, todo=tuple(replace(item, request=replace(item.request, jobs=2)) for item in plan.todo))
    assert (len(chosen(plan, estimates, 30.0)), len(chosen(two, estimates, 30.0))) == (3, 6)
    assert total_s([10.0] * 6, 2) == 30.0


def test_a_dry_run_says_where_its_estimates_come_from(zoo: Callable[..., Any]) -> None:
    command = ["bench", "cosine", "--model", "mlp", "--device", "cpu", "--threads", "1"]
    assert zoo(*command, "--max-steps", "3").code == 0
    longer = json.loads(zoo(*command, "--max-steps", "9", "--dry-run", "--json").out)["todo"][0]
    assert longer["estimate_from"] == "an earlier trial of another length"
    assert longer["timeout_s"] == 600
    again = zoo(*command, "--max-steps", "3", "--seeds", "2", "--timeout", "none", "--dry-run").out
    assert "1 earlier trial" in again
    assert "1 to run (about" in again
    unknown = json.loads(zoo(*command, "--max-steps", "3", "--dtype", "bf16", "--dry-run", "--json").out)["todo"][0]
    assert (unknown["estimate_s"], unknown["timeout_s"]) == (None, None)


def test_a_limit_measures_what_is_unknown_and_leaves_what_does_not_fit(zoo: Callable[..., Any]) -> None:
    command = ["bench", "cosine", "--model", "mlp", "--device", "cpu", "--threads", "1", "--set", "steps=3,100000000"]
    done = zoo(*command, "--limit", "5m")
    assert done.code == 0, done.err
    assert "1 new" in done.out
    assert "1 trial did not fit into --limit" in done.out

"""The plan and the checks before its first trial, without a worker."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, asdict, replace
from pathlib import Path
from typing import Any

import pytest

from zoo_core.errors import (
    DataUnavailableError,
    IncompatibleError,
    MisspeltMethodError,
    RecipeError,
    WeightsError,
    ZooError,
)
from zoo_core.registry import Pair, Registry
from zoo_core.results.store import Store
from zoo_core.runner.events import Job, OpenJob, WeightsJob
from zoo_core.runner.plan import Plan, Problem, make_plan
from zoo_core.runner.planned_trial import experiment_key
from zoo_core.runner.preflight import preflight
from zoo_core.runner.request import Request
from zoo_core.specs import Download

WEIGHTS = Download(name="w.safetensors", urls=("https://example.org/w.safetensors",), sha256="0" * 64)


class FakeExecutor:
    """Answers jobs without a process: an exception in `errors` is raised for jobs of its type."""

    def __init__(self, weights: str = "", **errors: Exception) -> None:
        self.weights, self.errors = weights, errors
        self.jobs: list[Job] = []

    def ask(self, job: Job, timeout_s: float | None = None) -> Any:
        self.jobs.append(job)
        if type(job).__name__ in self.errors:
            raise self.errors[type(job).__name__]
        if isinstance(job, OpenJob):
            signature = Registry.load().dataset(job.dataset).signature
            return {"signature": asdict(signature), "sizes": {}, "left_out": []}
        return self.weights if isinstance(job, WeightsJob) else True


def plan_of(tmp_path: Path, *, pretrained: bool = False, **changes: Any) -> Plan:
    """A plan of two seeds of one pair, as `zoo bench --all` makes it."""
    registry = Registry.load()
    task = registry.task("cosine")
    model = replace(registry.model("mlp", task), weights=WEIGHTS if pretrained else None)
    fields = {"seeds": (0, 1), "named_task": False, "named_models": False, **changes}
    return make_plan(Request(pairs=[Pair(task, model)], **fields), registry, Store(tmp_path))


def check(plan: Plan, executor: Any) -> Any:
    return preflight(plan, executor)


def test_a_plan_cannot_be_changed_and_preflight_returns_a_new_one(tmp_path: Path) -> None:
    plan = plan_of(tmp_path)
    checked = check(plan, FakeExecutor(OpenJob=DataUnavailableError("no data")))
    assert (len(plan.todo), plan.skipped) == (2, ())
    assert (checked.plan.todo, len(checked.plan.skipped)) == ((), 2)
    with pytest.raises(FrozenInstanceError):
        plan.todo = ()  # type: ignore[misc]


def test_the_key_of_an_experiment_is_that_of_its_settings_when_planned(tmp_path: Path) -> None:
    first, second = plan_of(tmp_path).todo
    assert first.key == experiment_key(first) != second.key
    assert replace(first, seed=1).key == second.key


def test_each_data_set_and_each_model_is_checked_once(tmp_path: Path) -> None:
    executor = FakeExecutor(weights=str(tmp_path / "w"))
    (tmp_path / "w").write_bytes(b"weights")
    checked = check(plan_of(tmp_path, pretrained=True), executor)
    assert [type(job).__name__ for job in executor.jobs] == ["OpenJob", "WeightsJob", "TryJob"]
    (weights,) = checked.weights.values()
    assert weights.path == str(tmp_path / "w")
    assert len(weights.sha256) == 64


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (WeightsError("the same words"), "error"),
        (DataUnavailableError("the same words"), "skipped"),
        (IncompatibleError("the same words"), "skipped"),
        (MisspeltMethodError("the same words"), "error"),
        (RecipeError("the same words"), "error"),
    ],
)
def test_the_type_of_an_error_decides_the_status(tmp_path: Path, error: ZooError, status: Any) -> None:
    checked = check(plan_of(tmp_path, pretrained=True), FakeExecutor(WeightsJob=error))
    assert [skipped.problem for skipped in checked.plan.skipped] == [Problem("the same words", status)] * 2


def test_weights_that_a_worker_failed_to_fetch_stop_the_trial(tmp_path: Path) -> None:
    executor = FakeExecutor(WeightsJob=RuntimeError("a worker process ended without a result"))
    checked = check(plan_of(tmp_path, pretrained=True), executor)
    assert checked.plan.todo == ()
    assert {skipped.problem.status for skipped in checked.plan.skipped} == {"error"}
    assert "cannot be fetched: a worker process ended" in checked.plan.skipped[0].problem.reason
    with pytest.raises(WeightsError, match="cannot be fetched"):
        check(plan_of(tmp_path, pretrained=True, named_task=True, named_models=True), executor)


def test_a_model_that_dies_when_it_is_tried_still_runs_because_its_record_gives_the_reason(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"weights")
    executor = FakeExecutor(weights=str(tmp_path / "w"), TryJob=RuntimeError("signal SIGSEGV"))
    assert len(check(plan_of(tmp_path, pretrained=True), executor).plan.todo) == 2

"""Times that a worker cannot have measured make no result."""

from __future__ import annotations

import math
from typing import Any

import pytest
from msgspec.structs import replace

from zoo_core.results.records import CurvePoint, Latency, Load, Measured, TimeToTarget
from zoo_core.runner.events import Evaluated, TrialDone
from zoo_core.runner.executor import WorkerResult
from zoo_core.runner.plausible import find_impossible_number

MEASURED = Measured(
    steps=10,
    units=100,
    train_s=2.0,
    throughput=50.0,
    time_to_target=TimeToTarget(status="met", seconds=1.5),
    latency=Latency(median_ms=1.0, p95_ms=2.0, n=10),
    inference_batch=8,
    inference_throughput=800.0,
    peak_memory_mib=10.0,
    load=Load(cpu_s=1.9, wall_s=2.0),
)


def result(
    status: Any = "ok", *, spent_s: float = 0.0, seconds: float = 1.5, train: float = 2.0, **changes: Any
) -> Any:
    done = TrialDone(
        status=status, measured=replace(MEASURED, **changes), phases={"prepare": 1.0, "train": train}, spent_s=spent_s
    )
    return WorkerResult(trial_done=done, wall_s=5.0, points=[Evaluated(point=CurvePoint(step=5, seconds=seconds))])


def test_possible_numbers_pass_and_so_does_a_trial_that_measured_nothing() -> None:
    assert find_impossible_number(result()) == ""
    assert find_impossible_number(result(train_s=900.0, spent_s=898.0)) == ""  # features from the cache
    assert find_impossible_number(result("error", train_s=None, throughput=None, latency=None, load=None)) == ""
    assert find_impossible_number(WorkerResult()) == ""


@pytest.mark.parametrize("value", [-1.0, math.nan, math.inf, 1e9])
@pytest.mark.parametrize("field", ["train_s", "seconds", "train"])
def test_a_time_that_is_negative_not_finite_or_longer_than_the_process_is_impossible(field: str, value: float) -> None:
    for status in ("ok", "diverged"):
        assert str(value).split("e")[0].split(".")[0] in find_impossible_number(result(status, **{field: value}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": -1}, "the plugin reported -1 steps"),
        ({"steps": 0}, "the plugin reported 0 steps"),
        ({"steps": 10**12}, "the plugin reported 1,000,000,000,000 steps, but the worker ran for 5.0 s"),
        ({"steps": 4}, "the curve has a point at step 5 after one at 0, of 4 steps"),
        ({"units": -7}, "the plugin reported -7 units"),
        ({"units": 2**63}, "the plugin reported 9,223,372,036,854,775,808 units"),
        ({"train_s": 0.0}, "the training time is 0"),
        ({"train_s": None}, "the training time is None"),
        ({"throughput": 0.0}, "the throughput is 0"),
        ({"throughput": None}, "the throughput is None"),
        ({"spent_s": -3.0}, "the time from cached phases is -3"),
        ({"latency": Latency(median_ms=0.0, p95_ms=1.0, n=3)}, "the latency in ms is 0"),
        ({"latency": Latency(median_ms=1.0, p95_ms=math.inf, n=3)}, "95th percentile"),
        ({"inference_throughput": math.nan}, "the inference throughput"),
        ({"time_to_target": TimeToTarget(status="met", seconds=99.0)}, "the time to the target is 99.0"),
        ({"load": Load(cpu_s=-1.0, wall_s=2.0)}, "the CPU time is -1"),
        ({"load": Load(cpu_s=1.0, wall_s=0.0)}, "the wall time of the timed windows is 0"),
        ({"peak_memory_mib": -1.0}, "the peak memory"),
    ],
)
def test_every_measurement_is_checked_and_named(changes: dict[str, Any], words: str) -> None:
    assert words in find_impossible_number(result(**changes))


@pytest.mark.parametrize("value", [1e10, math.inf, math.nan])
def test_a_time_from_a_cache_that_nobody_can_have_spent_is_impossible(value: float) -> None:
    assert "s from cached phases" in find_impossible_number(result(spent_s=value))


def test_a_curve_that_goes_back_is_impossible() -> None:
    points = [Evaluated(point=CurvePoint(step=step, seconds=1.0)) for step in (2, 5, 4)]
    found = result()
    found.points = points
    assert find_impossible_number(found) == "the curve has a point at step 4 after one at 5, of 10 steps"

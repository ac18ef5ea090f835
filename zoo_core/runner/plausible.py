"""Finds measurements of a worker that cannot be right, such as a time that is negative or longer than the worker ran.

A plugin's code runs in the worker, and may replace a clock or report seconds of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from zoo_core.runner.executor import WorkerResult

SLACK_S = 1.0  # between the clocks of parent and worker: the parent starts the process before the worker's clock runs
SLACK = 1.01
MAX_SPENT_S = 1e9  # thirty years, of the computation behind a cached phase
MAX_STEPS_PER_S, MAX_UNITS_PER_S = 1e7, 1e12  # a generator takes a tenth of a microsecond for a step that does nothing


def find_impossible_number(result: WorkerResult) -> str:
    """Return the first number that is impossible, with the reason; "" if all are possible.

    In a trial that did not finish, numbers may be missing, and times may be zero.
    """
    finished = result.trial_done is not None and result.trial_done.status == "ok"
    if impossible := _impossible_count(result):
        return impossible
    for name, value, least, most in _numbers_with_limits(result):
        if value is None and not finished:
            continue
        if value is None or not math.isfinite(value) or value > most * SLACK + SLACK_S:
            return f"{name} is {value}, but the worker ran for {result.wall_s:.1f} s"
        if value < 0 or (value == 0 and least > 0 and finished):
            return f"{name} is {value:g}"
    return ""


def _impossible_count(result: WorkerResult) -> str:
    """Return the first count of steps or units, or time from a cache, that is impossible; "" if all are possible."""
    done = result.trial_done
    if done is None:
        return ""
    measured = done.measured
    train_s = max(1.0, result.wall_s)
    for name, count, per_s in (
        ("steps", measured.steps, MAX_STEPS_PER_S),
        ("units", measured.units, MAX_UNITS_PER_S),
    ):
        if count is not None and not 0 <= count <= per_s * train_s:
            return f"the plugin reported {count:,} {name}, but the worker ran for {result.wall_s:.1f} s"
    if done.status == "ok" and measured.steps == 0:
        return "the plugin reported 0 steps"
    if not done.spent_s <= MAX_SPENT_S:  # nan too
        return f"the plugin reported {done.spent_s:g} s from cached phases"
    before = 0
    for step in (point.point.step for point in result.points):
        if step < before or (measured.steps is not None and step > measured.steps):
            return f"the curve has a point at step {step} after one at {before}, of {measured.steps} steps"
        before = step
    return ""


def _numbers_with_limits(result: WorkerResult) -> Iterator[tuple[str, float | None, float, float]]:
    """Yield name, value, lower limit (0: zero is allowed) and upper limit."""
    done = result.trial_done
    if done is None:
        return
    measured, age_s, positive = done.measured, result.wall_s, math.ulp(0.0)
    train_s_limit = age_s + done.spent_s
    yield "the time from cached phases", done.spent_s, 0.0, math.inf
    for name, seconds in done.phases.items():
        yield f"the time of phase {name}", seconds, 0.0, age_s
    yield "the time of all phases", sum(done.phases.values()), 0.0, age_s
    yield "the training time", measured.train_s, positive, train_s_limit
    for point in result.points:
        yield f"the training time at step {point.point.step}", point.point.seconds, 0.0, train_s_limit
    if measured.throughput is not None or measured.units:
        yield "the throughput", measured.throughput, positive, math.inf
    if measured.time_to_target is not None and measured.time_to_target.status == "met":
        yield "the time to the target", measured.time_to_target.seconds, 0.0, train_s_limit
    if measured.latency is not None:
        yield "the latency in ms", measured.latency.median_ms, positive, 1000 * age_s
        yield "the 95th percentile of the latency in ms", measured.latency.p95_ms, positive, 1000 * age_s
        if measured.inference_batch is not None:
            yield "the inference throughput", measured.inference_throughput, positive, math.inf
    if measured.onnxruntime is not None:
        yield "the latency of onnxruntime in ms", measured.onnxruntime.median_ms, positive, 1000 * age_s
        yield "its 95th percentile in ms", measured.onnxruntime.p95_ms, positive, 1000 * age_s
    if measured.load is not None:
        yield "the wall time of the timed windows", measured.load.wall_s, positive, age_s
        yield "the CPU time", measured.load.cpu_s, 0.0, math.inf
        if measured.load.wait_s is not None:
            yield "the time that threads waited for a core", measured.load.wait_s, 0.0, math.inf
    if measured.peak_memory_mib is not None:
        yield "the peak memory in MiB", measured.peak_memory_mib, 0.0, math.inf
    if measured.peak_reserved_mib is not None:
        yield "the peak of the reserved memory in MiB", measured.peak_reserved_mib, 0.0, math.inf

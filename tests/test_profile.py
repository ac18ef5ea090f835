"""The profile of some steps: which operators are listed, in which order, and what the trace holds."""

from __future__ import annotations

import gzip
import json
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch.autograd import DeviceType

from zoo_core.measure.profile import OUTSIDE, STEP, _table, memory_by_operator, profile_steps


def event(key: str, **values: Any) -> SimpleNamespace:
    """An operator as torch's profiler sums it up: times in microseconds, memory in bytes."""
    defaults = {"count": 10, "self_cpu_time_total": 0, "self_device_time_total": 0, "self_cpu_memory_usage": 0}
    fields = {**defaults, "self_device_memory_usage": 0, "device_type": DeviceType.CPU, **values}
    return SimpleNamespace(key=key, **fields)


def test_operators_are_sorted_by_their_own_time_as_means_per_step() -> None:
    events = [event("aten::add", self_cpu_time_total=3000), event("aten::mm", self_cpu_time_total=5000, count=30)]
    columns, rows = _table([*events, event(STEP, self_cpu_time_total=2000)], None, 5, on_device=False)
    assert columns == ["operator", "calls", "cpu_ms", "share_pct"]
    assert rows == [["aten::mm", 6, 1.0, 50.0], ["aten::add", 2, 0.6, 30.0], [OUTSIDE, 2, 0.4, 20.0]]


def test_on_an_accelerator_operators_are_sorted_by_its_time_and_kernels_are_not_counted_twice() -> None:
    events = [
        event("aten::add", self_cpu_time_total=9000, self_device_time_total=1000),
        event("aten::mm", self_cpu_time_total=1000, self_device_time_total=3000),
        event("gemm kernel", self_device_time_total=3000, device_type=DeviceType.CUDA),
        event(STEP, self_cpu_time_total=2000),
    ]
    columns, rows = _table(events, None, 10, on_device=True)
    assert columns == ["operator", "calls", "cpu_ms", "device_ms", "share_pct"]
    assert rows == [["aten::mm", 1, 0.1, 0.3, 75.0], ["aten::add", 1, 0.9, 0.1, 25.0]]
    columns, rows = _table(events, {"aten::add": 5 << 20, "aten::mm": 10 << 20}, 5, on_device=True)
    assert columns == ["operator", "calls", "cpu_ms", "device_ms", "memory_mib"]
    assert [(row[0], row[-1]) for row in rows] == [("aten::mm", 2.0), ("aten::add", 1.0)]


def test_memory_counts_for_the_operator_that_asked_an_allocator_for_it() -> None:
    def call(name: str, size: int = 0, parent: Any = None) -> SimpleNamespace:
        return SimpleNamespace(name=name, cpu_parent=parent, self_cpu_memory_usage=size, self_device_memory_usage=0)

    convolution = call("aten::convolution")
    like = call("aten::empty_like", parent=convolution)
    events = [convolution, like, call("aten::empty_strided", 300, like), call("aten::relu", 50), call("aten::empty", 7)]
    assert memory_by_operator(events, on_device=False) == {
        "aten::convolution": 300,
        "aten::relu": 50,
        "aten::empty": 7,
    }


def test_only_the_costliest_operators_are_listed() -> None:
    events = [event(f"op {number}", self_cpu_time_total=number) for number in range(1, 101)]
    _, rows = _table(events, None, 1, on_device=False)
    assert [row[0] for row in rows] == [f"op {number}" for number in range(100, 80, -1)]
    _, rows = _table(events, {"op 7": 3 << 20, "op 8": -(1 << 20)}, 1, on_device=False)
    assert [(row[0], row[-1]) for row in rows] == [("op 7", 3.0)]


def test_each_step_is_in_the_trace_and_a_training_that_ends_early_has_fewer() -> None:
    x, left = torch.ones(64, 64), iter([True, True, False])

    def take_step() -> bool:
        torch.mm(x, x)
        return next(left)

    found = profile_steps(take_step, "cpu", "memory", steps=5, max_trace_bytes=1 << 24)
    assert found.steps == 2
    rows = {row[0]: row for row in found.rows}
    assert rows["aten::mm"][1] == 1.5  # three products in two steps: the last call found that the training was over
    assert rows["aten::mm"][3] == pytest.approx(1.5 * 64 * 64 * 4 / 2**20, rel=0.005)
    trace = json.loads(gzip.decompress(found.trace))
    assert found.trace_bytes > len(found.trace)
    assert len([item for item in trace["traceEvents"] if item.get("name") == "aten::mm"]) == 3
    assert not {"traceName", "host_name"} & {*trace}


def test_a_trace_that_is_too_large_is_left_out_and_its_size_known() -> None:
    found = profile_steps(lambda: bool(torch.ones(1)), "cpu", "time", steps=1, max_trace_bytes=100)
    assert found.trace == b""
    assert found.trace_bytes > 100
    assert found.steps == 1

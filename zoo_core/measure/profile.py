"""Profiles some steps with torch's profiler: the costliest operators, and a trace for Perfetto or chrome://tracing."""

from __future__ import annotations

import gzip
import io
import mmap
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
import torch
from torch.autograd import DeviceType  # type: ignore[attr-defined]
from torch.profiler import ProfilerActivity, profile, record_function

from zoo_core.stopwatch import synchronize

MAX_OPERATORS = 20  # rows of the table
STEP = "zoo: training step"  # the name of a step in the trace; its own time is that of Python and of waiting
OUTSIDE = "outside of operators"
ALLOCATORS = ("aten::empty", "aten::empty_like", "aten::empty_permuted", "aten::empty_strided", "aten::resize_")
KEPT = ("schemaVersion", "deviceProperties", "displayTimeUnit", "baseTimeNanoseconds", "traceEvents")  # of a trace
US_PER_MS, MIB = 1000, 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Profile:
    """What was measured over `steps` steps.

    columns, rows: a table of the costliest operators, means per step with three digits. trace: JSON in Chrome's format,
    compressed by gzip; empty if it is too large. trace_bytes: its size before compression.
    """

    steps: int
    columns: list[str]
    rows: list[list[Any]]
    trace: bytes
    trace_bytes: int


def profile_steps(
    take_step: Callable[[], bool],
    device: str,
    what: Literal["time", "memory"],
    *,
    steps: int,
    max_trace_bytes: int,
) -> Profile:
    """Take up to `steps` steps under the profiler; `take_step` returns whether it has taken one.

    what: `time` sorts operators by their own time on the device, `memory` by the memory that they allocated and did
    not free themselves. The caller has warmed up. max_trace_bytes: a larger trace, before compression, is left out.
    """
    on_device = torch.device(device).type != "cpu"
    activities = {ProfilerActivity.CPU}
    if on_device:
        activities |= torch.profiler.supported_activities()  # type: ignore[no-untyped-call]
    taken = 0
    with profile(activities=activities, profile_memory=what == "memory", acc_events=True) as profiler:
        for _ in range(steps):
            with record_function(STEP):
                if not take_step():
                    break
            taken += 1
        synchronize(device)
    memory = memory_by_operator(profiler.events(), on_device=on_device) if what == "memory" else None
    columns, rows = _table(profiler.key_averages(), memory, max(1, taken), on_device=on_device)
    trace, trace_bytes = _trace(profiler, max_trace_bytes)
    return Profile(steps=taken, columns=columns, rows=rows, trace=trace, trace_bytes=trace_bytes)


def _table(
    averages: Iterable[Any], memory: Mapping[str, int] | None, steps: int, *, on_device: bool
) -> tuple[list[str], list[list[Any]]]:
    """Return the columns and rows of the costliest operators: by `memory`, bytes by operator, or by time without it."""

    def busy(event: Any) -> float:
        return float(event.self_device_time_total if on_device else event.self_cpu_time_total)

    # The device's own events are the kernels of these operators, whose time the operators have already.
    operators = [event for event in averages if event.device_type == DeviceType.CPU]
    events = [event for event in operators if event.key != STEP or not on_device]
    whole = sum(map(busy, events)) or 1.0
    cost = busy if memory is None else lambda event: memory.get(event.key, 0)
    columns = ["operator", "calls", "cpu_ms"]
    columns += ["device_ms"] if on_device else []
    columns += ["share_pct"] if memory is None else ["memory_mib"]
    rows = []
    for event in sorted(events, key=cost, reverse=True)[:MAX_OPERATORS]:
        if cost(event) <= 0:
            break
        numbers = [event.count / steps, event.self_cpu_time_total / US_PER_MS / steps]
        numbers += [event.self_device_time_total / US_PER_MS / steps] if on_device else []
        numbers.append(100 * busy(event) / whole if memory is None else memory[event.key] / MIB / steps)
        rows.append([OUTSIDE if event.key == STEP else event.key, *(float(f"{number:.3g}") for number in numbers)])
    return columns, rows


def memory_by_operator(events: Iterable[Any], *, on_device: bool) -> dict[str, int]:
    """Sum the bytes that each operator allocated and did not free itself.

    Operators get their memory from others, such as `aten::empty`; it counts for the operator that called these.
    """
    found: dict[str, int] = {}
    for event in events:
        size = event.self_device_memory_usage if on_device else event.self_cpu_memory_usage
        owner = event
        while owner.name in ALLOCATORS and owner.cpu_parent is not None:
            owner = owner.cpu_parent
        found[owner.name] = found.get(owner.name, 0) + size
    return found


def _trace(profiler: Any, max_bytes: int) -> tuple[bytes, int]:
    """Return the trace, compressed and without the names of the host and of a temporary file, and its size before."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "trace.json")
        profiler.export_chrome_trace(str(path))
        size = path.stat().st_size
        if size > max_bytes:
            return b"", size
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _compressed(content), size


def _compressed(trace: bytes | mmap.mmap) -> bytes:
    """Compress the kept parts of a trace. They stay JSON: as objects they would take ten times its size in memory."""
    parts = msgspec.json.decode(trace, type=dict[str, msgspec.Raw])
    content = io.BytesIO()
    with gzip.GzipFile(fileobj=content, mode="wb", mtime=0) as file:
        file.write(b"{")
        for number, name in enumerate(name for name in KEPT if name in parts):
            file.write(b"," * bool(number) + msgspec.json.encode(name) + b":")
            file.write(memoryview(parts[name]))
        file.write(b"}")
    return content.getvalue()

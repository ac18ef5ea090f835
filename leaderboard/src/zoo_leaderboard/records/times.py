"""Which times of a record can be trusted: impossible ones are refused, and those of a busy machine are marked.

Records may come from other machines and other programs. A time that cannot be true becomes unknown and is counted; the
rest of the record stays.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from zoo_core.results.records import Latency, Load, Record
from zoo_leaderboard.text.formats import counted

YEAR_S, DAY_MS = 3.2e7, 8.64e7
# Smallest and largest value that can be true, by field. No call takes less than 0.1 microseconds, and no training lasts
# longer than a year.
BOUNDS = {
    "train_s": (1e-6, YEAR_S),
    "target_s": (1e-6, YEAR_S),
    "throughput": (1e-9, 1e12),
    "inference_throughput": (1e-9, 1e12),
    "latency_ms": (1e-4, DAY_MS),
    "latency_p95_ms": (1e-4, DAY_MS),
    "onnxruntime_ms": (1e-4, DAY_MS),
    "median_ms": (1e-4, DAY_MS),
    "min_ms": (1e-4, DAY_MS),
}

# Of the wall time that threads wait for a core. Measured on two cores: at most 0.08 alone, at least 0.29 beside a busy
# process.
MAX_WAIT_SHARE = 0.15
MIN_STALLED_SHARE = 0.5  # of one core; a training that used less was stopped, or waited for something else
# The limits below judge records without the time that threads waited, such as those of macOS and Windows.
MIN_CPU_SHARE = 0.85  # of the time that one thread could run; on an idle machine it runs >= 0.97 of it
SERIAL_SHARE = 0.3  # of a training on one thread that more threads do not make faster: an allowance
MAX_SWITCHES_PER_S = 100.0  # involuntary context switches of the main thread; a few per second are normal
MIN_WINDOW_S = 0.2  # shorter timed windows are too short to judge the load
MIN_LATENCY_WINDOW_S = 0.02  # the same for the CPU seconds of the latency, which has no work but the forward pass


def possible_times(values: dict[str, float | None]) -> tuple[dict[str, float | None], str]:
    """Return the values with impossible ones as None, and the refused ones in words, such as `train_s -3`."""
    possible = {name: value if _is_possible(name, value) else None for name, value in values.items()}
    refused = [f"{name} {value:g}" for name, value in values.items() if value is not None and possible[name] is None]
    return possible, ", ".join(refused)


def _is_possible(name: str, value: float | None) -> bool:
    low, high = BOUNDS[name]
    return value is None or low <= value <= high  # false for nan


def times_of(record: Record) -> tuple[dict[str, float | None], str]:
    """Return the record's times by field of TrialSummary, and the refused ones in words."""
    measured, target = record.measured, record.measured.time_to_target
    return possible_times(
        {
            "train_s": measured.train_s,
            "target_s": target.seconds if target else None,
            "throughput": measured.throughput,
            "inference_throughput": measured.inference_throughput,
            "latency_ms": measured.latency.median_ms if measured.latency else None,
            "latency_p95_ms": measured.latency.p95_ms if measured.latency else None,
            "onnxruntime_ms": measured.onnxruntime.median_ms if measured.onnxruntime else None,
        }
    )


def benchmark_of(record: Record) -> tuple[dict[str, Any] | None, str]:
    """Return the numbers of another program as JSON values, and the refused times in words."""
    if record.benchmark is None:
        return None, ""
    values = msgspec.to_builtins(record.benchmark)
    possible, refused = possible_times({name: values[name] for name in ("median_ms", "min_ms", "throughput")})
    return values | possible, refused


def describe_disturbance(record: Record) -> str:
    """Say why the trial's training times are unreliable (other work was running); empty if nothing indicates that."""
    load = record.measured.load
    if load is None:
        return ""
    reasons = _beside(load)
    if _is_measured(load.cpu_s, load.wall_s, MIN_WINDOW_S):
        on_cpu = record.device.kind == "cpu"
        if load.wait_s is not None:
            reasons += _waited(load.wait_s, load.wall_s)
            reasons += _idle_core(load.cpu_s / load.wall_s, MIN_STALLED_SHARE) if on_cpu else []
        else:
            reasons += _idle_threads(load.cpu_s / load.wall_s, record.device.threads or 1) if on_cpu else []
            reasons += _switches(load.involuntary_switches, load.wall_s)
    return ", ".join(reasons)


def describe_latency_disturbance(record: Record) -> str:
    """Say why the latency and the inference throughput are unreliable; empty if nothing indicates that.

    Older records have no load of the latency: of them only the trials at the same time are known.
    """
    load, latency = record.measured.load, record.measured.latency
    reasons = _beside(load) if load is not None else []
    if latency is not None and latency.wall_s is not None and latency.cpu_s is not None:
        reasons += _latency_load(latency, latency.cpu_s, latency.wall_s, record.device.kind == "cpu")
    return ", ".join(reasons)


def _latency_load(latency: Latency, cpu_s: float, wall_s: float, on_cpu: bool) -> list[str]:
    """A forward pass of one unit keeps at least one core busy, whatever its threads."""
    reasons = []
    if _is_measured(cpu_s, wall_s, MIN_LATENCY_WINDOW_S):
        if latency.wait_s is not None:
            reasons += _waited(latency.wait_s, wall_s)
        elif on_cpu:
            reasons += _idle_core(cpu_s / wall_s, MIN_CPU_SHARE)
    if latency.wait_s is None and wall_s >= MIN_WINDOW_S:
        reasons += _switches(latency.involuntary_switches, wall_s)
    return reasons


def _beside(load: Load) -> list[str]:
    return [counted(load.trials_beside, "concurrent trial")] if load.trials_beside > 0 else []


def _is_measured(cpu_s: float, wall_s: float, window_s: float) -> bool:
    """Whether both are possible and the window is long enough to judge by."""
    return math.isfinite(cpu_s) and math.isfinite(wall_s) and cpu_s >= 0 and wall_s >= window_s


def _waited(wait_s: float, wall_s: float) -> list[str]:
    share = wait_s / wall_s
    return [] if share <= MAX_WAIT_SHARE else [f"waited for a CPU core {share:.0%} of the time"]


def _idle_threads(cores: float, threads: int) -> list[str]:
    """Compare the CPU seconds per second with what the threads use on an idle machine.

    A training that spends the share s of its one-thread time in code that more threads do not make faster keeps T
    threads busy for the share 1 / (s T + 1 - s) of the time (Amdahl 1967).
    """
    share = cores / threads
    if threads == 1:
        return _idle_core(share, MIN_CPU_SHARE)
    if share >= MIN_CPU_SHARE / (SERIAL_SHARE * threads + 1 - SERIAL_SHARE):
        return []
    return [f"used {share:.0%} of {threads} CPU cores"]


def _idle_core(cores: float, least: float) -> list[str]:
    return [f"used {cores:.0%} of a CPU core"] if cores < least else []


def _switches(switches: int | None, wall_s: float) -> list[str]:
    per_s = (switches or 0) / wall_s
    return [f"{per_s:.0f} involuntary context switches per second"] if per_s > MAX_SWITCHES_PER_S else []

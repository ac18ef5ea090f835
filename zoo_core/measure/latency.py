"""Measures the latency of a model's forward pass."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from time import perf_counter  # bound before plugins are imported, which could replace it
from typing import Any

import numpy as np

from zoo_core.measure.load import CpuMeter
from zoo_core.results.records import Latency
from zoo_core.stopwatch import synchronize

WARM_UP_REPEATS = 3
MAX_REPEATS = 200
MAX_S = 2.0  # for the measurement
WARM_UP_SHARE = 0.25  # of it, at most, for the warm-up before


def measure_latency(
    model: Callable[[Any], object], example: Any, device: str, max_repeats: int = MAX_REPEATS, *, max_s: float = MAX_S
) -> Latency:
    """Measure the median and 95th percentile of the forward pass of `example`, synchronised, after a warm-up.

    The use of the CPU is that of the timed calls. max_s: for the measurement; the warm-up may take a quarter of it.
    """

    def forward() -> None:
        model(example)
        synchronize(device)

    times: list[float] = []
    ends = perf_counter() + WARM_UP_SHARE * max_s
    for _ in range(WARM_UP_REPEATS):
        forward()
        if perf_counter() > ends:  # a model this slow needs no more warm-up
            break
    meter = CpuMeter()
    meter.start()
    wall_began = perf_counter()
    ends = wall_began + max_s
    while len(times) < max_repeats and (not times or perf_counter() < ends):
        began = perf_counter()
        forward()
        times.append((perf_counter() - began) * 1000)
    wall_s = perf_counter() - wall_began
    meter.stop()
    return Latency(
        median_ms=float(np.median(times)),
        p95_ms=float(np.percentile(times, 95)),
        n=len(times),
        wall_s=wall_s,
        **dataclasses.asdict(meter.used),
    )

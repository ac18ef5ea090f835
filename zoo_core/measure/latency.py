"""How fast a trained model answers."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from torch import nn

from zoo_core.measure.clock import synchronize
from zoo_core.results.records import Latency

WARM_UP = 3
MOST = 200  # repeats
LONGEST_S = 2.0  # after which it stops


def measure_latency(model: nn.Module, example: Any, device: str, most: int = MOST) -> Latency:
    """Median and 95th percentile of the forward pass of `example`, synchronised, after a warm-up."""

    def answer() -> None:
        model(example)
        synchronize(device)

    times: list[float] = []
    ends = time.perf_counter() + LONGEST_S
    for _ in range(WARM_UP):
        answer()
        if time.perf_counter() > ends:  # so slow a model needs no more
            break
    ends = time.perf_counter() + LONGEST_S
    while len(times) < most and (not times or time.perf_counter() < ends):
        began = time.perf_counter()
        answer()
        times.append((time.perf_counter() - began) * 1000)
    return Latency(median_ms=float(np.median(times)), p95_ms=float(np.percentile(times, 95)), n=len(times))

"""Measures the inference of a trained model: the latency of one unit, and the throughput in batches."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import nn

from zoo_core.measure.latency import MAX_S, measure_latency
from zoo_core.memory_limit import is_out_of_memory
from zoo_core.optional import HasExampleInput
from zoo_core.runner.prepare import PreparedTrial

MAX_BATCH_SIZE = 256
BATCH_REPEATS = 20
SHORT_TRAINING_S = 30.0  # after a shorter training, such as of a quick preset, measure for less time
SHORT_LATENCY_S, SHORT_BATCHES_S = 0.1, 0.2  # the leaderboard cannot judge the load of shorter windows


def measure_inference(
    trial: PreparedTrial, model: nn.Module, keep: Callable[..., None], *, train_s: float = math.inf
) -> str:
    """Measure latency, then throughput; give each to `keep` as fields of `Measured` as soon as it is known.

    train_s: after a training shorter than SHORT_TRAINING_S, fewer calls are measured.
    Returns why the throughput is missing if memory ran out for a batch, else "". Measures nothing for a task without
    example inputs.
    """
    if not isinstance(trial.task, HasExampleInput):
        return ""
    example_input, device = trial.task.example_input, trial.job.device
    short = train_s < SHORT_TRAINING_S
    latency_s, batches_s = (SHORT_LATENCY_S, SHORT_BATCHES_S) if short else (MAX_S, MAX_S)
    with trial.inference(model):
        latency = measure_latency(model, example_input(trial.ctx, 1), device, max_s=latency_s)
        keep(latency=latency)
        if not latency.median_ms > 0:  # the runner refuses this trial, see plausible.py
            return ""
        size = _choose_batch_size(latency.median_ms, latency_s)
        try:
            batch = measure_latency(model, example_input(trial.ctx, size), device, BATCH_REPEATS, max_s=batches_s)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            return f"batch {size}: {error}"  # the score is known, only the throughput is not
    seconds = batch.median_ms / 1000
    keep(inference_batch=size, inference_throughput=size / seconds if seconds else 0.0)
    return ""


def _choose_batch_size(latency_ms: float, max_s: float) -> int:
    """Return a power of two, at most MAX_BATCH_SIZE, for which a batch takes about half of `max_s` or less."""
    affordable = max(1, int(500 * max_s / latency_ms))
    return min(MAX_BATCH_SIZE, 1 << (affordable.bit_length() - 1))

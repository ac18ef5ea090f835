"""Measures the inference of a trained model: the latency of one unit, and the throughput in batches."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from zoo_core.measure.latency import measure_latency
from zoo_core.optional import HasExampleInput
from zoo_core.runner.prepare import PreparedTrial

MAX_BATCH_SIZE = 256
BATCH_REPEATS = 20


def measure_inference(trial: PreparedTrial, model: nn.Module, keep: Callable[..., None]) -> str:
    """Measure latency, then throughput; give each to `keep` as fields of `Measured` as soon as it is known.

    Returns why the throughput is missing if memory ran out for a batch, else "". Measures nothing for a task without
    example inputs.
    """
    if not isinstance(trial.task, HasExampleInput):
        return ""
    example_input, device = trial.task.example_input, trial.job.device
    with trial.inference(model):
        latency = measure_latency(model, example_input(trial.ctx, 1), device)
        keep(latency=latency)
        if not latency.median_ms > 0:  # the runner refuses this trial, see plausible.py
            return ""
        size = _choose_batch_size(latency.median_ms)
        try:
            batch = measure_latency(model, example_input(trial.ctx, size), device, BATCH_REPEATS)
        except (torch.OutOfMemoryError, MemoryError) as error:  # the score is known, only the throughput is not
            return f"batch {size}: {error}"
    seconds = batch.median_ms / 1000
    keep(inference_batch=size, inference_throughput=size / seconds if seconds else 0.0)
    return ""


def _choose_batch_size(latency_ms: float) -> int:
    """Return a power of two, at most MAX_BATCH_SIZE, for which a batch takes about a second or less."""
    affordable = max(1, int(1000 / latency_ms))
    return min(MAX_BATCH_SIZE, 1 << (affordable.bit_length() - 1))

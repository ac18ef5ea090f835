"""`zoo show CHECKPOINT --weights`: the parameters of a saved model as numbers, and pictures of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from zoo_core.columns import Array
from zoo_core.pictures import png
from zoo_core.registry import Registry
from zoo_core.runner.events import ParametersJob
from zoo_core.runner.saved_models import SavedModel, write_new
from zoo_core.runner.weight_pictures import first_layer, histogram_sheet

BINS = 16  # of a histogram


def describe(job: ParametersJob) -> dict[str, Any]:
    """Return a row for each tensor of the model, in its own order, and the files of the pictures.

    Raises UsageError if a picture exists, or cannot be written.
    """
    saved = SavedModel(Path(job.checkpoint), Registry.load(), "cpu", 0, job.model)
    model = saved.build_model()
    parameters = {name for name, _ in model.named_parameters()}  # tied weights count once
    tensors = model.state_dict()
    rows = [{"name": name, "trained": name in parameters, **numbers_of(tensor)} for name, tensor in tensors.items()]
    layer = first_layer(model, saved.adapted_signature())
    drawn: dict[str, Array] = {}
    if job.pictures and rows:
        drawn["histograms.png"] = histogram_sheet(rows)
    if job.pictures and layer is not None:
        drawn["first-layer.png"] = layer.picture()
    for name, picture in drawn.items():
        write_new(Path(job.pictures, name), png(picture))
    return {
        "task": saved.header.task,
        "model": saved.header.model,
        "first_layer": "" if layer is None else layer.name,
        "parameters": rows,
        "pictures": [*drawn],
    }


def numbers_of(tensor: Tensor) -> dict[str, Any]:
    """Describe the numbers of a tensor: shape, count, moments, range, and the counts of a histogram over the range.

    All but shape and count are of its finite numbers; `not_finite` counts the others.
    """
    values = tensor.detach().flatten()
    values = (values.abs() if values.is_complex() else values).double()
    finite = values[torch.isfinite(values)]
    found: dict[str, Any] = {"shape": list(tensor.shape), "count": len(values), "not_finite": len(values) - len(finite)}
    if not len(finite):
        return {**found, "mean": None, "std": None, "min": None, "max": None, "histogram": []}
    low, high = float(finite.min()), float(finite.max())
    return {
        **found,
        "mean": float(finite.mean()),
        "std": float(finite.std(correction=0)),
        "min": low,
        "max": high,
        "histogram": _histogram(finite, low, high),
    }


def _histogram(values: Tensor, low: float, high: float) -> list[int]:
    """Count values in BINS equal parts of their range; a single bin for equal values."""
    if high <= low or not math.isfinite(high - low):
        return [len(values)]
    counts = torch.histc(values, BINS, low, high)
    return [int(count) for count in counts.tolist()]

"""Drawn examples, and perfect and wrong predictions, of kind `regression`."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from zoo_core.columns import Array, Columns
from zoo_core.specs import Signature


def draw(signature: Signature, count: int, seed: int) -> Columns:
    """Draw `count` examples whose targets are a linear function of the inputs."""
    generator = np.random.default_rng(seed)
    shape, outputs = [size or 1 for size in signature.input_shape], signature.outputs or 1
    x = generator.normal(size=(count, *shape)).astype(np.float32)
    weights = np.linspace(-1, 1, x[0].size * outputs).reshape(-1, outputs)
    return {"x": x, "y": (x.reshape(count, -1) @ weights).astype(np.float32)}


def perfect_and_wrong(targets: Array, outputs: int) -> tuple[Tensor, Tensor]:  # noqa: ARG001 - part of the interface
    """Return the targets themselves, and values that are far from every target."""
    values = torch.from_numpy(targets)
    return values, values + values.std() + 1

"""Drawn examples and the smallest model of kind `segmentation`."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from zoo_core.columns import Columns
from zoo_core.kinds.examples import noisy_images
from zoo_core.specs import Signature


def draw(signature: Signature, count: int, seed: int) -> Columns:
    """Draw `count` images of noise with one bright stripe per class."""
    shape, classes = tuple(size or 1 for size in signature.input_shape), signature.outputs or 1
    stripes = (np.arange(shape[2]) * classes // shape[2]).astype(np.uint8)
    y = np.broadcast_to(stripes, (count, *shape[1:])).copy()
    return {"x": noisy_images(y[:, None], shape, classes, np.random.default_rng(seed)), "y": y}


def pixel_model(signature: Signature) -> nn.Module:
    """Make a linear model of single pixels: (batch, channels, height, width) -> (batch, outputs, height, width)."""
    return nn.Conv2d(signature.input_shape[0] or 1, signature.outputs or 1, 1)


def output_shape(x: Tensor, outputs: int) -> tuple[int, ...]:
    """Return the shape (batch, outputs, height, width)."""
    return (len(x), outputs, *x.shape[2:])

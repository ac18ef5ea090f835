"""Drawn examples and the smallest model of kind `segmentation`."""

from __future__ import annotations

import numpy as np
from torch import Tensor, nn

from zoo_core.columns import Array, Columns
from zoo_core.kinds.examples import noisy_images, perfect_and_wrong_logits
from zoo_core.kinds.segmentation.views import padded
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
    count, _, height, width = x.shape
    return (count, outputs, height, width)


def perfect_and_wrong(targets: Array, outputs: int) -> tuple[Tensor, Tensor]:
    """Return logits of the targets and of the next class, with the size of the padded images that models get."""
    perfect, wrong = perfect_and_wrong_logits(targets, outputs)
    return padded(perfect), padded(wrong)

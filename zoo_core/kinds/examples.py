"""Helpers for a kind's `examples.py`, which several kinds share: drawn images, fixed outputs and small models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo_core.columns import Array, Columns
from zoo_core.specs import Signature

MAX_BACKGROUND = 56  # grey levels below this are noise
BRIGHTNESS_RANGE = 200  # grey levels that the classes share


def with_statistics(signature: Signature, train: Columns) -> Signature:
    """Return the signature with the mean and std of each channel, if the inputs are images."""
    if len(signature.input_shape) != 3:
        return signature
    images = np.asarray(train["x"]) / 255
    mean, std = (tuple(map(float, reduce(axis=(0, 2, 3)))) for reduce in (images.mean, images.std))
    return replace(signature, mean=mean, std=std)


def noisy_images(brightness: Array, shape: tuple[int, ...], classes: int, generator: np.random.Generator) -> Array:
    """Draw uint8 images (n, *shape) of noise plus a brightness that depends on the class, int (n, 1, ...)."""
    noise = generator.integers(0, MAX_BACKGROUND, (len(brightness), *shape))
    images: Array = (noise + brightness * (BRIGHTNESS_RANGE // classes)).astype(np.uint8)
    return images


def perfect_and_wrong_logits(targets: Array, classes: int) -> tuple[Tensor, Tensor]:
    """Return logits (n, classes, ...) of the target classes, and logits of the next class, wrong everywhere."""
    return _logits(targets, classes), _logits((targets.astype(np.int64) + 1) % classes, classes)


def _logits(labels: Array, classes: int) -> Tensor:
    """Make logits (n, classes, ...) of labels (n, ...). Ignored labels, which are no class, become class 0."""
    known = torch.from_numpy(np.where(labels < classes, labels, 0).astype(np.int64))
    return F.one_hot(known, classes).movedim(-1, 1).float() * 10


def linear_model(signature: Signature) -> nn.Module:
    """Make a linear model: (batch, *input_shape) -> (batch, outputs)."""
    return nn.Sequential(nn.Flatten(), nn.Linear(signature.features, signature.outputs or 1))


def one_output_each(x: Tensor, outputs: int) -> tuple[int, ...]:
    """Return the shape (batch, outputs)."""
    return (x.shape[0], outputs)  # `len(x)` takes five times as long, in every step

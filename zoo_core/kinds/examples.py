"""What checks know of each shared kind: examples to draw, the smallest model, an answer's form, planted answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo_core.columns import Array, Columns
from zoo_core.kinds import IMAGES, SEGMENTATION
from zoo_core.specs import Signature

REGRESSION = "regression"
SHAPES: Mapping[str, tuple[int, ...]] = {REGRESSION: (4,), IMAGES: (3, 32, 32), SEGMENTATION: (3, 32, 32)}
METRICS: Mapping[str, str] = {REGRESSION: "mse", IMAGES: "accuracy", SEGMENTATION: "mean_iou"}
LOWER_IS_BETTER = (REGRESSION,)
# The share of its first loss that a model brings a few examples to; of thousands of pixels not all are learned.
LEARNED: Mapping[str, float] = {REGRESSION: 0.1, IMAGES: 0.1, SEGMENTATION: 0.5}
STAND_INS: Mapping[str, str] = {REGRESSION: "straight", IMAGES: "straight", SEGMENTATION: "pixel_by_pixel"}


def draw(kind: str, signature: Signature, count: int, seed: int) -> Columns:
    """`count` examples that are easy to learn, of the signature's sizes."""
    generator = np.random.default_rng(seed)
    shape, outputs = [size or 1 for size in signature.input_shape], signature.outputs or 1
    if kind == REGRESSION:
        x = generator.normal(size=(count, *shape)).astype(np.float32)
        weights = np.linspace(-1, 1, x[0].size * outputs).reshape(-1, outputs)
        return {"x": x, "y": (x.reshape(count, -1) @ weights).astype(np.float32)}
    y: Array = np.arange(count) % outputs
    bright: Array = y[:, None, None, None]
    if kind == SEGMENTATION:
        stripes = (np.arange(shape[2]) * outputs // shape[2]).astype(np.uint8)
        y = np.broadcast_to(stripes, (count, *shape[1:])).copy()
        bright = y[:, None]
    images = generator.integers(0, 56, (count, *shape)) + bright * (200 // outputs)
    return {"x": images.astype(np.uint8), "y": y}


def with_statistics(signature: Signature, train: Columns) -> Signature:
    """With the channels' mean and deviation, where the inputs are images."""
    if len(signature.input_shape) != 3:
        return signature
    images = np.asarray(train["x"]) / 255
    mean, std = (tuple(map(float, of(axis=(0, 2, 3)))) for of in (images.mean, images.std))
    return replace(signature, mean=mean, std=std)


def expected_shape(kind: str, x: Tensor, outputs: int) -> tuple[int, ...]:
    """The shape that the kind's objective asks of a model's answer to `x`."""
    return (len(x), outputs, *(x.shape[2:] if kind == SEGMENTATION else ()))


def planted_predictions(kind: str, truth: Array, classes: int) -> tuple[Tensor, Tensor]:
    """What a model would answer (n, ...) that knows the truth, and one that is wrong on each example."""
    if kind == REGRESSION:
        values = torch.from_numpy(truth)
        return values, values + values.std() + 1
    return _logits(truth, classes), _logits((truth.astype(np.int64) + 1) % classes, classes)


def _logits(labels: Array, classes: int) -> Tensor:
    """(n, ...) -> (n, classes, ...); labels that are no class, which nobody counts, become one."""
    known = torch.from_numpy(np.where(labels < classes, labels, 0).astype(np.int64))
    return F.one_hot(known, classes).movedim(-1, 1).float() * 10


def straight(signature: Signature) -> nn.Module:
    """(batch, *input_shape) -> (batch, outputs)."""
    return nn.Sequential(nn.Flatten(), nn.Linear(signature.features, signature.outputs or 1))


def pixel_by_pixel(signature: Signature) -> nn.Module:
    """(batch, channels, height, width) -> (batch, outputs, height, width)."""
    return nn.Conv2d(signature.input_shape[0] or 1, signature.outputs or 1, 1)

"""Augmentation of image batches on their device. A recipe chooses the parts; each image gets parameters of its own.

Images are (n, channels, height, width) on the scale 0 to 255. The functions take the parameters as arguments, so that
tests can compare them with torchvision.transforms.v2. `Augmentation` draws the parameters.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from zoo_core.data.batches import Batch
from zoo_core.kinds.recipes import AUGMENTATION
from zoo_core.protocols import Context
from zoo_core.recipe import Recipe

MAX_LEVEL = 255.0  # of a channel


def shift(images: Tensor, top: Tensor, left: Tensor, mirrored: Tensor) -> Tensor:
    """Shift images so that they begin at (top, left), int (n,), which may be negative; borders are reflected.

    Images with `mirrored`, bool (n,), are also flipped left to right. One indexing does both, in any dtype.
    """
    count, _, height, width = images.shape
    rows = _reflected(top[:, None] + torch.arange(height, device=images.device), height)  # (n, height)
    columns = _reflected(left[:, None] + torch.arange(width, device=images.device), width)
    columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    which = torch.arange(count, device=images.device)[:, None, None]
    return images[which, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _reflected(index: Tensor, size: int) -> Tensor:
    """Reflect indices outside [0, size) at the border pixel, which is not repeated."""
    period = max(1, 2 * (size - 1))
    folded = index.abs() % period
    return torch.minimum(folded, period - folded)


def recolour(images: Tensor, order: Tensor) -> Tensor:
    """Permute each image's channels by its own `order`, int (n, channels)."""
    return images[torch.arange(len(images), device=images.device)[:, None], order]


def warp(images: Tensor, angle: Tensor, scale: Tensor, shear: Tensor) -> Tensor:
    """Rotate images about the centre by `angle` (degrees, clockwise), scale them, and shear them along x (degrees).

    All parameters are float (n,). Bilinear like torchvision's `affine`, but borders are reflected instead of black.
    """
    turn, slant = torch.deg2rad(angle), torch.deg2rad(shear)
    cos, sin, zero = torch.cos(turn), torch.sin(turn), torch.zeros_like(turn)
    # rotation after shear, M = R S * scale, as torchvision composes them; grid_sample wants its inverse
    a, b, c, d = cos, -cos * torch.tan(slant) - sin, sin, -sin * torch.tan(slant) + cos
    inverse = torch.stack([d, -b, -c, a], 1).view(-1, 2, 2) / ((a * d - b * c) * scale)[:, None, None]
    height, width = images.shape[2:]
    aspect = _constants(images, 1.0, height / width, width / height, 1.0).view(2, 2)  # pixels to [-1, 1]
    matrix = torch.cat([inverse * aspect, torch.stack([zero, zero], 1)[:, :, None]], 2)
    grid = F.affine_grid(matrix, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def contrast(images: Tensor, factor: Tensor) -> Tensor:
    """Multiply the differences from the image's mean grey level by `factor`, float (n,)."""
    weights = _constants(images, 0.2989, 0.587, 0.114)  # ITU-R BT.601, as in torchvision
    grey = (images * weights.view(1, 3, 1, 1)).sum(1, keepdim=True) if images.shape[1] == 3 else images
    mean = grey.mean((1, 2, 3), keepdim=True)
    return torch.lerp(mean, images, factor.view(-1, 1, 1, 1)).clamp(0, MAX_LEVEL)


def _constants(images: Tensor, *values: float) -> Tensor:
    """Return numbers as a tensor on the device of the images. Made there: a copy to it would wait for the device."""
    return torch.stack([torch.full((), value, device=images.device) for value in values])


def brightness(images: Tensor, factor: Tensor) -> Tensor:
    """Multiply all levels by `factor`, float (n,)."""
    return (images * factor.view(-1, 1, 1, 1)).clamp(0, MAX_LEVEL)


def blur(images: Tensor, sigma: Tensor, reach: int) -> Tensor:
    """Blur by a Gaussian with std `sigma` > 0, float (n,), in pixels; the kernel has `reach` pixels on each side."""
    distance = torch.arange(-reach, reach + 1, device=images.device)
    kernel = torch.exp(-0.5 * (distance / sigma[:, None]) ** 2)
    kernel = kernel / kernel.sum(1, keepdim=True)  # (n, taps)
    count, channels, height, width = images.shape
    taps = kernel.repeat_interleave(channels, 0)  # one group a channel
    x = F.pad(images, [reach] * 4, mode="reflect").reshape(1, count * channels, height + 2 * reach, width + 2 * reach)
    x = F.conv2d(x, taps[:, None, :, None], groups=count * channels)
    x = F.conv2d(x, taps[:, None, None, :], groups=count * channels)
    return x.view(count, channels, height, width)


def mixup(images: Tensor, share: float) -> Tensor:
    """Mix `share` of each image with its neighbour in the batch (Zhang et al. 2018, arXiv:1710.09412)."""
    return torch.lerp(images.roll(1, 0), images, share)


def cutmix(images: Tensor, share: float, row: int, column: int) -> tuple[Tensor, float]:
    """Replace a box around (row, column), `1 - share` of the area, by the neighbour's pixels.

    Returns the images, and the share of each that is left: the box is clipped at the borders. Yun et al. 2019,
    arXiv:1905.04899.
    """
    height, width = images.shape[2:]
    half = 0.5 * math.sqrt(1 - share)
    rows = slice(max(0, row - int(half * height)), min(height, row + int(half * height)))
    columns = slice(max(0, column - int(half * width)), min(width, column + int(half * width)))
    mixed = images.clone()
    mixed[:, :, rows, columns] = images.roll(1, 0)[:, :, rows, columns]
    return mixed, 1 - (rows.stop - rows.start) * (columns.stop - columns.start) / (height * width)


def is_asked_for(recipe: Mapping[str, Any]) -> bool:
    """Whether a recipe asks for any augmentation."""
    return any(recipe[key] for key in AUGMENTATION)


class Augmentation:
    """Applies the parts that a recipe asks for to batches with columns `x` and `y`."""

    def __init__(self, recipe: Recipe, ctx: Context) -> None:
        self._recipe, self._generator = recipe, ctx.generator
        # For numbers that hold for a whole batch: reading them from a generator on a GPU would make the CPU wait.
        self._random = np.random.default_rng(ctx.seed)

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch with `x` augmented; if images were mixed, also `y_mixed`, and `share`, the weight of `y`."""
        with torch.autocast(batch["x"].device.type, enabled=False):  # levels up to 255 are too fine for bfloat16
            return self._augment(batch)

    def _augment(self, batch: Batch) -> Batch:
        images = self._recolour(self._shift(batch["x"]))
        if any(self._recipe[key] for key in ("rotate", "zoom", "shear", "contrast", "brightness", "blur")):
            images = self._adjust(self._warp(images.float()))
        if self._recipe.mixup or self._recipe.cutmix:
            return {**batch, **self._mix(images.float(), batch["y"])}
        return {**batch, "x": images}

    def _uniform(self, images: Tensor, low: float, high: float) -> Tensor:
        return torch.empty(len(images), device=images.device).uniform_(low, high, generator=self._generator)

    def _factor(self, images: Tensor, strength: float) -> Tensor:
        return self._uniform(images, max(0.0, 1 - strength), 1 + strength)

    def _shift(self, images: Tensor) -> Tensor:
        reach, mirror = self._recipe.crop, self._recipe.flip
        if not reach and not mirror:
            return images
        top, left = (self._uniform(images, -reach, reach + 1).floor().long() for _ in range(2))
        return shift(images, top, left, self._uniform(images, 0, 1) < (0.5 if mirror else 0))

    def _recolour(self, images: Tensor) -> Tensor:
        channels = images.shape[1]
        if not self._recipe.recolour or channels == 1:
            return images
        keys = torch.stack([self._uniform(images, 0, 1) for _ in range(channels)], 1)
        kept = self._uniform(images, 0, 1) < 0.5
        return recolour(
            images, torch.where(kept[:, None], torch.arange(channels, device=images.device), keys.argsort(1))
        )

    def _warp(self, images: Tensor) -> Tensor:
        angle, zoom, shear = self._recipe.rotate, self._recipe.zoom, self._recipe.shear
        if not (angle or zoom or shear):
            return images
        scale = self._factor(images, min(zoom, 0.9))
        return warp(images, self._uniform(images, -angle, angle), scale, self._uniform(images, -shear, shear))

    def _adjust(self, images: Tensor) -> Tensor:
        recipe = self._recipe
        if recipe.contrast:
            images = contrast(images, self._factor(images, recipe.contrast))
        if recipe.brightness:
            images = brightness(images, self._factor(images, recipe.brightness))
        if recipe.blur:
            reach = min(math.ceil(2 * recipe.blur), min(images.shape[2:]) - 1)
            images = blur(images, self._uniform(images, 0, recipe.blur).clamp_min(1e-3), reach)
        return images

    def _mix(self, images: Tensor, labels: Tensor) -> Batch:
        alphas = {"mixup": self._recipe.mixup, "cutmix": self._recipe.cutmix}
        part = str(self._random.choice([name for name, alpha in alphas.items() if alpha]))
        share = float(self._random.beta(alphas[part], alphas[part]))
        if part == "mixup":
            images = mixup(images, share)
        else:
            row, column = (int(self._random.integers(size)) for size in images.shape[2:])
            images, share = cutmix(images, share, row, column)
        return {"x": images, "y_mixed": labels.roll(1, 0), "share": torch.full((), share, device=images.device)}

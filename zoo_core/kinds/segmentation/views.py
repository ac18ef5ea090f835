"""Random views of images and their targets for training, and padding to the sizes that nets take."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo_core.data.batches import Batch
from zoo_core.kinds.augment import brightness, contrast
from zoo_core.protocols import Context
from zoo_core.recipe import Recipe

SIZE_MULTIPLE = 32  # height and width are padded to multiples of it, for nets that halve an image five times


class Views:
    """Draws random views of training images and the same views of their targets; every image draws its own."""

    def __init__(self, recipe: Recipe, ctx: Context) -> None:
        self._recipe, self._generator = recipe, ctx.generator

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch with new views of `x` and `y`."""
        with torch.autocast(batch["x"].device.type, enabled=False):  # levels up to 255 are too fine for bfloat16
            x, y = self._draw_views(batch["x"], batch["y"])
            for strength, change in ((self._recipe.contrast, contrast), (self._recipe.brightness, brightness)):
                if strength:
                    x = change(x.float(), self._uniform(x, max(0.0, 1 - strength), 1 + strength))
        return {**batch, "x": x, "y": y}

    def _draw_views(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        recipe, (height, width) = self._recipe, x.shape[2:]
        if not (recipe.crop_size or recipe.flip or recipe.turn):
            return x, y
        size = (min(recipe.crop_size or height, height), min(recipe.crop_size or width, width))
        top = self._integers(x, height - size[0] + 1)
        left = self._integers(x, width - size[1] + 1)
        coins = [self._uniform(x, 0, 1) < 0.5 for _ in range(3)]
        never = torch.zeros_like(coins[0])
        return view(
            x,
            y,
            (top, left),
            size,
            mirrored=coins[0] if recipe.flip or recipe.turn else never,
            upturned=coins[1] if recipe.turn else never,
            transposed=coins[2] if recipe.turn and size[0] == size[1] else never,
        )

    def _uniform(self, x: Tensor, low: float, high: float) -> Tensor:
        return torch.empty(len(x), device=x.device).uniform_(low, high, generator=self._generator)

    def _integers(self, x: Tensor, count: int) -> Tensor:
        return torch.randint(count, (len(x),), device=x.device, generator=self._generator)


def view(
    x: Tensor,
    y: Tensor,
    corner: tuple[Tensor, Tensor],
    size: tuple[int, int],
    *,
    mirrored: Tensor,
    upturned: Tensor,
    transposed: Tensor,
) -> tuple[Tensor, Tensor]:
    """Cut windows of `size` at `corner`, int (n,), out of images (n, channels, height, width) and targets.

    `mirrored`, `upturned` and `transposed`, bool (n,), flip some of them left to right, upside down, and then exchange
    rows and columns (squares only). Together these are the eight views of a square. Targets are (n, height, width).
    """
    rows = corner[0][:, None] + torch.arange(size[0], device=x.device)
    columns = corner[1][:, None] + torch.arange(size[1], device=x.device)
    rows = torch.where(upturned[:, None], rows.flip(1), rows)[:, :, None].expand(-1, -1, size[1])
    columns = torch.where(mirrored[:, None], columns.flip(1), columns)[:, None, :].expand(-1, size[0], -1)
    if size[0] == size[1]:
        swapped = transposed[:, None, None]
        rows = torch.where(swapped, rows.transpose(1, 2), rows)
        columns = torch.where(swapped, columns.transpose(1, 2), columns)
    which = torch.arange(len(x), device=x.device)[:, None, None]
    return x[which, :, rows, columns].permute(0, 3, 1, 2), y[which, rows, columns]


def padded(x: Tensor) -> Tensor:
    """Pad height and width to multiples of 32 by reflection. An odd padding has one pixel less at the top and left."""
    pads: list[int] = []
    for size in (x.shape[3], x.shape[2]):
        missing = -size % SIZE_MULTIPLE
        pads += [missing // 2, missing - missing // 2]
    if not any(pads):
        return x
    small = max(pads[:2]) >= x.shape[3] or max(pads[2:]) >= x.shape[2]  # reflection cannot pad more than the image
    return F.pad(x.float(), pads, mode="replicate" if small else "reflect")


def unpadded(output: Any, size: Any) -> Any:
    """Cut the padding off a model's output (batch, classes, height, width). `size`: height and width of the image."""
    top, left = ((padded_size - kept) // 2 for padded_size, kept in zip(output.shape[2:], size, strict=True))
    return output[:, :, top : top + size[0], left : left + size[1]]

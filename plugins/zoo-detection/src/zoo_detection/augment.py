"""Random views of training pictures and their boxes, in batches on the device. Each picture draws its own view."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo_core import Context, Recipe
from zoo_core.data.batches import Batch
from zoo_core.kinds.augment import brightness, contrast
from zoo_detection.canvas import PADDING

MIN_SIDE = 2.0  # pixels of the canvas; a smaller rest of a box at a border is no object


def view(x: Tensor, corner: Tensor, scale: Tensor, mirrored: Tensor) -> Tensor:
    """Cut a window out of each picture and scale it to the canvas; what lies outside of a picture is grey.

    Shapes and units: x (n, 3, height, width), levels; corner (n, 2), x and y of the window's upper left corner, in
    pixels; scale (n,), pixels of the view per pixel of the picture; mirrored bool (n,), left to right.
    """
    height, width = x.shape[2:]
    sign = torch.where(mirrored, -1.0, 1.0)
    factor = 1 / scale[:, None].expand(-1, 2)
    shares = torch.stack([2 * corner[:, 0] / width, 2 * corner[:, 1] / height], 1)
    shift = shares + factor - 1  # in affine_grid's units, in which a picture reaches from -1 to 1
    zero = torch.zeros_like(sign)
    rows = [torch.stack([factor[:, 0] * sign, zero, shift[:, 0]], 1), torch.stack([zero, factor[:, 1], shift[:, 1]], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
    return F.grid_sample(x - PADDING, grid, align_corners=False) + PADDING


def moved_boxes(boxes: Tensor, corner: Tensor, scale: Tensor, mirrored: Tensor, width: int) -> Tensor:
    """Move boxes (n, objects, 4) as `view` moves the pixels of their pictures; parts may lie outside of the canvas."""
    moved = (boxes - corner.repeat(1, 2)[:, None]) * scale[:, None, None]
    left, top, right, bottom = moved.unbind(2)
    flipped = torch.stack([width - right, top, width - left, bottom], 2)
    return torch.where(mirrored[:, None, None], flipped, moved)


def cut_boxes(boxes: Tensor, height: int, width: int, min_visible: float) -> tuple[Tensor, Tensor]:
    """Cut boxes (..., 4) at the borders of the canvas; also return which still show an object, bool (...).

    These have at least the share `min_visible` of their area left, and two pixels a side.
    """
    across, down = boxes[..., 0::2].clamp(0, width), boxes[..., 1::2].clamp(0, height)
    cut = torch.stack([across, down], -1).flatten(-2)
    before, after = (part[..., 2:] - part[..., :2] for part in (boxes, cut))
    visible = after.prod(-1) >= min_visible * before.prod(-1)
    return cut, visible & (after >= MIN_SIDE).all(-1)


def saturation(x: Tensor, factor: Tensor) -> Tensor:
    """Multiply the differences of the channels (n, 3, height, width) from their mean by `factor`, float (n,)."""
    return torch.lerp(x.mean(1, keepdim=True), x, factor.view(-1, 1, 1, 1)).clamp(0, 255)


class Views:
    """Augments batches as the recipe says: `zoom` and `flip` also move the boxes."""

    def __init__(self, recipe: Recipe, ctx: Context) -> None:
        self._recipe, self._generator = recipe, ctx.generator

    def __call__(self, batch: Batch) -> Batch:
        """Return the batch with new `x`, float levels, new `boxes`, and `kept`, which of them to train on.

        Shapes: x (n, 3, height, width), boxes (n, longest, 4), `boxes_lengths` and crowd as in the batch.
        """
        with torch.autocast(batch["x"].device.type, enabled=False):  # levels up to 255 are too fine for bfloat16
            x, boxes = batch["x"].float(), batch["boxes"]
            height, width = x.shape[2:]
            numbers = torch.arange(boxes.shape[1], device=x.device)
            kept = (numbers < batch["boxes_lengths"][:, None]) & (batch["crowd"] == 0)
            if self._recipe.zoom or self._recipe.flip:
                corner, scale, mirrored = self._draw_view(x, batch["size"])
                x = view(x, corner, scale, mirrored)
                boxes = moved_boxes(boxes, corner, scale, mirrored, width)
            boxes, visible = cut_boxes(boxes, height, width, self._recipe.min_visible)
            return {**batch, "x": self._recolour(x), "boxes": boxes, "kept": kept & visible}

    def _draw_view(self, x: Tensor, size: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Draw the corner (n, 2) of each view, its scale (n,) and whether it is mirrored (n,).

        A view larger than the picture's part of the canvas, `size` (n, 2), shows all of it; a smaller one shows nothing
        else.
        """
        largest = 1 + self._recipe.zoom
        scale = largest ** self._uniform(x, -1.0, 1.0)
        window = torch.stack([torch.full_like(scale, side) / scale for side in (x.shape[3], x.shape[2])], 1)
        free = size.flip(1) - window
        place = torch.stack([self._uniform(x, 0.0, 1.0), self._uniform(x, 0.0, 1.0)], 1)
        corner = place * free if self._recipe.zoom else torch.zeros_like(free)
        coins = self._uniform(x, 0.0, 1.0)
        return corner, scale, coins < 0.5 if self._recipe.flip else coins < 0.0

    def _recolour(self, x: Tensor) -> Tensor:
        for strength, change in (
            (self._recipe.contrast, contrast),
            (self._recipe.brightness, brightness),
            (self._recipe.saturation, saturation),
        ):
            if strength:
                x = change(x, self._uniform(x, max(0.0, 1 - strength), 1 + strength))
        return x

    def _uniform(self, x: Tensor, low: float, high: float) -> Tensor:
        return torch.empty(len(x), device=x.device).uniform_(low, high, generator=self._generator)

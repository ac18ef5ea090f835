"""Draws the weights of a model: a histogram of each tensor, and the filters of its first layer as images."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from zoo_core.columns import Array
from zoo_core.pictures import BLUE, PAPER, TILE, captioned_grid
from zoo_core.specs import Signature

MAX_DRAWN = 64  # filters, and histograms
MAX_NAME = 14  # characters of a name under a histogram


@dataclass(frozen=True, slots=True)
class FirstLayer:
    """The filters of a model's first layer, (filters, channels, height, width), and the name of the layer."""

    name: str
    filters: Array

    def picture(self) -> Array:
        """Draw the filters: grey for 0, brighter for more. All have one scale. Three channels are shown as colours."""
        filters = self.filters[:MAX_DRAWN]
        if filters.shape[1] not in (1, 3):
            filters = filters.mean(axis=1, keepdims=True)
        largest = float(np.abs(filters).max()) or 1.0
        images = (127.5 + 127.5 * filters / largest).round().astype(np.uint8)
        return captioned_grid(images, [str(number) for number in range(len(images))])


def first_layer(model: nn.Module, signature: Signature) -> FirstLayer | None:
    """Return the first layer whose filters are images: a convolution, or a dense layer on the pixels of an image.

    None if there is no such layer. "First" is the order in which the model has its parts.
    """
    shape = signature.input_shape
    sizes = [size or 1 for size in shape]
    for name, module in model.named_modules():
        weight = getattr(module, "weight", None)
        if not isinstance(weight, Tensor) or not weight.is_floating_point():
            continue
        filters = weight.detach().float().cpu().numpy()
        if isinstance(module, nn.Conv2d):
            return FirstLayer(name, np.nan_to_num(filters))
        if isinstance(module, nn.Linear) and len(sizes) == 3:
            if filters.shape[1] != math.prod(sizes):
                return None
            return FirstLayer(name, np.nan_to_num(filters.reshape(-1, *sizes)))
    return None


def histogram_sheet(rows: Sequence[Mapping[str, Any]]) -> Array:
    """Draw the histogram of each row of `parameters.describe`, of the first MAX_DRAWN ones, with name and range."""
    shown = rows[:MAX_DRAWN]
    return captioned_grid(np.stack([_bars(row["histogram"]) for row in shown]), [_caption(row) for row in shown])


def _caption(row: Mapping[str, Any]) -> str:
    name = str(row["name"])
    short = name if len(name) <= MAX_NAME else f"..{name[2 - MAX_NAME :]}"
    return short if row["min"] is None else f"{short}\n{row['min']:.2g} to {row['max']:.2g}"


def _bars(counts: Sequence[int]) -> Array:
    """Draw bars side by side, uint8 (3, TILE, TILE)."""
    image = np.empty((3, TILE, TILE), np.uint8)
    image[:] = np.array(PAPER, np.uint8)[:, None, None]
    edges = np.linspace(0, TILE, len(counts) + 1).round().astype(int)
    for left, right, count in zip(edges, edges[1:], counts, strict=False):
        height = round(TILE * count / max(1, *counts))
        image[:, TILE - height :, left : max(left + 1, right - 1)] = np.array(BLUE, np.uint8)[:, None, None]
    return image

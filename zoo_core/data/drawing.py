"""Helpers of data sets that are drawn with Pillow: shades of a colour, light from one side, blurred backgrounds."""

from __future__ import annotations

import numpy as np
from PIL import Image

from zoo_core.columns import Array


def tint(colour: tuple[int, ...], by: int) -> tuple[int, ...]:
    """Return a colour made lighter, or darker by a negative number of levels.

    >>> tint((250, 100, 5), 20), tint((250, 100, 5), -20)
    ((255, 120, 25), (230, 80, 0))
    """
    return tuple(min(max(level + by, 0), 255) for level in colour)


def in_light(canvas: Image.Image, fine: int, rng: np.random.Generator, *, light: tuple[int, int], noise: int) -> Array:
    """Reduce a canvas to uint8 (height, width, 3), in a light that changes from left to right, with noise.

    fine: subpixels to a pixel. light: bounds of its strength at each border, in percent, the second excluded.
    noise: largest change of a level.
    """
    pixels = np.asarray(canvas.reduce(fine)).astype(np.int64)
    width = pixels.shape[1]
    left, right = rng.integers(*light, 2)
    shade = (left + (right - left) * np.arange(width) // max(1, width - 1))[:, None]
    lit: Array = pixels * shade // 100 + rng.integers(-noise, noise + 1, pixels.shape)
    return lit.clip(0, 255).astype(np.uint8)


def out_of_focus(spots: Array, size: int, fine: int) -> Image.Image:
    """Enlarge a few spots (rows, columns, 3), levels, to a blurred canvas of `size` times `fine` subpixels a side."""
    small = Image.fromarray(spots.clip(0, 255).astype(np.uint8)).resize((size, size), Image.Resampling.BICUBIC)
    return small.resize((size * fine, size * fine), Image.Resampling.NEAREST)

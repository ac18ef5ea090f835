"""Draws what a layer computes as sheets of tiles: uint8 (height, width, 3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo_core.columns import Array
from zoo_core.pictures import ORANGE, captioned_grid

DARKEST = 0.35  # brightness of an image's parts where a channel has no value
STRENGTH = 0.85  # share of the colour where a map is 1


def pairs(images: Array, shares: Array, captions: Sequence[str], below: Sequence[str]) -> Array:
    """Draw each image, and beside it the image in grey with its map in orange.

    Shapes: images uint8 (n, channels, height, width); shares float (n, height, width), from 0 to 1. captions, below:
    the texts of the images and of the maps.
    """
    tiles = [tile for pair in zip(_as_rgb(images), tinted(images, shares), strict=True) for tile in pair]
    texts = [text for pair in zip(captions, below, strict=True) for text in pair]
    return captioned_grid(np.stack(tiles), texts)


def rows_of_maps(images: Array, maps: Array, captions: Sequence[str], names: Sequence[str]) -> Array:
    """Draw each image, and behind it its maps in grey; each channel from its least value in all images to its largest.

    Shapes: images uint8 (n, channels, height, width); maps float (n, shown channels, height, width).
    names: of the shown channels.
    """
    low, high = maps.min(axis=(0, 2, 3), keepdims=True), maps.max(axis=(0, 2, 3), keepdims=True)
    grey = np.rint((maps - low) / np.maximum(high - low, np.finfo(np.float32).tiny) * 255).astype(np.uint8)
    tiles, texts = [], []
    for image, row, caption in zip(_as_rgb(images), grey, captions, strict=True):
        tiles += [image, *np.broadcast_to(row[:, None], (len(row), *image.shape))]
        texts += [caption, *names]
    return captioned_grid(np.stack(tiles), texts)


def spotlights(images: Array, shares: Array, captions: Sequence[str]) -> Array:
    """Draw each image, dark where its map is 0.

    Shapes: images uint8 (n, channels, height, width); shares float (n, height, width), from 0 to 1.
    """
    light = DARKEST + (1 - DARKEST) * shares[:, None]
    return captioned_grid(np.rint(_as_rgb(images) * light).astype(np.uint8), captions)


def tinted(images: Array, shares: Array) -> Array:
    """Return images in grey, with the maps in orange: uint8 (n, 3, height, width). Shapes as in `pairs`."""
    grey = images.mean(axis=1, keepdims=True)
    colour = np.asarray(ORANGE, np.float64)[None, :, None, None]
    share = STRENGTH * shares[:, None]
    tinted: Array = np.rint(grey * (1 - share) + colour * share).astype(np.uint8)
    return tinted


def _as_rgb(images: Array) -> Array:
    return np.broadcast_to(images, (len(images), 3, *images.shape[2:]))

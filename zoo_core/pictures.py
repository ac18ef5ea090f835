"""Pictures that tasks make of what a model did; raster images as uint8 (height, width, 3)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo_core.data.columns import Array

TILE = 84  # pixels a side
LINE, LINES = 13, 2  # pixels, of a caption
CAPTION = LINES * LINE + 3
COLUMNS = 8
PAPER, INK = (255, 255, 255), (20, 20, 20)


def captioned_grid(images: Array, captions: Sequence[str]) -> np.ndarray[Any, Any]:
    """Images uint8 (n, channels, height, width), 1 or 3 channels, in rows of eight, each above up to two lines."""
    columns = min(COLUMNS, len(images))
    rows = -(-len(images) // COLUMNS)
    sheet = Image.new("RGB", (columns * (TILE + 4) + 4, rows * (TILE + CAPTION + 4) + 4), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left = 4 + index % COLUMNS * (TILE + 4)
        top = 4 + index // COLUMNS * (TILE + CAPTION + 4)
        sheet.paste(_tile(image), (left, top))
        for number, line in enumerate(caption.split("\n")[:LINES]):
            draw.text((left + 1, top + TILE + number * LINE), _fitting(line, font), fill=INK, font=font)
    return np.asarray(sheet)


def _fitting(line: str, font: Any) -> str:
    """The line, cut with an ellipsis where it is wider than a tile."""
    if font.getlength(line) <= TILE:
        return line
    while line and font.getlength(f"{line}...") > TILE:
        line = line[:-1]
    return f"{line}..."


def mosaic(images: Array, columns: int) -> np.ndarray[Any, Any]:
    """Images uint8 (n, channels, height, width), 1 or 3 channels, side by side in full rows; the rest is left away."""
    rows = max(1, len(images) // columns)
    columns = min(columns, len(images))
    sheet = Image.new("RGB", (columns * TILE, rows * TILE), PAPER)
    for index, image in enumerate(images[: rows * columns]):
        sheet.paste(_tile(image), (index % columns * TILE, index // columns * TILE))
    return np.asarray(sheet)


def _tile(image: Array) -> Image.Image:
    """An image as a square of `TILE` pixels: small ones keep their pixels visible, large ones are smoothed."""
    tile = Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).convert("RGB")
    enlarged = max(tile.size) <= TILE
    return tile.resize((TILE, TILE), Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS)


def png(picture: Array) -> bytes:
    """A picture as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()

"""Pictures that tasks make of what a model did; raster images as uint8 (height, width, 3)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo_core.columns import Array

TILE = 84  # pixels a side
LINE, LINES = 13, 2  # pixels, of a caption
CAPTION = LINES * LINE + 3
COLUMNS = 8
PAPER, INK, GREY = (255, 255, 255), (20, 20, 20), (190, 190, 190)
ORANGE, BLUE = (213, 94, 0), (0, 114, 178)  # apart for the colour-blind: Okabe and Ito 2008
SMOOTH = 3  # a plot is drawn so many times as large, then made smaller


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


def scatter(
    layers: Sequence[tuple[Array, tuple[int, int, int]]],
    *,
    size: tuple[int, int] = (440, 275),
    box: tuple[float, float, float, float] | None = None,
) -> np.ndarray[Any, Any]:
    """Points (n, 2) of each layer in its colour, the last on top; what is not finite or outside is left away.

    `box` is (x from, x to, y from, y to), by default that of all points; `size` in pixels, (width, height).
    """
    kept = [points[np.isfinite(points).all(axis=1)].astype(np.float64) for points, _ in layers]
    left, right, bottom, top = box or _box(np.concatenate([*kept, np.zeros((0, 2))]))
    edge, foot, radius = 8 * SMOOTH, 20 * SMOOTH, 1.6 * SMOOTH
    width, height = size[0] * SMOOTH, size[1] * SMOOTH
    sheet = Image.new("RGB", (width, height), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11 * SMOOTH)
    for points, (_, colour) in zip(kept, layers, strict=True):
        x = (points[:, 0] - left) / (right - left)
        y = (points[:, 1] - bottom) / (top - bottom)
        inside = (x >= 0) & (x <= 1) & (y >= 0) & (y <= 1)
        across = edge + x[inside] * (width - 2 * edge)
        down = edge + (1 - y[inside]) * (height - edge - foot)
        for h, v in zip(across.tolist(), down.tolist(), strict=True):
            draw.ellipse((h - radius, v - radius, h + radius, v + radius), fill=colour)
    draw.rectangle((edge, edge, width - edge, height - foot), outline=GREY, width=SMOOTH)
    words = f"x {left:.3g} to {right:.3g}, y {bottom:.3g} to {top:.3g}"
    draw.text((edge, height - foot + 3 * SMOOTH), words, fill=INK, font=font)
    return np.asarray(sheet.resize(size, Image.Resampling.LANCZOS))


def _box(points: Array) -> tuple[float, float, float, float]:
    """What holds the points, a twentieth wider on each side."""
    if not len(points):
        return 0.0, 1.0, 0.0, 1.0
    low, high = points.min(axis=0), points.max(axis=0)
    margin = np.where(high > low, (high - low) / 20, 0.5)
    (left, bottom), (right, top) = low - margin, high + margin
    return float(left), float(right), float(bottom), float(top)


def png(picture: Array) -> bytes:
    """A picture as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()

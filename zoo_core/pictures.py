"""Pictures of a model's results for the leaderboard: raster images, uint8 (height, width, 3)."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo_core.columns import Array

TILE = 84  # pixels a side
LINE_HEIGHT, MAX_LINES = 13, 2  # of a caption, the height in pixels
CAPTION_HEIGHT = MAX_LINES * LINE_HEIGHT + 3
MAX_COLUMNS = 8
PAPER, INK, GREY = (255, 255, 255), (20, 20, 20), (190, 190, 190)
ORANGE, BLUE = (213, 94, 0), (0, 114, 178)  # also differ for colour-blind readers: Okabe and Ito 2008
# Ten colours for classes, which differ for colour-blind readers as well as ten can: Tol's "muted" scheme and black.
PALETTE = (
    *((51, 34, 136), (204, 102, 119), (221, 204, 119), (17, 119, 51), (136, 204, 238)),
    *((136, 34, 85), (68, 170, 153), (20, 20, 20), (153, 153, 51), (170, 68, 153)),
)
OVERSAMPLING = 3  # a plot is drawn this many times larger, then reduced


def captioned_grid(images: Array, captions: Sequence[str]) -> np.ndarray[Any, Any]:
    """Lay out images in rows of eight, each with a caption of up to two lines below it.

    Shapes: images uint8 (n, channels, height, width), 1 or 3 channels -> uint8 (height, width, 3).

    >>> captioned_grid(np.zeros((3, 1, 28, 28), np.uint8), ["a", "b", "c"]).shape
    (121, 268, 3)
    """
    columns = min(MAX_COLUMNS, len(images))
    rows = -(-len(images) // MAX_COLUMNS)
    sheet = Image.new("RGB", (columns * (TILE + 4) + 4, rows * (TILE + CAPTION_HEIGHT + 4) + 4), PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
        left = 4 + index % MAX_COLUMNS * (TILE + 4)
        top = 4 + index // MAX_COLUMNS * (TILE + CAPTION_HEIGHT + 4)
        sheet.paste(_tile(image), (left, top))
        for number, line in enumerate(caption.split("\n")[:MAX_LINES]):
            draw.text((left + 1, top + TILE + number * LINE_HEIGHT), _shorten(line, font), fill=INK, font=font)
    return np.asarray(sheet)


def _shorten(line: str, font: Any) -> str:
    """Shorten a line that is wider than a tile, with an ellipsis."""
    if font.getlength(line) <= TILE:
        return line
    while line and font.getlength(f"{line}...") > TILE:
        line = line[:-1]
    return f"{line}..."


def mosaic(images: Array, columns: int) -> np.ndarray[Any, Any]:
    """Lay out images side by side in full rows of `columns`, without gaps; images of an unfinished row are dropped.

    Shapes: images uint8 (n, channels, height, width), 1 or 3 channels -> uint8 (height, width, 3).

    >>> mosaic(np.zeros((7, 3, 32, 32), np.uint8), columns=3).shape
    (168, 252, 3)
    """
    rows = max(1, len(images) // columns)
    columns = min(columns, len(images))
    sheet = Image.new("RGB", (columns * TILE, rows * TILE), PAPER)
    for index, image in enumerate(images[: rows * columns]):
        sheet.paste(_tile(image), (index % columns * TILE, index // columns * TILE))
    return np.asarray(sheet)


def sprite_sheet(images: Array, *, columns: int, side: int) -> np.ndarray[Any, Any]:
    """Lay out images in rows of `columns`, each as a square of `side` pixels, without gaps; the last row may be short.

    Shapes: images uint8 (n, channels, height, width), 1 or 3 channels -> uint8 (height, width, 3).

    >>> sprite_sheet(np.zeros((10, 1, 28, 28), np.uint8), columns=8, side=48).shape
    (96, 384, 3)
    """
    sheet = Image.new("RGB", (columns * side, -(-len(images) // columns) * side), PAPER)
    for index, image in enumerate(images):
        sheet.paste(_tile(image, side), (index % columns * side, index // columns * side))
    return np.asarray(sheet)


def _tile(image: Array, side: int = TILE) -> Image.Image:
    """Resize an image to a square of `side` pixels: enlarged pixels stay sharp, reduced images are smoothed."""
    tile = Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0)).convert("RGB")
    enlarged = max(tile.size) <= side
    return tile.resize((side, side), Image.Resampling.NEAREST if enlarged else Image.Resampling.LANCZOS)


def scatter(
    layers: Sequence[tuple[Array, tuple[int, int, int]]],
    *,
    size: tuple[int, int] = (440, 275),
    box: tuple[float, float, float, float] | None = None,
    labels: Sequence[tuple[float, float, str]] = (),
) -> np.ndarray[Any, Any]:
    """Draw a scatter plot of several layers, the last on top. Points that are not finite or outside are dropped.

    layers: pairs of points (n, 2) and an RGB colour. size: (width, height) in pixels.
    box: (x min, x max, y min, y max); by default it holds all points.
    labels: texts to write on top, with the place (x, y) of their middle.

    >>> scatter([(np.array([[0.0, 1.0], [2.0, 3.0]]), BLUE)], size=(120, 90)).shape
    (90, 120, 3)
    """
    kept = [points[np.isfinite(points).all(axis=1)].astype(np.float64) for points, _ in layers]
    left, right, bottom, top = box or _box(np.concatenate([*kept, np.zeros((0, 2))]))
    edge, foot, radius = 8 * OVERSAMPLING, 20 * OVERSAMPLING, 1.6 * OVERSAMPLING
    width, height = size[0] * OVERSAMPLING, size[1] * OVERSAMPLING
    sheet = Image.new("RGB", (width, height), PAPER)
    draw, font, large = ImageDraw.Draw(sheet), *(ImageFont.load_default(size * OVERSAMPLING) for size in (11, 15))
    for points, (_, colour) in zip(kept, layers, strict=True):
        x = (points[:, 0] - left) / (right - left)
        y = (points[:, 1] - bottom) / (top - bottom)
        inside = (x >= 0) & (x <= 1) & (y >= 0) & (y <= 1)
        across = edge + x[inside] * (width - 2 * edge)
        down = edge + (1 - y[inside]) * (height - edge - foot)
        for h, v in zip(across.tolist(), down.tolist(), strict=True):
            draw.ellipse((h - radius, v - radius, h + radius, v + radius), fill=colour)
    for x_middle, y_middle, text in labels:
        h = edge + (x_middle - left) / (right - left) * (width - 2 * edge)
        v = edge + (top - y_middle) / (top - bottom) * (height - edge - foot)
        # The halo keeps the text readable on points of any colour.
        draw.text((h, v), text, INK, large, anchor="mm", stroke_width=2 * OVERSAMPLING, stroke_fill=PAPER)
    draw.rectangle((edge, edge, width - edge, height - foot), outline=GREY, width=OVERSAMPLING)
    words = f"x {left:.3g} to {right:.3g}, y {bottom:.3g} to {top:.3g}"
    draw.text((edge, height - foot + 3 * OVERSAMPLING), words, fill=INK, font=font)
    return np.asarray(sheet.reduce(OVERSAMPLING))


def _box(points: Array) -> tuple[float, float, float, float]:
    """Bounding box of the points, widened by a twentieth on each side."""
    if not len(points):
        return 0.0, 1.0, 0.0, 1.0
    low, high = points.min(axis=0), points.max(axis=0)
    margin = np.where(high > low, (high - low) / 20, 0.5)
    (left, bottom), (right, top) = low - margin, high + margin
    return float(left), float(right), float(bottom), float(top)


def png(picture: Array) -> bytes:
    """Encode a picture, uint8 (height, width, 3), as PNG.

    >>> png(np.zeros((2, 2, 3), np.uint8))[1:4]
    b'PNG'
    """
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")  # `optimize` takes four times as long to save 3 %
    return buffer.getvalue()

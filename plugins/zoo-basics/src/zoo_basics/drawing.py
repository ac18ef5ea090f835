"""Pictures of functions of the plane: coloured fields with points and paths on them, laid out in sheets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo_core.data.columns import Array
from zoo_core.pictures import BLUE, INK, ORANGE, PAPER

Colour = tuple[int, ...]  # RGB
Item = TypeVar("Item")

SIZE, LINE = (240, 192), 16  # of a panel, and of its caption's line, in pixels
SCALE = 3  # a panel is drawn this many times larger, then reduced


@dataclass(frozen=True, slots=True)
class Box:
    """A part of the plane."""

    left: float
    right: float
    bottom: float
    top: float

    def grid(self, rows: int, columns: int) -> Array:
        """Return points spread over the box, float32 (rows * columns, 2), row by row from the top."""
        x, y = np.linspace(self.left, self.right, columns), np.linspace(self.top, self.bottom, rows)
        return np.stack([np.tile(x, rows), np.repeat(y, columns)], axis=1).astype(np.float32)

    def pixels(self, points: Array) -> list[tuple[float, float]]:
        """Return the places of points (n, 2) in a panel, before it is reduced; far outside points are clipped."""
        x = (points[:, 0].astype(np.float64) - self.left) / (self.right - self.left)
        y = (self.top - points[:, 1].astype(np.float64)) / (self.top - self.bottom)
        places = np.clip(np.nan_to_num(np.stack([x, y], axis=1), nan=-9.0), -9.0, 9.0) * SIZE * SCALE
        return [(float(across), float(down)) for across, down in places]


def box_around(points: Array) -> Box:
    """Return the box that holds the points (n, 2), a tenth wider on each side."""
    low, high = points.min(axis=0).astype(np.float64), points.max(axis=0).astype(np.float64)
    margin = np.where(high > low, (high - low) / 10, 0.5)
    (left, bottom), (right, top) = (low - margin).tolist(), (high + margin).tolist()
    return Box(left, right, bottom, top)


@dataclass(frozen=True, kw_only=True, slots=True)
class Panel:
    """A part of the plane: a background uint8 (rows, columns, 3), which is enlarged, with points and paths on it.

    points, paths: pairs of coordinates (n, 2) and a colour.
    """

    box: Box
    background: Array
    caption: str = ""
    points: Sequence[tuple[Array, Colour]] = ()
    paths: Sequence[tuple[Array, Colour]] = field(default=())

    def draw(self) -> np.ndarray[Any, Any]:
        """Draw the panel, uint8 (height, width, 3), with its caption below it."""
        large = (SIZE[0] * SCALE, SIZE[1] * SCALE)
        image = Image.fromarray(self.background).resize(large, Image.Resampling.BILINEAR)
        draw = ImageDraw.Draw(image)
        for path, colour in self.paths:
            places = self.box.pixels(path)
            draw.line(places, fill=colour, width=SCALE)
            for across, down in places:
                draw.ellipse((across - 4, down - 4, across + 4, down + 4), fill=colour)
        for points, colour in self.points:
            for across, down in self.box.pixels(points):
                draw.ellipse((across - 6, down - 6, across + 6, down + 6), fill=colour, outline=PAPER)
        sheet = Image.new("RGB", (SIZE[0], SIZE[1] + (LINE if self.caption else 0)), PAPER)
        sheet.paste(image.resize(SIZE, Image.Resampling.LANCZOS), (0, 0))
        if self.caption:
            ImageDraw.Draw(sheet).text((2, SIZE[1] + 1), self.caption, fill=INK, font=ImageFont.load_default(11))
        return np.asarray(sheet)


def blend(shares: Array) -> Array:
    """Colour numbers from 0 (blue) over 0.5 (white) to 1 (orange): (rows, columns) -> uint8 (rows, columns, 3).

    >>> blend(np.array([[0.5]])).tolist()
    [[[255, 255, 255]]]
    """
    distance = np.abs(np.clip(np.nan_to_num(shares, nan=0.5), 0, 1) - 0.5)[..., None] * 1.4  # 1 would hide the points
    colours = np.where(shares[..., None] > 0.5, np.array(ORANGE, np.float64), np.array(BLUE, np.float64))
    field: Array = (255 - (255 - colours) * distance).round().astype(np.uint8)
    return field


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """Choose at most `count` items spread over the sequence, among them the first and the last.

    >>> spread("abcdefg", 3)
    ['a', 'd', 'g']
    """
    if not items:
        return []
    return [items[row] for row in sorted(set(np.linspace(0, len(items) - 1, count).round().astype(int).tolist()))]


def sheet(panels: Sequence[Array], columns: int) -> np.ndarray[Any, Any]:
    """Lay out pictures of one size in rows, with a gap of four pixels; the rest of the last row is white."""
    framed = [np.pad(panel, ((0, 4), (0, 4), (0, 0)), constant_values=255) for panel in panels]
    framed += [np.full_like(framed[0], 255)] * (-len(framed) % min(columns, len(framed)))
    wide = min(columns, len(panels))
    rows = [np.concatenate(framed[begin : begin + wide], axis=1) for begin in range(0, len(framed), wide)]
    return np.concatenate(rows)

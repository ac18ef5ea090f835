"""Legends inside SVG files: the names of lines and points below the plot, so that the file can be used elsewhere."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias
from xml.sax.saxutils import escape, quoteattr

CHAR_WIDTH, WIDE_CHAR_WIDTH = 7.0, 13.0  # pixels at the font size, generous
FONT_SIZE, LINE_HEIGHT, GAP, SWATCH = 12, 20, 16, 34
MARGIN = 8
_SIZE = re.compile(r'<svg\b[^>]*?\bwidth="([\d.]+)" height="([\d.]+)" viewBox="0 0 ([\d.]+) ([\d.]+)"')

Shape: TypeAlias = Literal["circle", "square", "triangle-up", "diamond"]
CORNERS = {"triangle-up": "0,-5 5,4 -5,4", "diamond": "0,-6 6,0 0,6 -6,0"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A name with its colour, and the dash of its line or the shape of its points, as far as the plot has them."""

    label: str
    colour: str
    dash: tuple[int, int] | None = None
    shape: Shape | None = None


def with_legend(svg: str, entries: Sequence[Entry], ink: str) -> str:
    """Return the SVG document with a legend below the plot; unchanged without entries."""
    size = _SIZE.search(svg)
    if not entries or size is None:
        return svg
    width, height = float(size[3]), float(size[4])
    drawn, bottom = [], height + MARGIN
    for line in _lines(entries, width):
        x = float(MARGIN)
        for entry in line:
            drawn.append(_drawn(entry, x, bottom + LINE_HEIGHT / 2, ink))
            x += _width(entry)
        bottom += LINE_HEIGHT
    whole = f"{bottom + MARGIN / 2:g}"
    head = svg[size.start() : size.end()]
    head = head.replace(f'height="{size[2]}"', f'height="{whole}"', 1)
    head = head.replace(f'viewBox="0 0 {size[3]} {size[4]}"', f'viewBox="0 0 {size[3]} {whole}"')
    body = svg[size.end() : svg.rindex("</svg>")]
    return f'{svg[: size.start()]}{head}{body}<g class="legend">{"".join(drawn)}</g></svg>'


def size_of(svg: str) -> tuple[int, int]:
    """Return width and height of a plot in pixels; those of a plot without a legend if the document has none."""
    size = _SIZE.search(svg)
    return (round(float(size[1])), round(float(size[2]))) if size else (560, 360)


def _lines(entries: Sequence[Entry], width: float) -> list[list[Entry]]:
    """Break the entries into lines that are no wider than the plot."""
    lines: list[list[Entry]] = [[]]
    used = float(MARGIN)
    for entry in entries:
        if lines[-1] and used + _width(entry) > width:
            lines.append([])
            used = float(MARGIN)
        lines[-1].append(entry)
        used += _width(entry)
    return lines


def _width(entry: Entry) -> float:
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in entry.label)
    return SWATCH + GAP + wide * WIDE_CHAR_WIDTH + (len(entry.label) - wide) * CHAR_WIDTH


def _drawn(entry: Entry, x: float, y: float, ink: str) -> str:
    colour, middle = quoteattr(entry.colour), x + (SWATCH - 8) / 2
    parts = []
    if entry.dash is not None:
        dash = f' stroke-dasharray="{entry.dash[0]} {entry.dash[1]}"' if entry.dash[1] else ""
        ends = f'x1="{x:g}" x2="{x + SWATCH - 8:g}" y1="{y:g}" y2="{y:g}"'
        parts.append(f'<line {ends} stroke={colour} stroke-width="2"{dash}/>')
    if entry.shape == "circle":
        parts.append(f'<circle cx="{middle:g}" cy="{y:g}" r="4.5" fill={colour}/>')
    elif entry.shape == "square":
        parts.append(f'<rect x="{middle - 4:g}" y="{y - 4:g}" width="8" height="8" fill={colour}/>')
    elif entry.shape is not None:
        place = f"translate({middle:g},{y:g})"
        parts.append(f'<polygon points="{CORNERS[entry.shape]}" transform="{place}" fill={colour}/>')
    text = f'<text x="{x + SWATCH:g}" y="{y + 4:g}" font-family="sans-serif" font-size="{FONT_SIZE}" fill="{ink}">'
    return "".join([*parts, text, escape(entry.label), "</text>"])

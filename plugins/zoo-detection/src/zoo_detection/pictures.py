"""Pictures with boxes: found, missed and false ones differ in colour, in the style of their lines and in their words.

The colours are those of Okabe and Ito 2008 (jfly.uni-koeln.de/color), which colour-blind readers tell apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo_core.data.columns import Array
from zoo_core.pictures import INK, PAPER
from zoo_detection.scoring import Matches, PictureTargets

Colour: TypeAlias = tuple[int, int, int]

THUMBNAIL = (480, 360)
PANEL_SIDE, PANELS, COLUMNS = 320, 6, 2  # of a sheet, pixels and numbers of pictures
GAP, LINE = 4, 16
MAX_FALSE = 5  # false boxes on a picture, the most confident ones
MAX_SIDE = 1600  # pixels of a picture that `zoo predict` draws; larger ones are reduced
SOLID, DASHED, DOTTED, LONG = (1, 0), (4, 3), (1, 2), (9, 3)  # drawn and left out, in thicknesses of the line


@dataclass(frozen=True, kw_only=True, slots=True)
class Style:
    """How a box is drawn."""

    colour: Colour
    dash: tuple[int, int] = SOLID


@dataclass(frozen=True, kw_only=True, slots=True)
class Marked:
    """A box, x1, y1, x2, y2 in pixels of its picture, with a word or two on it."""

    box: Sequence[float]
    words: str
    style: Style


FOUND = Style(colour=(0, 114, 178))
FALSE = Style(colour=(213, 94, 0), dash=DASHED)
MISSED = Style(colour=(240, 228, 66), dash=DOTTED)
LEGEND = {"found": FOUND, "false": FALSE, "missed": MISSED}
# Of the classes, in the pictures of `zoo predict`.
CLASS_COLOURS = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233))
CLASS_STYLES = tuple(Style(colour=c, dash=d) for d in (SOLID, DASHED, LONG, DOTTED) for c in CLASS_COLOURS)


def draw_boxes(picture: Array, marked: Sequence[Marked], *, scale: float = 1.0) -> Image.Image:
    """Draw boxes with their words on a picture, uint8 (3, height, width), which is first enlarged by `scale`."""
    height, width = picture.shape[1:]
    size = max(1, round(width * scale)), max(1, round(height * scale))
    image = Image.fromarray(picture.transpose(1, 2, 0)).resize(size, Image.Resampling.BICUBIC)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(max(11, round(max(size) / 45)))
    for item in marked:
        _outline(draw, [value * scale for value in item.box], item.style, max(2, round(max(size) / 250)))
    for item in marked:  # above all boxes
        _write(draw, font, item, scale, size)
    return image


def _outline(draw: ImageDraw.ImageDraw, box: Sequence[float], style: Style, thick: int) -> None:
    """Draw a box in dashes, on a plain line that is seen on any picture and between the dashes."""
    left, top, right, bottom = box
    corners = np.array([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)])
    draw.line([tuple(corner) for corner in corners.tolist()], fill=_contrast(style.colour), width=thick + 2)
    for start, end in pairwise(corners):
        length = float(np.abs(end - start).sum())
        period = sum(style.dash) * thick if style.dash[1] else max(length, 1.0)
        for begin in np.arange(0.0, length, period).tolist():
            stop = min(length, begin + (style.dash[0] * thick if style.dash[1] else period))
            points = [tuple((start + (end - start) * at / length).tolist()) for at in (begin, stop)]
            draw.line(points, fill=style.colour, width=thick)


def _write(draw: ImageDraw.ImageDraw, font: Any, item: Marked, scale: float, size: tuple[int, int]) -> None:
    """Write the words above the box, or inside it at the upper border of the picture."""
    left, top = item.box[0] * scale, item.box[1] * scale
    width, height = font.getlength(item.words) + 4, font.size + 4
    x = min(max(0.0, left), max(0.0, size[0] - width))
    y = top - height if top >= height else max(0.0, top)
    draw.rectangle((x, y, x + width, y + height), fill=item.style.colour)
    draw.text((x + 2, y + 1), item.words, fill=_contrast(item.style.colour), font=font)


def _contrast(colour: Colour) -> Colour:
    """Return black or white, whichever is read better on the colour."""
    return INK if 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2] > 140 else PAPER


# the results of a training


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """A scored split: what `result_pictures` needs besides the pictures themselves.

    Shapes: detections (n, 100, 6); sizes int (n, 2), height and width of each picture's part of the canvas.
    """

    matches: Matches
    targets: Sequence[PictureTargets]
    detections: Array
    sizes: Array
    classes: Sequence[str]


def result_pictures(read: Callable[[Sequence[int]], Array], results: Results) -> dict[str, np.ndarray[Any, Any]]:
    """Draw a thumbnail, results of pictures spread over the split (`answers`), and the `worst` ones.

    read: returns the column `x` of these pictures. Boxes are shown from the score on that has the best F1.
    """
    count, least = len(results.targets), best_threshold(results.matches)
    marks = [marks_of(results, number, least) for number in range(count)]
    faults = np.array([sum(mark.style != FOUND for mark in marked) for marked in marks])
    found = np.array([len(marked) for marked in marks]) - faults
    spread = np.unique(np.linspace(0, count - 1, min(PANELS, count)).astype(int)).tolist()
    worst = np.argsort(-faults, kind="stable")[:PANELS].tolist()

    def sheet(rows: list[int]) -> Array:
        pictures = [_part(x, results.sizes[row]) for x, row in zip(read(rows), rows, strict=True)]
        return _sheet(pictures, [marks[row] for row in rows], least)

    best = int(np.argmax(found - 2 * faults))
    thumbnail = _thumbnail(_part(read([best])[0], results.sizes[best]), marks[best])
    return {"thumbnail": thumbnail, "answers": sheet(spread), "worst": sheet(worst)}


def best_threshold(matches: Matches) -> float:
    """Return the score from which on the detections have the best F1; 1 if none is right."""
    order = np.argsort(-matches.scores, kind="stable")
    right = matches.right[order].cumsum()
    f1 = 2 * right / (np.arange(1, len(right) + 1) + len(matches.found))
    return float(matches.scores[order][f1.argmax()]) if right.any() else 1.0


def marks_of(results: Results, picture: int, least: float) -> list[Marked]:
    """Return the boxes to draw on a picture: missed objects, then false and found ones with a score of `least`."""
    matches, rows, names = results.matches, results.detections[picture], results.classes
    missed = np.flatnonzero((matches.object_pictures == picture) & (matches.found < least))
    shown = (matches.pictures == picture) & (matches.scores >= least)
    marked = [
        Marked(
            box=results.targets[picture].boxes[matches.object_row[number]].tolist(),
            words=f"missed: {names[matches.object_classes[number]]}",
            style=MISSED,
        )
        for number in missed
    ]
    false = np.flatnonzero(shown & ~matches.right)
    for style, prefix, numbers in (
        (FALSE, "false: ", false[:MAX_FALSE]),
        (FOUND, "", np.flatnonzero(shown & matches.right)),
    ):
        for number in numbers:
            row = rows[matches.row[number]]
            words = f"{prefix}{names[matches.classes[number]]} {matches.scores[number]:.2f}"
            marked.append(Marked(box=row[:4].tolist(), words=words, style=style))
    return marked


def _part(x: Array, size: Array) -> Array:
    return x[:, : size[0], : size[1]]


def _sheet(pictures: Sequence[Array], marks: Sequence[Sequence[Marked]], least: float) -> Array:
    """Lay out pictures with their boxes in two columns, with a line of words below each, and a legend."""
    panels = [
        draw_boxes(picture, marked, scale=PANEL_SIDE / max(picture.shape[1:]))
        for picture, marked in zip(pictures, marks, strict=True)
    ]
    rows = [panels[begin : begin + COLUMNS] for begin in range(0, len(panels), COLUMNS)]
    heights = [max(panel.height for panel in row) + LINE + GAP for row in rows]
    sheet = Image.new("RGB", (COLUMNS * (PANEL_SIDE + GAP) + GAP, sum(heights) + LINE + 2 * GAP), PAPER)
    draw, font, top = ImageDraw.Draw(sheet), ImageFont.load_default(12), GAP
    for begin, (row, height) in enumerate(zip(rows, heights, strict=True)):
        for column, panel in enumerate(row):
            left = GAP + column * (PANEL_SIDE + GAP)
            sheet.paste(panel, (left, top))
            draw.text((left, top + panel.height), _count(marks[begin * COLUMNS + column]), fill=INK, font=font)
        top += height
    _legend(draw, font, top, least)
    return np.asarray(sheet)


def _count(marked: Sequence[Marked]) -> str:
    counts = {name: sum(mark.style == style for mark in marked) for name, style in LEGEND.items()}
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _legend(draw: ImageDraw.ImageDraw, font: Any, top: int, least: float) -> None:
    left = float(GAP)
    for name, style in LEGEND.items():
        _outline(draw, (left + 2, top + 2, left + 28, top + 13), style, 2)
        draw.text((left + 34, top), name, fill=INK, font=font)
        left += 48 + font.getlength(name)
    draw.text((left, top), f"boxes with a score of {least:.2f} or more: the best F1 here", fill=INK, font=font)


def _thumbnail(picture: Array, marked: Sequence[Marked]) -> Array:
    """Draw a picture with its boxes, cropped to uint8 (360, 480, 3) around the first box."""
    height, width = picture.shape[1:]
    scale = max(THUMBNAIL[0] / width, THUMBNAIL[1] / height)
    image = draw_boxes(picture, marked, scale=scale)
    middle = np.mean(np.reshape(marked[0].box, (2, 2)), axis=0) * scale if marked else np.array(image.size) / 2
    left, top = (
        int(min(max(0.0, at - side / 2), whole - side))
        for at, side, whole in zip(middle.tolist(), THUMBNAIL, image.size, strict=True)
    )
    view = Image.new("RGB", THUMBNAIL, PAPER)
    view.paste(image, (-left, -top))
    return np.asarray(view)


# predictions for files


def draw_predictions(picture: Array, rows: Sequence[Sequence[Any]], classes: Sequence[str]) -> Array:
    """Draw predictions on a picture, uint8 (3, height, width) -> uint8 (height, width, 3), at most 1,600 pixels a side.

    rows: class, score, x1, y1, x2, y2 in pixels of the picture. Each class has its own colour and style of line.
    """
    marked = [
        Marked(
            box=row[2:6],
            words=f"{row[0]} {row[1]:.2f}",
            style=CLASS_STYLES[list(classes).index(row[0]) % len(CLASS_STYLES)],
        )
        for row in reversed(rows)  # the best on top
    ]
    return np.asarray(draw_boxes(picture, marked, scale=min(1.0, MAX_SIDE / max(picture.shape[1:]))))

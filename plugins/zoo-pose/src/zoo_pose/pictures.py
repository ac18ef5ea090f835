"""Draws stick figures: strips of actions with the predicted class, and of movement with the predicted frames."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo_core.data.columns import Array

Colour = tuple[int, int, int]
Picture = np.ndarray[Any, Any]

PAPER, INK, GREY, FAINT = (255, 255, 255), (20, 20, 20), (120, 120, 120), (205, 208, 214)
LEFT, RIGHT, MIDDLE = (38, 110, 180), (200, 80, 40), (50, 52, 58)  # the left and right of the body, not of the picture
TARGET_COLOUR, PREDICTION_COLOUR = (50, 52, 58), (226, 92, 24)
SUBPIXELS = 2  # per pixel and axis, for smooth lines
CELL, CAPTION = 84, 18  # pixels
FRAMES_PER_STRIP, MAX_STRIPS = 8, 6  # strips of one sheet
THUMBNAIL = (480, 320)
MARGIN = 0.08  # share of a panel left free around the bodies
PAST_FRAMES = 3  # in the strip of a forecast


class Panel:
    """A part of a picture in which bodies are drawn at one scale."""

    def __init__(self, image: Image.Image, box: tuple[int, int, int, int], bounds: Array, extra: Mapping[str, Any]):
        """box: left, top, right, bottom in pixels; bounds: lowest and highest x and y shown, (2, 2)."""
        self._draw, self._extra = ImageDraw.Draw(image), extra
        left, top, right, bottom = (value * SUBPIXELS for value in box)
        spread = np.maximum(bounds[1] - bounds[0], 1e-6)
        self._scale = (1 - 2 * MARGIN) * min((right - left) / spread[0], (bottom - top) / spread[1])
        self._centre = np.array([(left + right) / 2, (top + bottom) / 2])
        self._middle = bounds.mean(axis=0)

    def body(self, joints: Array, colour: Colour | None = None, width: int = 2) -> None:
        """Draw one body (joints, axes); without `colour` left and right have their own."""
        places = (joints[:, :2] - self._middle) * self._scale * np.array([1, -self._extra["up"]]) + self._centre
        for one, other in self._extra["bones"]:
            points = [(float(x), float(y)) for x, y in places[[one, other]]]
            self._draw.line(points, fill=colour or self._side_colour(one, other), width=width * SUBPIXELS)
        radius = (width + 1) * SUBPIXELS / 2
        for number, (x, y) in enumerate(places.tolist()):
            fill = colour or self._side_colour(number, number)
            self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)

    def _side_colour(self, one: int, other: int) -> Colour:
        names = {self._extra["joints"][joint].partition(" ")[0] for joint in (one, other)}
        if "left" in names:
            return LEFT
        return RIGHT if "right" in names else MIDDLE


def action_pictures(
    look: Callable[[Sequence[int]], Array],
    outputs: Array,
    targets: Array,
    classes: Sequence[str],
    extra: Mapping[str, Any],
) -> dict[str, Picture]:
    """Draw a thumbnail, sequences spread over the split with their predictions, and the most confident mistakes."""
    predictions = outputs.argmax(axis=1)
    margin = outputs.max(axis=1) - outputs[np.arange(len(targets)), targets]
    worst = [int(row) for row in np.argsort(-margin, kind="stable") if predictions[row] != targets[row]][:MAX_STRIPS]
    some = spread_over(len(targets), MAX_STRIPS)

    def sheet(rows: Sequence[int]) -> Picture:
        pairs = [(classes[targets[row]], classes[predictions[row]]) for row in rows]
        captions = [target if target == predicted else f"{target}   > {predicted}" for target, predicted in pairs]
        return strips(look(rows), captions, extra)

    right = [int(row) for row in np.flatnonzero(predictions == targets)] or some
    pictures = {"thumbnail": _actions_thumbnail(look(_most_moving(look, right)), extra), "answers": sheet(some)}
    return pictures | ({"mistakes": sheet(worst)} if worst else {})


def motion_pictures(
    look: Callable[[Sequence[int]], Array], outputs: Array, targets: Array, extra: Mapping[str, Any]
) -> dict[str, Picture]:
    """Draw a thumbnail and strips of the windows that move most: past (grey), target (dark), prediction (orange)."""
    moved = np.linalg.norm(np.diff(targets, axis=1), axis=-1).mean(axis=(1, 2))
    part = max(1, len(targets) // MAX_STRIPS)  # the window that moves most in each part of the split
    parts = [np.arange(start, min(start + part, len(targets))) for start in range(0, len(targets), part)][:MAX_STRIPS]
    rows = [int(rows[moved[rows].argmax()]) for rows in parts]
    past = look(rows)
    best = int(moved[rows].argmax())
    return {
        "thumbnail": _forecast_thumbnail(past[best], targets[rows[best]], outputs[rows[best]], extra),
        "forecasts": _forecasts(past, targets[rows], outputs[rows], extra),
    }


def spread_over(count: int, wanted: int) -> list[int]:
    """Return up to `wanted` numbers, evenly spaced from 0 to count - 1."""
    numbers: list[int] = np.linspace(0, count - 1, min(wanted, count)).astype(int).tolist()
    return numbers


def bounds_of(*bodies: Array) -> Array:
    """Return lowest and highest x and y of bodies (..., joints, axes): (2, 2)."""
    places = np.concatenate([body[..., :2].reshape(-1, 2) for body in bodies])
    return np.stack([places.min(axis=0), places.max(axis=0)])


def strips(sequences: Array, captions: Sequence[str], extra: Mapping[str, Any]) -> Picture:
    """Draw each sequence of (n, frames, joints, axes) as a row of eight frames below its caption."""
    image = _blank_image((FRAMES_PER_STRIP * CELL, len(sequences) * (CELL + CAPTION) + 4))
    for row, (sequence, caption) in enumerate(zip(sequences, captions, strict=True)):
        top = row * (CELL + CAPTION)
        _write_text(image, (4, top + 3), caption)
        bounds = bounds_of(sequence)
        for column, frame in enumerate(spread_over(len(sequence), FRAMES_PER_STRIP)):
            left = column * CELL
            Panel(image, (left, top + CAPTION, left + CELL, top + CAPTION + CELL), bounds, extra).body(sequence[frame])
    return _to_array(image)


def _forecasts(past: Array, targets: Array, predictions: Array, extra: Mapping[str, Any]) -> Picture:
    """Draw a row per window: some frames of the past, then of the future, the prediction over the target."""
    image = _blank_image((FRAMES_PER_STRIP * CELL, len(past) * (CELL + CAPTION) + 4))
    fps = extra["fps"]
    for row in range(len(past)):
        top = row * (CELL + CAPTION)
        bounds = bounds_of(past[row], targets[row], predictions[row])
        before = spread_over(past.shape[1], PAST_FRAMES)
        after = spread_over(targets.shape[1], FRAMES_PER_STRIP - PAST_FRAMES)
        for column in range(FRAMES_PER_STRIP):
            left = column * CELL
            panel = Panel(image, (left, top + CAPTION, left + CELL, top + CAPTION + CELL), bounds, extra)
            if column < PAST_FRAMES:
                frame = before[column]
                panel.body(past[row, frame], GREY)
                time = (frame + 1 - past.shape[1]) / fps
            else:
                frame = after[min(column - PAST_FRAMES, len(after) - 1)]
                panel.body(targets[row, frame], TARGET_COLOUR)
                panel.body(predictions[row, frame], PREDICTION_COLOUR)
                time = (frame + 1) / fps
            _write_text(image, (left + 4, top + 3), f"{time:+.2f} s")
    return _to_array(image)


def _most_moving(look: Callable[[Sequence[int]], Array], rows: Sequence[int]) -> list[int]:
    """Of a dozen of these rows, evenly spread, return the two whose bodies move most."""
    some = [rows[number] for number in spread_over(len(rows), 12)]
    moved = np.abs(np.diff(look(some), axis=1)).mean(axis=(1, 2, 3))
    return [some[number] for number in np.argsort(-moved, kind="stable")[:2]]


def _actions_thumbnail(sequences: Array, extra: Mapping[str, Any]) -> Picture:
    """Draw one or two sequences, each a row of bodies side by side."""
    width, height = THUMBNAIL
    image = _blank_image(THUMBNAIL)
    tall = height // len(sequences)
    for row, sequence in enumerate(sequences):
        bounds = bounds_of(sequence)
        frames = spread_over(len(sequence), 6)
        wide = width // len(frames)
        for column, frame in enumerate(frames):
            box = (column * wide, row * tall, (column + 1) * wide, (row + 1) * tall)
            Panel(image, box, bounds, extra).body(sequence[frame], width=3)
    return _to_array(image)


def _forecast_thumbnail(past: Array, targets: Array, predictions: Array, extra: Mapping[str, Any]) -> Picture:
    """Draw three panels: the last frames of the past, and two of the future with the prediction over the target."""
    width, height = THUMBNAIL
    image = _blank_image(THUMBNAIL)
    bounds = bounds_of(past, targets, predictions)
    wide = width // 3
    for column, frame in enumerate((None, len(targets) // 2, len(targets) - 1)):
        panel = Panel(image, (column * wide, 0, (column + 1) * wide, height), bounds, extra)
        if frame is None:
            for earlier in spread_over(len(past), 4)[:-1]:
                panel.body(past[earlier], FAINT, width=3)
            panel.body(past[-1], GREY, width=4)
        else:
            panel.body(past[-1], FAINT, width=3)
            panel.body(targets[frame], TARGET_COLOUR, width=4)
            panel.body(predictions[frame], PREDICTION_COLOUR, width=3)
    return _to_array(image)


def _blank_image(size: tuple[int, int]) -> Image.Image:
    return Image.new("RGB", (size[0] * SUBPIXELS, size[1] * SUBPIXELS), PAPER)


def _write_text(image: Image.Image, place: tuple[int, int], text: str) -> None:
    font = ImageFont.load_default(11 * SUBPIXELS)
    ImageDraw.Draw(image).text((place[0] * SUBPIXELS, place[1] * SUBPIXELS), text, fill=INK, font=font)


def _to_array(image: Image.Image) -> Picture:
    return np.asarray(image.reduce(SUBPIXELS))

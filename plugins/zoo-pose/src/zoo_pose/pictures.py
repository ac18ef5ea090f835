"""Pictures of stick figures: film strips of actions with the answer, and of movement with what was foretold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from zoo_core.data.columns import Array

Colour = tuple[int, int, int]
Picture = np.ndarray[Any, Any]

PAPER, INK, GREY, FAINT = (255, 255, 255), (20, 20, 20), (120, 120, 120), (205, 208, 214)
LEFT, RIGHT, MIDDLE = (38, 110, 180), (200, 80, 40), (50, 52, 58)  # a person's own left and right
TRUTH, ANSWER = (50, 52, 58), (226, 92, 24)
FINE = 2  # subpixels a pixel, for smooth lines
CELL, CAPTION = 84, 18  # pixels
SHOWN, STRIPS = 8, 6  # frames a strip, strips a sheet
THUMBNAIL = (480, 320)
MARGIN = 0.08  # of a panel, left free around the bodies
PAST_SHOWN = 3  # of a forecast's strip


class Panel:
    """A piece of a picture that bodies are drawn in, all with one scale."""

    def __init__(self, image: Image.Image, box: tuple[int, int, int, int], bounds: Array, extra: Mapping[str, Any]):
        """box: left, top, right, bottom, pixels; bounds: lowest and highest x and y shown, (2, 2); both subpixels."""
        self._draw, self._extra = ImageDraw.Draw(image), extra
        left, top, right, bottom = (value * FINE for value in box)
        spread = np.maximum(bounds[1] - bounds[0], 1e-6)
        self._scale = (1 - 2 * MARGIN) * min((right - left) / spread[0], (bottom - top) / spread[1])
        self._centre = np.array([(left + right) / 2, (top + bottom) / 2])
        self._middle = bounds.mean(axis=0)

    def body(self, joints: Array, colour: Colour | None = None, width: int = 2, shift: float = 0.0) -> None:
        """One body (joints, axes); without a colour left and right have their own. shift: to the right, pixels."""
        places = (joints[:, :2] - self._middle) * self._scale * np.array([1, -self._extra["up"]]) + self._centre
        places[:, 0] += shift * FINE
        for one, other in self._extra["bones"]:
            points = [(float(x), float(y)) for x, y in places[[one, other]]]
            self._draw.line(points, fill=colour or self._side(one, other), width=width * FINE)
        radius = (width + 1) * FINE / 2
        for number, (x, y) in enumerate(places.tolist()):
            fill = colour or self._side(number, number)
            self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=fill)

    def _side(self, one: int, other: int) -> Colour:
        names = {self._extra["joints"][joint].partition(" ")[0] for joint in (one, other)}
        if "left" in names:
            return LEFT
        return RIGHT if "right" in names else MIDDLE


def action_pictures(
    look: Callable[[Sequence[int]], Array],
    outputs: Array,
    truth: Array,
    classes: Sequence[str],
    extra: Mapping[str, Any],
) -> dict[str, Picture]:
    """A thumbnail, sequences spread over the split with the answers, and the mistakes made with the largest margin."""
    answers = outputs.argmax(axis=1)
    margin = outputs.max(axis=1) - outputs[np.arange(len(truth)), truth]
    worst = [int(row) for row in np.argsort(-margin, kind="stable") if answers[row] != truth[row]][:STRIPS]
    some = spread_over(len(truth), STRIPS)

    def sheet(rows: Sequence[int]) -> Picture:
        pairs = [(classes[truth[row]], classes[answers[row]]) for row in rows]
        captions = [right if right == said else f"{right}   > {said}" for right, said in pairs]
        return strips(look(rows), captions, extra)

    right = [int(row) for row in np.flatnonzero(answers == truth)] or some
    pictures = {"thumbnail": _actions_thumbnail(look(_liveliest(look, right)), extra), "answers": sheet(some)}
    return pictures | ({"mistakes": sheet(worst)} if worst else {})


def motion_pictures(
    look: Callable[[Sequence[int]], Array], outputs: Array, truth: Array, extra: Mapping[str, Any]
) -> dict[str, Picture]:
    """A thumbnail and strips: past, truth (dark) and what was foretold (orange), of the windows that move most."""
    moved = np.linalg.norm(np.diff(truth, axis=1), axis=-1).mean(axis=(1, 2))
    part = max(1, len(truth) // STRIPS)  # the liveliest of each part of the split
    parts = [np.arange(start, min(start + part, len(truth))) for start in range(0, len(truth), part)][:STRIPS]
    rows = [int(rows[moved[rows].argmax()]) for rows in parts]
    past = look(rows)
    best = int(moved[rows].argmax())
    return {
        "thumbnail": _forecast_thumbnail(past[best], truth[rows[best]], outputs[rows[best]], extra),
        "forecasts": _forecasts(past, truth[rows], outputs[rows], extra),
    }


def spread_over(count: int, wanted: int) -> list[int]:
    """Up to so many numbers evenly from 0 to count - 1."""
    numbers: list[int] = np.linspace(0, count - 1, min(wanted, count)).astype(int).tolist()
    return numbers


def bounds_of(*bodies: Array) -> Array:
    """Lowest and highest x and y of bodies (..., joints, axes): (2, 2)."""
    places = np.concatenate([body[..., :2].reshape(-1, 2) for body in bodies])
    return np.stack([places.min(axis=0), places.max(axis=0)])


def strips(sequences: Array, captions: Sequence[str], extra: Mapping[str, Any]) -> Picture:
    """Sequences (n, frames, joints, axes), each a row of eight frames below its caption."""
    image = _paper((SHOWN * CELL, len(sequences) * (CELL + CAPTION) + 4))
    for row, (sequence, caption) in enumerate(zip(sequences, captions, strict=True)):
        top = row * (CELL + CAPTION)
        _write(image, (4, top + 3), caption)
        bounds = bounds_of(sequence)
        for column, frame in enumerate(spread_over(len(sequence), SHOWN)):
            left = column * CELL
            Panel(image, (left, top + CAPTION, left + CELL, top + CAPTION + CELL), bounds, extra).body(sequence[frame])
    return _finished(image)


def _forecasts(past: Array, truth: Array, foretold: Array, extra: Mapping[str, Any]) -> Picture:
    """Rows of some frames of the past, then of the future twice: as it was, over it as it was foretold."""
    image = _paper((SHOWN * CELL, len(past) * (CELL + CAPTION) + 4))
    fps = extra["fps"]
    for row in range(len(past)):
        top = row * (CELL + CAPTION)
        bounds = bounds_of(past[row], truth[row], foretold[row])
        before = spread_over(past.shape[1], PAST_SHOWN)
        after = spread_over(truth.shape[1], SHOWN - PAST_SHOWN)
        for column in range(SHOWN):
            left = column * CELL
            panel = Panel(image, (left, top + CAPTION, left + CELL, top + CAPTION + CELL), bounds, extra)
            if column < PAST_SHOWN:
                frame = before[column]
                panel.body(past[row, frame], GREY)
                time = (frame + 1 - past.shape[1]) / fps
            else:
                frame = after[min(column - PAST_SHOWN, len(after) - 1)]
                panel.body(truth[row, frame], TRUTH)
                panel.body(foretold[row, frame], ANSWER)
                time = (frame + 1) / fps
            _write(image, (left + 4, top + 3), f"{time:+.2f} s")
    return _finished(image)


def _liveliest(look: Callable[[Sequence[int]], Array], rows: Sequence[int]) -> list[int]:
    """Two of some rows: of a dozen spread over them those whose bodies move most."""
    some = [rows[number] for number in spread_over(len(rows), 12)]
    moved = np.abs(np.diff(look(some), axis=1)).mean(axis=(1, 2, 3))
    return [some[number] for number in np.argsort(-moved, kind="stable")[:2]]


def _actions_thumbnail(sequences: Array, extra: Mapping[str, Any]) -> Picture:
    """One or two sequences, each a row of bodies side by side."""
    width, height = THUMBNAIL
    image = _paper(THUMBNAIL)
    tall = height // len(sequences)
    for row, sequence in enumerate(sequences):
        bounds = bounds_of(sequence)
        frames = spread_over(len(sequence), 6)
        wide = width // len(frames)
        for column, frame in enumerate(frames):
            box = (column * wide, row * tall, (column + 1) * wide, (row + 1) * tall)
            Panel(image, box, bounds, extra).body(sequence[frame], width=3)
    return _finished(image)


def _forecast_thumbnail(past: Array, truth: Array, foretold: Array, extra: Mapping[str, Any]) -> Picture:
    """Three bodies side by side: the last frame, and two of the future, truth and answer over each other."""
    width, height = THUMBNAIL
    image = _paper(THUMBNAIL)
    bounds = bounds_of(past, truth, foretold)
    wide = width // 3
    for column, frame in enumerate((None, len(truth) // 2, len(truth) - 1)):
        panel = Panel(image, (column * wide, 0, (column + 1) * wide, height), bounds, extra)
        if frame is None:
            for earlier in spread_over(len(past), 4)[:-1]:
                panel.body(past[earlier], FAINT, width=3)
            panel.body(past[-1], GREY, width=4)
        else:
            panel.body(past[-1], FAINT, width=3)
            panel.body(truth[frame], TRUTH, width=4)
            panel.body(foretold[frame], ANSWER, width=3)
    return _finished(image)


def _paper(size: tuple[int, int]) -> Image.Image:
    return Image.new("RGB", (size[0] * FINE, size[1] * FINE), PAPER)


def _write(image: Image.Image, place: tuple[int, int], text: str) -> None:
    font = ImageFont.load_default(11 * FINE)
    ImageDraw.Draw(image).text((place[0] * FINE, place[1] * FINE), text, fill=INK, font=font)


def _finished(image: Image.Image) -> Picture:
    return np.asarray(image.reduce(FINE))

"""Draws digits of 28x28 pixels with a round pen: smooth strokes through points that vary from image to image.

An image depends on 17 to 23 random numbers: two for each point, and slant, turn, width, height, place and thickness of
the whole. So sixteen numbers cannot hold all of it.
"""

from __future__ import annotations

import numpy as np

from zoo_core.data.columns import Array

SIZE = 28
POINTS = 72  # pen positions in one image, shared by its strokes
CHUNK = 250  # images drawn at once
# The strokes of each digit, as points that the pen passes: x to the right and y down, in a box from -1 to 1.
STROKES: tuple[tuple[tuple[tuple[float, float], ...], ...], ...] = (
    (((0.0, -1.0), (-0.6, -0.55), (-0.65, 0.4), (0.0, 1.0), (0.6, 0.45), (0.65, -0.5), (0.0, -1.0)),),
    (((-0.35, -0.6), (0.1, -1.0), (0.1, -0.3), (0.1, 0.3), (0.1, 1.0)),),
    (((-0.6, -0.55), (-0.1, -1.0), (0.55, -0.6), (0.2, 0.1), (-0.65, 0.95), (-0.1, 0.85), (0.7, 0.95)),),
    (((-0.6, -0.8), (0.1, -1.0), (0.55, -0.55), (-0.1, -0.05), (0.6, 0.45), (0.1, 1.0), (-0.65, 0.8)),),
    (((-0.1, -1.0), (-0.4, -0.4), (-0.65, 0.2), (0.0, 0.25), (0.7, 0.2)), ((0.4, -0.4), (0.35, 0.3), (0.3, 1.0))),
    (((0.6, -1.0), (-0.4, -0.95), (-0.5, -0.2), (0.2, -0.25), (0.6, 0.35), (0.1, 1.0), (-0.6, 0.8)),),
    (((0.4, -1.0), (-0.3, -0.45), (-0.55, 0.4), (0.0, 1.0), (0.55, 0.5), (0.05, 0.05), (-0.5, 0.45)),),
    (((-0.65, -0.95), (0.0, -0.9), (0.65, -0.95), (0.2, -0.1), (-0.2, 1.0)),),
    (((0.5, -0.7), (-0.1, -1.0), (-0.5, -0.55), (0.5, 0.45), (0.0, 1.0), (-0.55, 0.45), (0.5, -0.7)),),
    (((0.5, -0.45), (0.0, 0.0), (-0.5, -0.5), (0.0, -1.0), (0.5, -0.5), (0.4, 0.3), (0.1, 1.0)),),
)


def draw_digits(count: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw images uint8 (count, 28, 28), white on black, of random digits int64 (count,)."""
    digits = rng.integers(0, len(STROKES), count)
    pen = np.zeros((count, POINTS, 2))
    for digit, strokes in enumerate(STROKES):
        rows = np.flatnonzero(digits == digit)
        pen[rows] = np.concatenate([_curves(stroke, len(rows), len(strokes), rng) for stroke in strokes], axis=1)
    pen = _placed(pen, rng)
    radius = rng.uniform(0.8, 1.7, count)
    parts = range(0, count, CHUNK)
    images = np.concatenate([_inked(pen[at : at + CHUNK], radius[at : at + CHUNK]) for at in parts])
    return images, digits.astype(np.int64)


def _curves(stroke: tuple[tuple[float, float], ...], count: int, strokes: int, rng: np.random.Generator) -> Array:
    """Return pen positions (count, POINTS / strokes, 2) on Catmull-Rom splines through points near the stroke's."""
    points = np.asarray(stroke) + rng.normal(0, 0.09, (count, len(stroke), 2))
    padded = np.concatenate([2 * points[:, :1] - points[:, 1:2], points, 2 * points[:, -1:] - points[:, -2:-1]], axis=1)
    place = np.linspace(0, len(stroke) - 1, POINTS // strokes)
    begin = np.minimum(place.astype(int), len(stroke) - 2)
    t = (place - begin)[:, None]
    p0, p1, p2, p3 = (padded[:, begin + step] for step in range(4))
    curve: Array = p1 + t / 2 * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)))
    return curve


def _placed(pen: Array, rng: np.random.Generator) -> Array:
    """Slant, turn, scale and shift the pen positions (n, points, 2) of the box to pixels."""
    count = len(pen)
    slant, turn = rng.normal(0.15, 0.2, (count, 1)), rng.normal(0, 0.12, (count, 1))
    width, height = rng.uniform(6, 9.5, (count, 1)), rng.uniform(8, 10, (count, 1))
    shift = rng.normal(0, 0.8, (count, 1, 2))
    x, y = pen[..., 0] * width - slant * pen[..., 1] * height, pen[..., 1] * height
    turned = np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], axis=-1)
    pixels: Array = turned + shift + (SIZE - 1) / 2
    return pixels


def _inked(pen: Array, radius: Array) -> Array:
    """Draw a round pen of each `radius` (n,) at the positions (n, points, 2): uint8 (n, 28, 28), smooth at the edge."""
    pixels = np.arange(SIZE, dtype=np.float32)
    across, down = ((pen[:, None, :, axis].astype(np.float32) - pixels[:, None]) ** 2 for axis in (0, 1))
    distance = np.full((len(pen), SIZE, SIZE), np.inf, np.float32)  # to the nearest position, squared
    for point in range(pen.shape[1]):
        np.minimum(distance, down[:, :, None, point] + across[:, None, :, point], out=distance)
    ink = (radius[:, None, None].astype(np.float32) + 0.5 - np.sqrt(distance)).clip(0, 1)
    levels: Array = np.rint(ink * 255).astype(np.uint8)
    return levels

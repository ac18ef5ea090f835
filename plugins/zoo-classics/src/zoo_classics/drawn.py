"""Drawn hands that show the ten digits of American Sign Language, 64x64, from a seed: the same everywhere.

Which fingers are stretched and what the thumb touches tells the digit. Skin, sleeve, light, background, place, size and
rotation tell nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from zoo_core import Context, Signature, UnknownSplitError
from zoo_core.data.drawing import in_light, out_of_focus, tint

Array = np.ndarray[Any, Any]
Colour = tuple[int, ...]
Points = Sequence[tuple[float, float]]

SIZE, FINE = 64, 4  # pixels a side; subpixels a pixel, for smooth edges
FINGERS = "imrl"  # index, middle, ring, little
# The hand's coordinates: the origin is the palm's middle, the unit its width; x to the right, y down; the thumb at the
# left.
KNUCKLES: Points = ((-0.36, -0.46), (-0.12, -0.54), (0.12, -0.5), (0.35, -0.38))
LENGTHS = (0.84, 0.94, 0.86, 0.66)
RADII = (0.125, 0.13, 0.12, 0.105)
ANGLES = (-9, -2, 5, 14)  # of stretched fingers, in degrees clockwise from up
WRIST: Points = ((-0.22, 0.5), (-0.08, 0.55), (0.06, 0.55), (0.2, 0.5))
STRETCHED = {
    "0": "",
    "1": "i",
    "2": "im",
    "3": "im",
    "4": "imrl",
    "5": "imrl",
    "6": "imr",
    "7": "iml",
    "8": "irl",
    "9": "mrl",
}
CLASSES = tuple(STRETCHED)
# How fingers bend to touch the thumb: the second joint and the tip. In "0" all four do.
TOUCHING: dict[str, Points] = {
    "i": ((-0.5, -0.82), (-0.66, -0.52)),
    "m": ((-0.26, -0.82), (-0.46, -0.5)),
    "r": ((0.02, -0.74), (-0.2, -0.36)),
    "l": ((0.3, -0.6), (0.08, -0.22)),
}
CIRCLE: dict[str, Points] = {
    "i": ((-0.52, -0.8), (-0.68, -0.46)),
    "m": ((-0.38, -0.88), (-0.64, -0.5)),
    "r": ((-0.12, -0.86), (-0.52, -0.5)),
    "l": ((0.12, -0.7), (-0.38, -0.44)),
}
# The thumb from its second joint to its tip: stretched, across the palm, or to the tip of a finger.
THUMBS: dict[str, Points] = {
    "out": ((-0.78, -0.05), (-0.98, -0.36)),
    "across": ((-0.3, -0.04), (0.04, -0.08)),
    "circle": ((-0.8, -0.1), (-0.68, -0.4)),
    "i": ((-0.74, -0.1), (-0.66, -0.5)),
    "m": ((-0.66, -0.1), (-0.48, -0.46)),
    "r": ((-0.5, -0.12), (-0.2, -0.32)),
    "l": ((-0.3, -0.05), (0.06, -0.18)),
}
THUMB = {
    "0": "circle",
    "1": "across",
    "2": "across",
    "3": "out",
    "4": "across",
    "5": "out",
    "6": "l",
    "7": "r",
    "8": "m",
    "9": "i",
}
SKINS = ((240, 206, 182), (226, 180, 142), (198, 146, 106), (158, 106, 72), (112, 72, 48), (80, 52, 40))


class DrawnHands:
    """One hand a picture: x uint8 (n, 3, 64, 64), RGB; y int64 (n,), the digit. Every digit equally often."""

    signature = Signature(input_shape=(3, SIZE, SIZE), outputs=len(CLASSES), classes=CLASSES)
    sizes = {"train": 60, "val": 20, "test": 60}  # pictures of a digit

    def __init__(self, ctx: Context) -> None:
        pass

    def load(self, split: str) -> dict[str, Array]:
        if split not in self.sizes:
            raise UnknownSplitError(f"the drawn hands have no split {split!r}, only {', '.join(self.sizes)}")
        seed = list(self.sizes).index(split)
        labels = np.tile(np.arange(len(CLASSES), dtype=np.int64), self.sizes[split])
        # A generator for each picture: a picture does not depend on how many were drawn before it.
        pictures = [picture(CLASSES[y], np.random.default_rng([seed, n])) for n, y in enumerate(labels)]
        return {"x": np.stack(pictures).transpose(0, 3, 1, 2).copy(), "y": labels}


def picture(sign: str, rng: np.random.Generator) -> Array:
    """A hand before a background, in some light: uint8 (64, 64, 3)."""
    canvas = background(rng)
    brush = Brush.random(canvas, rng)
    skin = tuple(int(level) for level in np.array(SKINS[rng.integers(len(SKINS))]) + rng.integers(-14, 15))
    hand(brush, sign, skin, rng)
    sleeve = tuple(int(level) for level in rng.integers(20, 236, 3))
    cuff = rng.integers(75, 150) / 100
    brush.strokes([([(0.0, cuff + 0.3), (0.0, 4.0)], 0.34)], sleeve)
    return in_light(canvas, FINE, rng, light=(60, 126), noise=10)


def hand(brush: Brush, sign: str, skin: Colour, rng: np.random.Generator) -> None:
    """Draw a hand whose palm faces the viewer: first stretched fingers, then the palm, bent fingers, and the thumb."""
    palm: list[tuple[Points, float]] = [
        ([wrist, knuckle], radius + 0.06) for wrist, knuckle, radius in zip(WRIST, KNUCKLES, RADII, strict=True)
    ]
    palm.append(([(0.0, 0.5), (0.0, 4.0)], 0.26))
    bent: list[tuple[Points, float]] = []
    spread = rng.integers(60, 170) / 100
    for place, finger in enumerate(FINGERS):
        knuckle, radius = KNUCKLES[place], RADII[place]
        if finger in STRETCHED[sign]:
            brush.strokes([(stretched(place, spread, rng), radius)], skin)
        elif sign == "0":
            bent.append(([knuckle, *CIRCLE[finger]], radius))
        elif THUMB[sign] == finger:
            bent.append(([knuckle, *TOUCHING[finger]], radius))
        else:  # folded into the palm
            x, y = knuckle
            bent.append(([(x, y - 0.1), (0.85 * x - 0.03, y + 0.44)], radius))
    thumb = [(-0.4, 0.26), *THUMBS[THUMB[sign]]]
    brush.strokes(palm, skin)
    for points, radius in [*reversed(bent), (thumb, 0.135)]:
        shaken = np.array(points) + np.concatenate([np.zeros((1, 2)), rng.integers(-6, 7, (len(points) - 1, 2)) / 100])
        brush.strokes([(shaken, radius)], tint(skin, int(rng.integers(-12, 13))))


def stretched(place: int, spread: float, rng: np.random.Generator) -> Points:
    """The joints of a stretched finger, which is never quite straight."""
    (x, y), length = KNUCKLES[place], LENGTHS[place] * rng.integers(78, 108) / 100
    angle = ANGLES[place] * spread + rng.integers(-8, 9)
    joints = [(x, y)]
    for share in (0.5, 0.28, 0.22):
        turn = np.deg2rad(angle)
        x, y = x + share * length * np.sin(turn), y - share * length * np.cos(turn)
        joints.append((x, y))
        angle += rng.integers(-10, 11)
    return joints


@dataclass(frozen=True, slots=True)
class Brush:
    """Draws on an image in the hand's coordinates."""

    image: Image.Image
    matrix: Array  # (2, 2): rotation and size
    place: Array  # (2,), subpixels
    scale: float  # subpixels to a unit

    @classmethod
    def random(cls, image: Image.Image, rng: np.random.Generator) -> Brush:
        """A view of a right hand: rotated by up to 25 degrees, and turned a little to the side."""
        angle = np.deg2rad(rng.integers(-25, 26))
        rotation = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        side = np.diag([rng.integers(75, 101) / 100, 1])
        scale = float(rng.integers(75, 101))
        place = np.array([SIZE // 2, SIZE * 5 // 8]) * FINE + rng.integers(-24, 25, 2)
        return cls(image, side @ rotation * scale, place, scale)

    def strokes(self, strokes: Sequence[tuple[Points | Array, float]], colour: Colour) -> None:
        """Draw thick lines with round ends, (points, radius), that share one dark edge."""
        draw = ImageDraw.Draw(self.image)
        for edge, fill in ((0.035, tint(colour, -60)), (0.0, colour)):
            for points, radius in strokes:
                corners = np.rint(np.asarray(points) @ self.matrix + self.place).astype(int)
                thick = round((radius + edge) * self.scale)
                draw.line(corners.ravel().tolist(), fill=fill, width=2 * thick, joint="curve")
                for x, y in (corners[0], corners[-1]):
                    draw.ellipse((x - thick, y - thick, x + thick, y + thick), fill=fill)


def background(rng: np.random.Generator) -> Image.Image:
    """Out of focus, two surfaces, and up to two things on them, some of the colour of skin: (256, 256)."""
    one, other = rng.integers(40, 226, (2, 1)) + rng.integers(-40, 41, (2, 3))
    border = np.arange(8)[:, None, None] < rng.integers(0, 9)
    spots = np.where(border, one, other) + rng.integers(-24, 25, (8, 8, 1)) + rng.integers(-10, 11, (8, 8, 3))
    canvas = out_of_focus(spots, SIZE, FINE)
    draw = ImageDraw.Draw(canvas)
    for _ in range(rng.integers(3)):
        colour = SKINS[rng.integers(len(SKINS))] if rng.integers(2) else tuple(map(int, rng.integers(20, 236, 3)))
        draw.line(rng.integers(0, SIZE * FINE, 4).tolist(), fill=colour, width=int(rng.integers(8, 40)))
    return canvas

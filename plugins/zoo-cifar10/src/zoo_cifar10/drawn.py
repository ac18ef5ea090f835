"""Ten drawn shapes, 32x32: neither colour nor place tells the class, only the outline does.

A dense net has to learn every outline at every place anew; a convolution learns it once. Drawn from a seed, so they are
here without a download and the same everywhere: random draws are whole numbers, and edges end on whole subpixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from zoo_core import Context, Signature, UnknownSplitError

CLASSES = ("arrow", "bolt", "circle", "crescent", "cross", "heart", "ring", "square", "star", "triangle")
SIZE = 32  # pixels a side
FINE = 4  # subpixels a pixel: outlines are drawn larger and reduced, which smooths their edges
INK, PAPER = 255, 0

Array = np.ndarray[Any, Any]
Outline = list[tuple[Array, int]]  # polygons (n, 2), drawn one over the other with ink or, for a hole, with paper


class Shapes:
    """One shape a picture: x uint8 (n, 3, 32, 32), RGB; y int64 (n,). Every class equally often.

    There is no val split of its own: the framework holds out a part of train.
    """

    signature = Signature(input_shape=(3, SIZE, SIZE), outputs=len(CLASSES), classes=CLASSES)
    sizes = {"train": 6000, "test": 2000}

    def __init__(self, ctx: Context) -> None:
        pass

    def load(self, split: str) -> dict[str, Array]:
        if split not in self.sizes:
            raise UnknownSplitError(f"the shapes have no split {split!r}, only {' and '.join(self.sizes)}")
        seed = list(self.sizes).index(split)
        shapes = outlines()
        labels = np.arange(self.sizes[split], dtype=np.int64) % len(CLASSES)
        # A generator for each picture: a picture does not depend on how many were drawn before it.
        pictures = [picture(shapes[CLASSES[y]], np.random.default_rng([seed, n])) for n, y in enumerate(labels)]
        return {"x": np.stack(pictures).transpose(0, 3, 1, 2).copy(), "y": labels}


def picture(outline: Outline, rng: np.random.Generator) -> Array:
    """The outline in one colour on another, both uneven: uint8 (32, 32, 3)."""
    ground, *candidates = rng.integers(30, 226, (5, 3))
    # Of four colours the farthest from the ground's: always visible, and light on dark as often as dark on light.
    colour = max(candidates, key=lambda candidate: int(np.abs(candidate - ground).sum()))
    cover = mask(outline, rng).astype(np.int64)[..., None]  # (32, 32, 1), 0 to 255
    mixed = (cover * texture(colour, rng) + (255 - cover) * texture(ground, rng)) // 255
    noise = rng.integers(-9, 10, mixed.shape)
    return (mixed + noise).clip(0, 255).astype(np.uint8)


def mask(outline: Outline, rng: np.random.Generator) -> Array:
    """Where the shape covers the picture, uint8 (32, 32): placed, sized and turned at random, always whole."""
    side = SIZE * FINE
    radius = int(rng.integers(side * 7 // 32, side * 11 // 32))
    centre = rng.integers(radius, side - radius, 2)
    angle = np.deg2rad(rng.integers(-25, 26))  # little enough that an arrow still points to the right
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    image = Image.new("L", (side, side), PAPER)
    draw = ImageDraw.Draw(image)
    for points, ink in outline:
        corners = np.rint(points @ turn * radius + centre).astype(int)
        draw.polygon([(int(x), int(y)) for x, y in corners], fill=ink)
    return np.asarray(image.reduce(FINE))


def texture(colour: Array, rng: np.random.Generator) -> Array:
    """A surface of this colour with smooth or with fine spots, int64 (32, 32, 3)."""
    cells = int(rng.integers(2, 9))
    spots = (colour + rng.integers(-35, 36, (cells, cells, 3))).clip(0, 255).astype(np.uint8)
    return np.asarray(Image.fromarray(spots).resize((SIZE, SIZE), Image.Resampling.BICUBIC)).astype(np.int64)


def outlines() -> dict[str, Outline]:
    """Every class's outline within the unit circle, x to the right and y down."""
    disc, star = polar(np.ones(40)), polar(np.tile([1.0, 0.42], 5))
    t = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    wave = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
    heart = np.stack([16 * np.sin(t) ** 3, -wave - 2.5], axis=1) / 17  # the well-known heart curve
    arrow = [(-1, -0.3), (0.1, -0.3), (0.1, -0.8), (1, 0), (0.1, 0.8), (0.1, 0.3), (-1, 0.3)]
    bolt = [(0.1, -1), (-0.6, 0.2), (-0.1, 0.2), (-0.35, 1), (0.6, -0.3), (0.1, -0.3), (0.5, -1)]
    a, b = 0.32, 0.95  # half the width of the cross's beams, and half their length
    cross = [(-a, -b), (a, -b), (a, -a), (b, -a), (b, a), (a, a), (a, b), (-a, b), (-a, a), (-b, a), (-b, -a), (-a, -a)]
    return {
        "arrow": [(np.array(arrow), INK)],
        "bolt": [(np.array(bolt), INK)],
        "circle": [(disc * 0.85, INK)],
        "crescent": [(disc, INK), (disc * 0.85 + [0.45, 0], PAPER)],
        "cross": [(np.array(cross), INK)],
        "heart": [(heart, INK)],
        "ring": [(disc, INK), (disc * 0.55, PAPER)],
        "square": [(polar(np.ones(4), turned=0.125), INK)],
        "star": [(star, INK)],
        "triangle": [(polar(np.ones(3)), INK)],
    }


def polar(radii: Array, turned: float = 0.0) -> Array:
    """Points (n, 2) at these distances around the centre, the first at the top; turned in whole turns."""
    angles = (np.arange(len(radii)) / len(radii) + turned) * 2 * np.pi
    return np.stack([np.sin(angles), -np.cos(angles)], axis=1) * radii[:, None]

"""Drawn glyphs: invented alphabets, whose characters share strokes, in many hands. Offline, the same everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from PIL import Image, ImageDraw

from zoo_core import Context, Signature, UnknownSplitError
from zoo_core.data.columns import Array
from zoo_metric_learning.classes import chance_recall
from zoo_metric_learning.datasets import EMBEDDING, GLYPH, QUARTERS

SIDE = 35  # pixels
OVERSAMPLING = 4  # a glyph is drawn this many times larger, then reduced
STROKES, CURVE_POINTS = 7, 12  # of an alphabet, and on each stroke
WHITE = 255


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """The size of a split: alphabets, characters in each, hands that draw each character."""

    alphabets: int
    characters: int
    hands: int

    @property
    def images(self) -> int:
        return self.alphabets * self.characters * self.hands


class DrawnGlyphs:
    """Glyphs: x uint8 (n, 1, 35, 35), black on white; label and group int64 (n,): character and alphabet.

    Every split has alphabets of its own. The rows of a split are in a random order, which is always the same.
    """

    sizes: ClassVar[dict[str, Size]] = {
        "train": Size(alphabets=6, characters=12, hands=14),
        "val": Size(alphabets=2, characters=12, hands=10),
        "test": Size(alphabets=3, characters=12, hands=12),
    }

    def __init__(self, ctx: Context) -> None:
        train, test = self.sizes["train"], self.sizes["test"]
        self.signature = Signature(
            input_shape=GLYPH.input_shape,
            outputs=EMBEDDING,
            extra={
                "turns": QUARTERS,
                "train_classes": train.alphabets * train.characters * QUARTERS,
                "chance": {"recall_at_1": chance_recall([test.hands] * (test.alphabets * test.characters))},
            },
        )

    def load(self, split: str) -> dict[str, Array]:
        if split not in self.sizes:
            raise UnknownSplitError(f"the drawn glyphs have no split {split!r}, only {', '.join(self.sizes)}")
        number, size = [*self.sizes].index(split), self.sizes[split]
        images: list[list[Array]] = []
        groups: list[int] = []
        for alphabet in range(size.alphabets):
            for strokes in invent_alphabet(np.random.default_rng([number, alphabet]), size.characters):
                # A generator for each hand: a picture does not depend on how many were drawn before it.
                seeds = [[number, len(images), hand] for hand in range(size.hands)]
                images.append([draw(strokes, np.random.default_rng(seed)) for seed in seeds])
                groups.append(alphabet)
        order = np.random.default_rng(number).permutation(size.images)
        return {
            "x": np.asarray(images, np.uint8).reshape(-1, 1, SIDE, SIDE)[order],
            "label": np.repeat(np.arange(len(images)), size.hands)[order],
            "group": np.repeat(np.asarray(groups, np.int64), size.hands)[order],
        }


def invent_alphabet(rng: np.random.Generator, characters: int) -> list[Array]:
    """Invent characters of two or three strokes each: (strokes, 4, 2), control points of cubic curves in [-1, 1].

    The strokes come from one small set, a little moved, so that characters of an alphabet are alike.
    """
    begins, ends = rng.uniform(-0.8, 0.8, (2, STROKES, 1, 2))
    bends = rng.uniform(-0.7, 0.7, (STROKES, 2, 2))
    shares = np.array([1 / 3, 2 / 3])[None, :, None]
    set_of_strokes = np.concatenate([begins, begins + shares * (ends - begins) + bends, ends], 1)
    found: dict[tuple[int, ...], Array] = {}
    while len(found) < characters:
        chosen = tuple(sorted(rng.choice(STROKES, rng.integers(2, 4), replace=False).tolist()))
        moves = rng.uniform(-0.25, 0.25, (len(chosen), 1, 2))
        found.setdefault(chosen, _fill_box(set_of_strokes[list(chosen)] + moves))
    return list(found.values())


def _fill_box(strokes: Array) -> Array:
    """Move a character to the middle, and scale it so that its longer side goes from -0.8 to 0.8."""
    low, high = strokes.min((0, 1)), strokes.max((0, 1))
    filled: Array = (strokes - (low + high) / 2) * (1.6 / (high - low).max())
    return filled


def draw(strokes: Array, rng: np.random.Generator) -> Array:
    """Draw a character in a hand of its own: uint8 (35, 35). Hands differ in slant, size, place, pen and care."""
    control = strokes + rng.normal(0, 0.11, strokes.shape) + rng.normal(0, 0.09, (len(strokes), 1, 2))
    angle, slant = rng.normal(0, 0.16), rng.normal(0, 0.2)
    width, height = rng.uniform(0.6, 1.0, 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    control = control @ (turn @ np.array([[width, slant], [0, height]])).T + rng.normal(0, 0.08, 2)
    share = np.linspace(0, 1, CURVE_POINTS)[:, None]
    bernstein = [(1 - share) ** 3, 3 * share * (1 - share) ** 2, 3 * share**2 * (1 - share), share**3]
    curves = sum(weight * control[:, None, place] for place, weight in enumerate(bernstein))
    big, pen = SIDE * OVERSAMPLING, int(rng.integers(6, 12))
    image = Image.new("L", (big, big), WHITE)
    canvas = ImageDraw.Draw(image)
    for curve in (np.asarray(curves) * 0.45 + 0.5) * big:
        canvas.line([(float(x), float(y)) for x, y in curve], fill=0, width=pen)
    return np.asarray(image.reduce(OVERSAMPLING))

"""Drawn dogs of 70 made-up breeds, 64x64: every choice of a coat, ears and a muzzle is a breed.

No trait tells a breed alone, and what an eye sees first (the coat's colour, the collar, the light, the pose) tells
nothing: as with real breeds the small details count. Drawn from a seed: without a download, the same everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from zoo_core import Context, Signature, UnknownSplitError
from zoo_core.data.drawing import in_light, out_of_focus, tint

Array = np.ndarray[Any, Any]
Colour = tuple[int, ...]
Points = list[tuple[float, float]]

COATS = ("plain", "spotted", "patched", "saddled", "brindled", "blazed", "masked")
MUZZLES = ("pug", "hound")  # short and broad, or long and narrow
EARS: dict[str, Points] = {  # the outline of the ear at positive x; the other one is its mirror image
    "prick": [(0.2, -0.7), (0.45, -1.3), (0.75, -1.85), (0.95, -1.2), (0.95, -0.3)],
    "bat": [(0.15, -0.7), (0.2, -1.5), (0.6, -2.1), (1.2, -1.9), (1.35, -1.2), (0.95, -0.2)],
    "button": [(0.2, -0.7), (0.35, -1.2), (0.7, -1.35), (1.1, -1.2), (0.95, -0.3)],
    "drop": [(0.45, -0.95), (1.0, -1.05), (1.4, -0.5), (1.4, 0.25), (1.1, 0.4), (0.85, 0.0), (0.8, -0.5)],
    "long": [(0.5, -0.9), (1.05, -0.85), (1.45, 0.2), (1.6, 1.4), (1.2, 1.8), (0.9, 1.2), (0.85, 0.0)],
}
BREEDS = tuple(product(COATS, EARS, MUZZLES))
CLASSES = tuple(f"{coat} {ears}-eared {muzzle}" for coat, ears, muzzle in BREEDS)
FLAP: Points = [(0.35, -1.15), (0.7, -1.35), (1.2, -1.2), (0.9, -0.5), (0.7, -0.45)]  # the tip of a button ear
BODY: Points = [(-0.7, 0.5), (0.7, 0.5), (1.2, 1.6), (1.6, 9.0), (-1.6, 9.0), (-1.2, 1.6)]
LIGHT = ((238, 232, 222), (226, 200, 156), (206, 156, 96), (186, 178, 172), (214, 140, 84))  # white to fox red
DARK = ((44, 40, 42), (84, 54, 38), (118, 62, 34), (72, 76, 86))  # black, chocolate, mahogany, slate
CIRCLE = np.stack([np.cos(np.arange(28) * np.pi / 14), np.sin(np.arange(28) * np.pi / 14)], axis=1)
SIZE, FINE = 64, 4  # pixels a side; subpixels a pixel, for smooth edges


class DrawnDogs:
    """One dog a picture: x uint8 (n, 3, 64, 64), RGB; y int64 (n,). Every breed equally often."""

    signature = Signature(input_shape=(3, SIZE, SIZE), outputs=len(CLASSES), classes=CLASSES)
    sizes = {"train": 40, "val": 8, "test": 12}  # pictures a breed

    def __init__(self, ctx: Context) -> None:
        pass

    def load(self, split: str) -> dict[str, Array]:
        if split not in self.sizes:
            raise UnknownSplitError(f"the drawn dogs have no split {split!r}, only {', '.join(self.sizes)}")
        seed = list(self.sizes).index(split)
        labels = np.tile(np.arange(len(BREEDS), dtype=np.int64), self.sizes[split])
        # A generator for each picture: a picture does not depend on how many were drawn before it.
        pictures = [picture(BREEDS[y], np.random.default_rng([seed, n])) for n, y in enumerate(labels)]
        return {"x": np.stack(pictures).transpose(0, 3, 1, 2).copy(), "y": labels}


def picture(breed: tuple[str, str, str], rng: np.random.Generator) -> Array:
    """A dog before a background, in some light: uint8 (64, 64, 3)."""
    coat, ears, muzzle = breed
    canvas = background(rng)
    pose = Pose.random(rng)
    base: Colour = LIGHT[rng.integers(len(LIGHT))]
    ink: Colour = DARK[rng.integers(len(DARK))]
    if coat == "blazed" or (coat == "plain" and rng.integers(2)):
        base, ink = ink, base
    share = int(rng.integers(30, 96))  # percent: some dogs' pattern is faint
    ink = tuple((share * b + (100 - share) * a) // 100 for a, b in zip(base, ink, strict=True))
    fur = Image.new("RGB", canvas.size, base)
    mark(Brush(fur, pose), coat, ink, rng)
    dog(Brush(canvas, pose), fur, ears, muzzle, ink if coat in ("masked", "blazed") else tint(base, 12), rng)
    return in_light(canvas, FINE, rng, light=(70, 121), noise=8)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pose:
    """How the dog's coordinates (a head of radius 1 at the origin, y down) come to lie on the canvas."""

    matrix: Array  # (2, 2): tilt, mirroring and scale
    scale: int  # subpixels to a unit
    place: Array  # (2,), subpixels
    turn: float  # of the head to a side: moves what lies in front of the head's middle against what lies behind

    @classmethod
    def random(cls, rng: np.random.Generator) -> Pose:
        angle = np.deg2rad(rng.integers(-28, 29))
        tilt = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        mirror = np.diag([rng.choice([-1, 1]), 1])
        scale = rng.integers(28, 57)  # the head's radius in subpixels
        place = np.array([SIZE // 2, SIZE * 17 // 32]) * FINE + rng.integers(-34, 35, 2)
        return cls(matrix=mirror @ tilt * scale, scale=int(scale), place=place, turn=rng.integers(-45, 46) / 100)

    def points(self, points: Points | Array, depth: float) -> list[int]:
        """These points on the canvas as x, y, x, y, ...; depth is their distance in front of the head's middle."""
        sideways = np.array([self.turn * depth, 0])
        moved = (points + sideways) @ self.matrix + self.place
        corners: list[int] = np.rint(moved).astype(int).ravel().tolist()
        return corners


@dataclass(frozen=True, slots=True)
class Brush:
    """Draws on an image in the dog's coordinates."""

    image: Image.Image
    pose: Pose

    def shape(self, points: Points | Array, fill: Colour | Image.Image, depth: float = 0.0) -> None:
        """A polygon in a colour, or cut out of another image and then with a dark edge."""
        corners = self.pose.points(points, depth)
        if isinstance(fill, Image.Image):
            mask = Image.new("1", self.image.size)
            ImageDraw.Draw(mask).polygon(corners, fill=1)
            self.image.paste(fill, mask=mask)
            ImageDraw.Draw(self.image).line(corners + corners[:2], fill=(30, 24, 24), width=3)
        else:
            ImageDraw.Draw(self.image).polygon(corners, fill=fill)

    def blob(self, x: float, y: float, rx: float, ry: float, fill: Colour | Image.Image, depth: float = 0.0) -> None:
        self.shape(CIRCLE * [rx, ry] + [x, y], fill, depth)

    def line(self, points: Points, fill: Colour, width: float, depth: float = 0.0) -> None:
        thick = max(1, round(width * self.pose.scale))
        ImageDraw.Draw(self.image).line(self.pose.points(points, depth), fill=fill, width=thick, joint="curve")


def dog(brush: Brush, fur: Image.Image, ears: str, muzzle: str, snout: Colour, rng: np.random.Generator) -> None:
    """The dog from back to front, its parts cut out of the fur."""
    brush.shape(smooth(BODY), fur)
    collar = tuple(int(level) for level in rng.integers(30, 240, 3))
    brush.line([(-0.85, 1.0), (0.0, 1.25), (0.85, 1.0)], collar, 0.28)
    width = 1.0 if muzzle == "pug" else 0.86
    hanging = ears in ("drop", "long")  # in front of the head; the others stand behind it
    if hanging:
        brush.blob(0, 0, width, 1.0, fur)
    # Ears differ from dog to dog: each corner a little elsewhere, or the kinds would be told from any one pixel.
    ear = smooth(np.array(EARS[ears]) + rng.integers(-12, 13, (len(EARS[ears]), 2)) / 100)
    for side in (-1, 1):
        outline = ear * [side, 1]
        brush.shape(outline, fur, depth=-0.3)
        if ears in ("prick", "bat"):
            middle = outline.mean(axis=0)
            brush.shape((outline - middle) * 0.55 + middle, (214, 150, 140), depth=-0.3)
    if not hanging:
        brush.blob(0, 0, width, 1.0, fur)
    if ears == "button":
        for side in (-1, 1):
            brush.shape(smooth(FLAP) * [side, 1], fur, depth=-0.1)
    face(brush, muzzle, snout, tongue=bool(rng.integers(2)))


def face(brush: Brush, muzzle: str, snout: Colour, *, tongue: bool) -> None:
    """Muzzle, nose, mouth and eyes."""
    black, long = (24, 20, 22), muzzle == "hound"
    chin, tip, front = (1.0, 0.82, 1.5) if long else (0.62, 0.2, 1.0)
    if tongue:
        brush.blob(0, chin + 0.2, 0.17, 0.3, (224, 110, 120), front)
    if long:
        for step in np.linspace(0, 1, 6):  # from between the eyes to the nose
            brush.blob(0, 0.1 + 0.75 * step, 0.32 - 0.02 * step, 0.36, snout, 0.7 + 0.8 * step)
    else:
        for x in (-0.3, 0.3):
            brush.blob(x, 0.42, 0.42, 0.36, snout, front)
        brush.line([(-0.35, -0.02), (0.0, -0.1), (0.35, -0.02)], tint(snout, -60), 0.08, front)  # a wrinkle
    brush.line([(0, tip), (0, chin - 0.1)], black, 0.08, front)
    brush.line(
        [(-0.32, chin - 0.12), (-0.12, chin), (0, chin - 0.1), (0.12, chin), (0.32, chin - 0.12)], black, 0.08, front
    )
    brush.blob(0, tip, 0.22, 0.16, black, front + 0.1)
    brush.blob(-0.06, tip - 0.06, 0.06, 0.04, (150, 145, 145), front + 0.1)
    for x in (-1, 1):
        x *= 0.4 if long else 0.5
        brush.blob(x, -0.25, 0.19, 0.2, tint(snout, -70), 0.7)
        brush.blob(x, -0.25, 0.15, 0.16, (46, 28, 20), 0.7)
        brush.blob(x - 0.04, -0.31, 0.05, 0.05, (250, 250, 250), 0.7)


def mark(brush: Brush, coat: str, ink: Colour, rng: np.random.Generator) -> None:
    """The coat's pattern on a fur of one colour; no two dogs of a breed have it in the same place."""
    by = rng.integers(-20, 21, 2) / 100
    match coat:
        case "spotted":
            for x, y, radius in rng.integers([-160, -190, 7], [161, 260, 19], (rng.integers(25, 60), 3)) / 100:
                brush.blob(x, y, radius, radius, ink)
        case "patched":
            brush.blob(0.75 + by[0], -0.4 + by[1], 0.7, 0.8, ink, 0.3)  # an eye, and often its ear
            brush.blob(-0.9 + by[0], 2.2, 0.8, 0.8, ink)
        case "saddled":
            half = [(0.0, -0.15), (0.25, -0.5), (0.75, -0.4), (0.95, 0.3), (3.0, 3.0), (3.0, -3.0)]
            cap = [*half, *[(-x, y) for x, y in reversed(half)]]
            brush.shape([(x, y + by[1]) for x, y in cap], ink, 0.3)
        case "brindled":
            for y in np.arange(-2.4, 3.4, 0.3) + by[1]:
                bend = rng.integers(10, 60) / 100
                brush.line([(-1.8, y + bend), (0, y), (1.8, y + bend)], ink, 0.1)
        case "blazed":
            brush.shape([(-0.1, -1), (0.1, -1), (0.2, -0.2), (0.6, 0.7), (-0.6, 0.7), (-0.2, -0.2)], ink, 0.7)
            brush.blob(by[0], 1.9, 0.6, 0.9, ink)
        case "masked":
            for x, y, radius in ((-0.45, -0.2, 0.42), (0.45, -0.2, 0.42), (0, 0.35, 0.65)):
                brush.blob(x, y, radius + by[0] / 2, radius + by[0] / 2, ink, 0.7)


def background(rng: np.random.Generator) -> Image.Image:
    """Out of focus, a wall or sky above a floor or meadow: (256, 256)."""
    above, below = rng.integers(60, 206, (2, 1)) + rng.integers(-40, 41, (2, 3))
    rows = np.where(np.arange(8)[:, None, None] < rng.integers(3, 8), above, below)  # (8, 1, 3)
    spots = rows + rng.integers(-22, 23, (8, 8, 1)) + rng.integers(-10, 11, (8, 8, 3))
    return out_of_focus(spots, SIZE, FINE)


def smooth(points: Points | Array) -> Array:
    """A closed outline with its corners cut twice (Chaikin's curve), (4 n, 2)."""
    corners = np.asarray(points)
    for _ in range(2):
        following = np.roll(corners, -1, axis=0)
        corners = np.stack([0.75 * corners + 0.25 * following, 0.25 * corners + 0.75 * following], axis=1).reshape(
            -1, 2
        )
    return corners

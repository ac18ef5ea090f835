"""A drawn picture that knows which of its pixels show which object, and so the exact box of each."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from zoo_core.data.columns import Array
from zoo_detection.canvas import Objects
from zoo_detection.datasets import DRAWN

Points: TypeAlias = Array | Sequence[tuple[float, float]]
Colour: TypeAlias = Any  # three levels, also beyond 0 and 255

FINE = 3  # subpixels a pixel, for smooth edges
SIZE = DRAWN[0]  # pixels a side
# Of an object in sight: below the first share it has no box, below the second it counts as crowd.
LEAST_SHARE, CROWD_SHARE = 0.15, 0.5
CIRCLE = np.stack([np.cos(np.arange(24) * np.pi / 12), np.sin(np.arange(24) * np.pi / 12)], axis=1)
BOX = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])


@dataclass(frozen=True, kw_only=True, slots=True)
class Pose:
    """How the coordinates of a thing, y down, come to lie on the picture.

    middle: (2,), in pixels. scale: pixels a unit, across and down. tilt: radians.
    """

    middle: Sequence[float]
    scale: tuple[float, float]
    tilt: float = 0.0

    def place(self, points: Points) -> list[float]:
        """Return the points in subpixels, whole numbers, as x, y, x, y, ..."""
        (across, down), cos, sin = self.scale, math.cos(self.tilt), math.sin(self.tilt)
        turned = np.array([[across * cos, across * sin], [-down * sin, down * cos]])
        corners: list[float] = np.rint((points @ turned + self.middle) * FINE).ravel().tolist()
        return corners


class Scene:
    """A picture in subpixels, and for each subpixel the number of the object it shows, 0 for none."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self._image, self._owner = (Image.new(mode, (SIZE * FINE, SIZE * FINE)) for mode in ("RGB", "L"))
        self._on_image, self._on_owner = ImageDraw.Draw(self._image), ImageDraw.Draw(self._owner)
        self._number = 0
        self._objects: list[tuple[int, int]] = []  # label, and the subpixels that were drawn

    @contextlib.contextmanager
    def of_class(self, label: int) -> Iterator[None]:
        """Make all that is drawn in the block one object. What is drawn later may hide it."""
        self._number = len(self._objects) + 1
        yield
        self._objects.append((label, self._owner.histogram()[self._number]))
        self._number = 0

    def polygon(self, pose: Pose, points: Points, colour: Colour) -> None:
        corners = pose.place(points)
        self._on_image.polygon(corners, fill=to_levels(colour))
        self._on_owner.polygon(corners, fill=self._number)

    def blob(self, pose: Pose, middle: tuple[float, float], radii: tuple[float, float], colour: Colour) -> None:
        """Draw an ellipse; middle and radii in the coordinates of the pose."""
        self.polygon(pose, CIRCLE * radii + middle, colour)

    def bar(self, pose: Pose, middle: tuple[float, float], radii: tuple[float, float], colour: Colour) -> None:
        """Draw a rectangle; radii are half its sides."""
        self.polygon(pose, BOX * radii + middle, colour)

    def render(self, *, light: Light) -> tuple[Array, Objects]:
        """Return the picture under a light, uint8 (128, 128, 3), and its objects."""
        return light.shine_on(self._image, self.rng), self._find_objects()

    def _find_objects(self) -> Objects:
        boxes, labels, crowd = [], [], []
        in_sight = self._owner.histogram()
        for number, (label, drawn) in enumerate(self._objects, 1):
            if in_sight[number] <= LEAST_SHARE * drawn:
                continue
            boxes.append(self._owner.point([255 * (owner == number) for owner in range(256)]).getbbox())
            labels.append(label)
            crowd.append(in_sight[number] < CROWD_SHARE * drawn)
        return Objects(
            boxes=np.array(boxes, np.float64).reshape(-1, 4) / FINE,
            labels=np.array(labels, np.int64),
            crowd=np.array(crowd, np.uint8),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Light:
    """The light of a scene and the faults of the camera.

    gains: of red, green and blue. shade: light of the darker side of the picture, a share. haze: levels added. blur:
    radius in pixels. noise: standard deviation in levels.
    """

    gains: Array
    shade: float
    haze: float
    blur: float
    noise: float

    @classmethod
    def random(cls, rng: np.random.Generator) -> Light:
        """Draw any light from night to a bright day."""
        return cls(
            gains=rng.uniform(0.55, 1.1) * rng.uniform(0.88, 1.12, 3),
            shade=rng.uniform(0.65, 1.0),
            haze=rng.uniform(0, 25),
            blur=rng.uniform(0.2, 0.7),
            noise=rng.uniform(2, 7),
        )

    def shine_on(self, image: Image.Image, rng: np.random.Generator) -> Array:
        """Return the picture in pixels as the camera sees it, uint8 (128, 128, 3)."""
        soft = image.reduce(FINE).filter(ImageFilter.GaussianBlur(self.blur))
        slope = np.linspace(self.shade, 1.0, SIZE)[:: rng.choice([-1, 1])]
        shades = slope[:, None, None] if rng.integers(2) else slope[None, :, None]
        lit = np.asarray(soft) * shades * self.gains + self.haze + rng.normal(0, self.noise, (SIZE, SIZE, 1))
        return lit.clip(0, 255).astype(np.uint8)


def to_levels(colour: Colour) -> tuple[int, int, int]:
    """Return a colour as Pillow takes it, its levels limited to 0 and 255."""
    red, green, blue = (min(max(int(level), 0), 255) for level in colour)
    return red, green, blue


def any_colour(rng: np.random.Generator, low: int = 30, high: int = 226) -> Array:
    return rng.integers(low, high, 3)

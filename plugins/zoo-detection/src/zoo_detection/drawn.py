"""Drawn scenes with boxes that are known exactly: roads with signs, and cats and dogs. Offline, the same everywhere."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from zoo_core import Context, UnknownSplitError
from zoo_core.data.columns import Array, Column
from zoo_detection.canvas import Objects, to_columns
from zoo_detection.datasets import DRAWN, DRAWN_HEADS, DRAWN_SIGNS
from zoo_detection.drawn_animals import draw_animals
from zoo_detection.drawn_roads import draw_road


class DrawnRoads:
    """Roads with signs, 128x128, in the columns of `zoo_detection.canvas.to_columns`.

    A sign of which less than half is in sight counts as crowd. Signs of other kinds have no box.
    """

    signature = DRAWN_SIGNS
    sizes: ClassVar[dict[str, int]] = {"train": 300, "val": 50, "test": 100}

    def __init__(self, ctx: Context) -> None:
        pass

    def draw(self, rng: np.random.Generator) -> tuple[Array, Objects]:
        """Draw one scene: the picture, uint8 (128, 128, 3), and its objects."""
        return draw_road(rng)

    def load(self, split: str) -> dict[str, Column]:
        if split not in self.sizes:
            raise UnknownSplitError(f"the drawn scenes have no split {split!r}, only {', '.join(self.sizes)}")
        # A generator for each picture: a picture does not depend on how many were drawn before it.
        seeds = [[list(self.sizes).index(split), number] for number in range(self.sizes[split])]
        scenes = [self.draw(np.random.default_rng(seed)) for seed in seeds]
        x = np.stack([pixels for pixels, _ in scenes]).transpose(0, 3, 1, 2).copy()
        return to_columns(x, np.tile(DRAWN, (len(x), 1)), [objects for _, objects in scenes])


class DrawnAnimals(DrawnRoads):
    """Cats and dogs, 128x128: boxes of the heads, in the columns of `zoo_detection.canvas.to_columns`.

    A head of which less than half is in sight counts as crowd. Rabbits and bears have no box.
    """

    signature = DRAWN_HEADS

    def draw(self, rng: np.random.Generator) -> tuple[Array, Objects]:
        return draw_animals(rng)

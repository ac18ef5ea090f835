"""Drawn pictures with masks: cells under a microscope, and streets seen from a car. Offline, the same on every machine.

A threshold solves neither: the cells contain blobs as dark as the membranes, and in the streets every class has many
colours, under any light.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from zoo_core import Context, Signature, UnknownSplitError

Array = np.ndarray[Any, Any]

CELLS = 128  # pixels a side
STREET = (96, 128)
STREET_CLASSES = ("sky", "building", "road", "pavement", "tree", "car", "person", "pole")
SKY, BUILDING, ROAD, PAVEMENT, TREE, CAR, PERSON, POLE = range(len(STREET_CLASSES))
IGNORED = 255
FIRST_TEST_SEED = 10_000  # the first of test; a picture's number is its seed


class DrawnCells:
    """Cells: x uint8 (n, 1, 128, 128); y uint8 (n, 128, 128): 0 cell, 1 membrane. There is no val split."""

    signature = Signature(
        input_shape=(1, CELLS, CELLS),
        outputs=2,
        classes=("cell", "membrane"),
        extra={"positive": 1, "chance": {"dice": 0.42}},
    )
    counts: ClassVar[dict[str, int]] = {"train": 40, "test": 10}

    def __init__(self, ctx: Context) -> None:
        pass

    def load(self, split: str) -> dict[str, Array]:
        drawn = [cells(np.random.default_rng(seed)) for seed in split_seeds(split, self.counts)]
        return {"x": np.stack([x for x, _ in drawn])[:, None], "y": np.stack([y for _, y in drawn])}


class DrawnStreets:
    """Streets: x uint8 (n, 3, 96, 128), RGB; y uint8 (n, 96, 128), eight classes; edges (255) are ignored."""

    signature = Signature(
        input_shape=(3, *STREET),
        outputs=len(STREET_CLASSES),
        classes=STREET_CLASSES,
        extra={"ignore_index": IGNORED, "chance": {"mean_iou": 0.07}},
    )
    counts: ClassVar[dict[str, int]] = {"train": 80, "test": 20}

    def __init__(self, ctx: Context) -> None:
        pass

    def load(self, split: str) -> dict[str, Array]:
        drawn = [street(np.random.default_rng(seed)) for seed in split_seeds(split, self.counts)]
        return {"x": np.stack([x for x, _ in drawn]).transpose(0, 3, 1, 2).copy(), "y": np.stack([y for _, y in drawn])}


def split_seeds(split: str, counts: dict[str, int]) -> range:
    """Return the seeds of a split, one per picture. Raises UnknownSplitError."""
    if split not in counts:
        raise UnknownSplitError(f"the drawn pictures have no split {split!r}, only {' and '.join(counts)}")
    first = FIRST_TEST_SEED if split == "test" else 0
    return range(first, first + counts[split])


def smooth(rng: np.random.Generator, size: tuple[int, int], grain: int) -> Array:
    """Draw smooth noise with spots of about `grain` pixels: float64 of `size`, from -1 to 1."""
    coarse = rng.integers(0, 256, (size[0] // grain + 2, size[1] // grain + 2), dtype=np.uint8)
    fine = Image.fromarray(coarse).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    return np.asarray(fine) / 127.5 - 1


def cells(rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw cells with dark membranes, vesicles and noise: image and mask, (128, 128)."""
    size = (CELLS, CELLS)
    rows, columns = np.mgrid[:CELLS, :CELLS].astype(np.float64)
    rows, columns = rows + 5 * smooth(rng, size, 12), columns + 5 * smooth(rng, size, 12)
    middles = rng.integers(-8, CELLS + 8, (int(rng.integers(22, 42)), 2))
    distances = np.sqrt((rows[..., None] - middles[:, 0]) ** 2 + (columns[..., None] - middles[:, 1]) ** 2)
    owner = distances.argmin(axis=2)
    nearest = np.partition(distances, 1, axis=2)
    mask = nearest[..., 1] - nearest[..., 0] < rng.integers(20, 34) / 10
    level = rng.integers(105, 205, len(middles))[owner] + 14 * smooth(rng, size, 9)
    level = np.where(mask, rng.integers(50, 90) + 25 * smooth(rng, size, 10), level) + 35 * smooth(rng, size, 45)
    image = Image.fromarray(level.clip(0, 255).astype(np.uint8))
    vesicles(image, rng, mask)
    blurred = np.asarray(image.filter(ImageFilter.GaussianBlur(1))).astype(np.int64)
    noisy = (blurred - 128) * rng.integers(70, 121) // 100 + 128 + rng.normal(0, 22, size).astype(np.int64)
    return noisy.clip(0, 255).astype(np.uint8), mask.astype(np.uint8)


def vesicles(image: Image.Image, rng: np.random.Generator, mask: Array) -> None:
    """Draw blobs and rings inside the cells, as dark as membranes, but of class cell."""
    draw = ImageDraw.Draw(image)
    for x, y, wide, tall in rng.integers([4, 4, 2, 2], [CELLS - 4, CELLS - 4, 7, 7], (90, 4)).tolist():
        if mask[max(0, y - tall - 1) : y + tall + 2, max(0, x - wide - 1) : x + wide + 2].any():
            continue
        dark = int(rng.integers(40, 95))
        fill = dark if rng.integers(2) else None
        draw.ellipse((x - wide, y - tall, x + wide, y + tall), fill=fill, outline=dark)


class Scene:
    """A picture and its mask, drawn together."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.image = Image.new("RGB", (STREET[1], STREET[0]))
        self.mask = Image.new("L", (STREET[1], STREET[0]))
        self._on = ImageDraw.Draw(self.image), ImageDraw.Draw(self.mask)

    def put(self, form: str, points: Any, label: int, colour: Any) -> None:
        """Draw a `form` (polygon, ellipse or rectangle) of a class on the picture and on the mask."""
        red, green, blue = np.clip(colour, 0, 255).astype(int).tolist()
        getattr(self._on[0], form)(points, fill=(red, green, blue))
        getattr(self._on[1], form)(points, fill=label)

    def on_image(self, form: str, points: Any, colour: tuple[int, int, int]) -> None:
        """Draw a detail, such as a window, on the picture only."""
        getattr(self._on[0], form)(points, fill=colour)

    def any_colour(self, low: int = 40, high: int = 220) -> Array:
        return self.rng.integers(low, high, 3)


def street(rng: np.random.Generator) -> tuple[Array, Array]:
    """Draw a street under any light: image (96, 128, 3) and mask (96, 128)."""
    scene = Scene(rng)
    horizon, vanishing = int(rng.integers(34, 52)), int(rng.integers(44, 84))
    light = rng.integers(120, 240) + rng.integers(-25, 25)
    scene.put("rectangle", (0, 0, STREET[1], horizon), SKY, np.array([-45, -20, 0]) + light)
    for left in range(-10, STREET[1], 18):
        houses_and_trees(scene, left, horizon)
    ground(scene, horizon, vanishing)
    for _ in range(rng.integers(1, 4)):
        car(scene, horizon, vanishing)
    for _ in range(rng.integers(1, 5)):
        person(scene, horizon)
    for x in rng.integers(4, STREET[1] - 4, rng.integers(1, 4)).tolist():
        top, bottom = int(rng.integers(4, 20)), int(rng.integers(horizon + 8, 80))
        scene.put("rectangle", (x, top, x + 2, bottom), POLE, scene.any_colour(50, 150))
    return render(scene)


def ground(scene: Scene, horizon: int, vanishing: int) -> None:
    """Draw the pavement, and on it the road that narrows towards the horizon, with its middle line."""
    (tall, wide), rng = STREET, scene.rng
    scene.put("rectangle", (0, horizon, wide, tall), PAVEMENT, scene.any_colour(95, 165) // 2 + 70)
    left, right = int(rng.integers(-10, 30)), wide + 10 - int(rng.integers(0, 40))
    far = [(vanishing - 3, horizon), (vanishing + 3, horizon)]
    scene.put("polygon", [*far, (right, tall), (left, tall)], ROAD, rng.integers(60, 125) + rng.integers(-6, 7, 3))
    line = [(vanishing, horizon), (vanishing + 1, horizon), (wide // 2 + 3, tall), (wide // 2, tall)]
    scene.on_image("polygon", line, (215, 215, 205))


def houses_and_trees(scene: Scene, left: int, horizon: int) -> None:
    rng = scene.rng
    x = left + int(rng.integers(-5, 6))
    if rng.integers(3):
        top, right = int(rng.integers(4, horizon - 6)), x + int(rng.integers(14, 26))
        scene.put("rectangle", (x, top, right, horizon), BUILDING, scene.any_colour(60, 215))
        for window in range(x + 3, right - 3, 6):
            scene.on_image("rectangle", (window, top + 4, window + 2, top + 8), (62, 70, 84))
    else:
        top, green = int(rng.integers(8, horizon - 8)), int(rng.integers(60, 150))
        scene.put("rectangle", (x + 6, top + 8, x + 8, horizon + 2), TREE, (80, 64, 50))
        scene.put("ellipse", (x - 3, top, x + 17, top + 18), TREE, (green - 20, green, green // 2))


def car(scene: Scene, horizon: int, vanishing: int) -> None:
    """Draw a car; the lower it is in the picture, the nearer and larger."""
    rng = scene.rng
    near = int(rng.integers(6, 34))
    x = vanishing + int(rng.integers(-1, 2)) * near + int(rng.integers(-8, 9))
    half, bottom = 4 + near // 2, horizon + near + 6
    body = scene.any_colour(30, 235)
    scene.put("rectangle", (x - half, bottom - half, x + half, bottom), CAR, body)
    middle, top, third = bottom - half, bottom - 2 * half + 2, half // 2
    roof = [(x - half + 2, middle), (x - third, top), (x + third, top), (x + half - 2, middle)]
    scene.put("polygon", roof, CAR, body * 3 // 4)
    for wheel in (x - half + 2, x + half - 2):
        scene.put("ellipse", (wheel - 2, bottom - 2, wheel + 2, bottom + 2), CAR, (25, 25, 28))


def person(scene: Scene, horizon: int) -> None:
    rng = scene.rng
    feet = horizon + int(rng.integers(6, 36))
    tall, x = 10 + (feet - horizon) // 2, int(rng.integers(4, STREET[1] - 4))
    wide = max(2, tall // 6)
    scene.put("rectangle", (x - wide, feet - tall // 2, x + wide, feet), PERSON, scene.any_colour(20, 120))
    scene.put("rectangle", (x - wide, feet - tall + wide, x + wide, feet - tall // 2), PERSON, scene.any_colour())
    scene.put("ellipse", (x - wide, feet - tall - wide, x + wide, feet - tall + wide), PERSON, (200, 160, 130))


def render(scene: Scene) -> tuple[Array, Array]:
    """Add shade, light, blur and noise to the image, and mark the edges of objects in the mask as ignored."""
    rng = scene.rng
    soft = scene.image.filter(ImageFilter.GaussianBlur(float(rng.integers(3, 9)) / 10))
    blurred = np.asarray(soft).astype(np.float64)
    shade = 100 + 22 * smooth(rng, STREET, 24) + 6 * smooth(rng, STREET, 3)
    gains = rng.integers(60, 116) * rng.integers(88, 113, 3) / 100
    lit = blurred * shade[..., None] / 100 * gains / 100 + rng.integers(0, 40) + rng.normal(0, 7, blurred.shape)
    mask = np.asarray(scene.mask).copy()
    lower, right = mask[1:] != mask[:-1], mask[:, 1:] != mask[:, :-1]
    thick = (mask != PERSON) & (mask != POLE)  # thin objects consist of edges only
    edges = np.zeros(mask.shape, bool)
    edges[1:] |= lower
    edges[:, 1:] |= right
    mask[edges & thick] = IGNORED
    return lit.clip(0, 255).astype(np.uint8), mask

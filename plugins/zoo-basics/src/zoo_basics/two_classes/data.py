"""Two classes of points in the plane: four drawn sets, and any CSV file.

Columns: x float32 (n, 2), the coordinates; y int64 (n,), the class, 0 or 1.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from zoo_basics.two_classes.specs import CSV_FILE
from zoo_core import Context, DamagedDataError, Signature, UnknownSplitError
from zoo_core.data.columns import Array
from zoo_core.data.reading import read_text, shorten
from zoo_core.data.walk import find_one

SIZES = {"train": 800, "val": 400, "test": 2000}
TURN = 2 * math.pi
NEEDS = f"it must hold {CSV_FILE} with the columns x, y and label"
COLUMNS = ("x", "y", "label")
TEST_SHARE = 5  # every fifth point of a CSV file is for test, chosen by a hash of its coordinates
MAX_COORDINATE = 1e15  # larger ones would overflow as their squares are summed in float32
MIN_POINTS = 20
MAX_CELL_CHARS = 100_000

Draw = Callable[[np.random.Generator, Array], Array]  # (generator, classes (n,)) -> coordinates (n, 2)


class Drawn:
    """Points that a seeded generator draws, as many of each class; another seed for each split."""

    def __init__(self, signature: Signature, draw: Draw) -> None:
        self.signature, self._draw = signature, draw

    def load(self, split: str) -> dict[str, Array]:
        if split not in SIZES:
            raise UnknownSplitError(f"these points have no split {split!r}, only {', '.join(SIZES)}")
        classes = np.arange(SIZES[split], dtype=np.int64) % 2
        x = self._draw(np.random.default_rng(list(SIZES).index(split)), classes)
        return {"x": x.astype(np.float32), "y": classes}


def _drawn(draw: Draw) -> Callable[[Context], Drawn]:
    def make(ctx: Context) -> Drawn:
        assert ctx.dataset is not None  # the zoo opens a data set with its spec
        return Drawn(ctx.dataset.signature, draw)

    return make


def draw_spirals(rng: np.random.Generator, classes: Array) -> Array:
    """Draw two arms r = t of one and a half turns, t uniform in [0.1, 1]; the second is the first turned by half."""
    t = rng.uniform(0.1, 1.0, len(classes))
    angle = 1.5 * TURN * t + math.pi * classes
    return np.stack([t * np.cos(angle), t * np.sin(angle)], axis=1) + rng.normal(0, 0.07, (len(classes), 2))


def draw_moons(rng: np.random.Generator, classes: Array) -> Array:
    """Draw half circles of radius 1 around (0, 0) and, upside down, around (1, 0.5), with noise of std 0.25."""
    angle = rng.uniform(0, math.pi, len(classes))
    upper, lower = (np.cos(angle), np.sin(angle)), (1 - np.cos(angle), 0.5 - np.sin(angle))
    points = np.where(classes == 0, upper, lower).T
    return points + rng.normal(0, 0.25, points.shape)


def draw_circles(rng: np.random.Generator, classes: Array) -> Array:
    """Draw circles of radius 0.5 (class 1) and 1 (class 0) around (0, 0), with noise of std 0.12."""
    angle = rng.uniform(0, TURN, len(classes))
    radius = np.where(classes == 0, 1.0, 0.5)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1) + rng.normal(0, 0.12, (len(classes), 2))


def draw_xor(rng: np.random.Generator, classes: Array) -> Array:
    """Draw normal clouds of std 0.5 around (1, 1) and (-1, -1) for class 0, (1, -1) and (-1, 1) for class 1."""
    first = rng.choice([-1.0, 1.0], len(classes))
    centres = np.stack([first, np.where(classes == 0, first, -first)], axis=1)
    return centres + rng.normal(0, 0.5, centres.shape)


spirals, moons, circles, xor = (_drawn(draw) for draw in (draw_spirals, draw_moons, draw_circles, draw_xor))


class PointsCsv:
    """The points of `points.csv`: a header with x, y and label, in any order, and one point a line.

    Labels are any two values; their classes are in alphabetical order. About a fifth of the points is test, chosen by a
    hash of the coordinates, so that equal points are in one split. The zoo holds val out of train.
    Raises:
        DataUnavailableError: the file is missing, or may not be read.
        DamagedDataError: a line has not all columns, a coordinate is no finite number, there are not two labels in
            both splits, or fewer than 20 points.
    """

    def __init__(self, ctx: Context) -> None:
        self._path = find_one(ctx.folder(), CSV_FILE, NEEDS)
        rows = list(read_points(self._path))
        labels = sorted({label for _, _, label in rows})
        if len(labels) != 2:
            shown = shorten(", ".join(map(repr, labels[:5])), 200)
            raise DamagedDataError(f"{self._path} has {len(labels)} labels ({shown}): it needs exactly two")
        if len(rows) < MIN_POINTS:
            raise DamagedDataError(f"{self._path} has {len(rows)} points: it needs {MIN_POINTS} or more")
        self._x = np.array([(x, y) for x, y, _ in rows], np.float32)
        self._y = np.array([labels.index(label) for _, _, label in rows], np.int64)
        self._is_test = np.array([is_for_test(x, y) for x, y in self._x.tolist()])
        self.signature = Signature(input_shape=(2,), outputs=2, classes=(labels[0], labels[1]))

    def load(self, split: str) -> dict[str, Array]:
        if split not in ("train", "test"):
            raise UnknownSplitError(f"{CSV_FILE} has no split {split!r}")
        rows = self._is_test == (split == "test")
        if len(np.unique(self._y[rows])) != 2:
            raise DamagedDataError(f"{self._path}: {split} has not both labels: add points")
        return {"x": self._x[rows], "y": self._y[rows]}


def is_for_test(x: float, y: float) -> bool:
    """Return whether a point belongs to test: for a fifth of all points, by a hash of its coordinates."""
    return hashlib.sha256(f"{x:.9g} {y:.9g}".encode()).digest()[0] % TEST_SHARE == 0


def read_points(path: Path) -> Iterator[tuple[float, float, str]]:
    """Yield x, y and label of each line. Raises DamagedDataError, which names the line."""
    text = read_text(path, needs=NEEDS)
    reader = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        if missing := [name for name in COLUMNS if header.count(name) != 1]:
            raise DamagedDataError(
                f"{path} has no column {missing[0]!r} or several: its first line must name x,y,label"
            )
        places = [header.index(name) for name in COLUMNS]
        for cells in reader:
            if not cells:
                continue
            where = f"{path} line {reader.line_num}"
            if (longest := max(map(len, cells))) > MAX_CELL_CHARS:  # csv's own limit belongs to the whole process
                raise DamagedDataError(f"{where} cannot be read as CSV (a cell of {longest:,} characters)")
            if len(cells) != len(header):
                raise DamagedDataError(f"{where} has {len(cells)} cells, but the header has {len(header)}")
            x, y, label = (cells[place].strip() for place in places)
            if not label or not label.isprintable() or len(label) > 40:
                raise DamagedDataError(f"{where}: label {shorten(repr(label), 60)} is not a text of 1 to 40 characters")
            yield _coordinate(x, "x", where), _coordinate(y, "y", where), label
    except csv.Error as error:
        raise DamagedDataError(f"{path} line {reader.line_num} cannot be read as CSV ({error})") from error


def _coordinate(text: str, name: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not abs(value) <= MAX_COORDINATE:
        raise DamagedDataError(
            f"{where}: {name} is {shorten(repr(text), 60)}, not a number from -{MAX_COORDINATE:g} to {MAX_COORDINATE:g}"
        )
    return value

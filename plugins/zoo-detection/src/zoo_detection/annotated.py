"""Pictures with annotations of any format: which can be used, how they are split, and their columns."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import TypeAlias

import numpy as np

from zoo_core import DamagedDataError, DataUnavailableError, UnknownSplitError
from zoo_core.data.columns import Array, Column
from zoo_core.data.images import read_images
from zoo_core.data.orientation import UPRIGHT
from zoo_detection.canvas import PADDING, Objects, fit_size, scale_boxes, to_columns
from zoo_detection.orientation import Form, Size, read_form, turn_boxes

TEST_INTERVAL = 5  # every fifth picture is test in data without splits
MAX_DECODED_BYTES = 16 << 30
MISSING = "it is listed, but missing"
NO_AREA = "it has a box of less than a pixel"
OUTSIDE = "it has a box outside the picture"
OTHER_SIZE = "its annotation states another size than it has"
AMBIGUOUS = "EXIF turns it, and its annotation does not show whether the boxes are turned, too: save it upright"

LeaveOut = Callable[[Path, str], None]
Decoded: TypeAlias = tuple[Array, Array, list[Objects]]  # pictures, their sizes, and the objects of each


@dataclass(frozen=True, kw_only=True, slots=True)
class Annotated:
    """A picture and its objects, whose boxes may reach out of it.

    size: height and width of the picture that the boxes are for, or None if the annotation does not state it.
    """

    picture: Path
    objects: Objects
    size: Size | None


def with_test(splits: dict[str, list[Annotated]]) -> dict[str, list[Annotated]]:
    """Return the splits with val as test if there is no test: public sets keep the annotations of test to themselves.

    >>> list(with_test({"train": [], "val": []})), list(with_test({"train": [], "val": [], "test": []}))
    (['train', 'test'], ['train', 'val', 'test'])
    """
    return {"test" if split == "val" and "test" not in splits else split: items for split, items in splits.items()}


class Splits:
    """The splits of annotated pictures. Without a split `test`, every fifth picture of train is.

    leave_out: gets pictures that cannot be used, see `fit_objects`.
    """

    def __init__(self, items: Mapping[str, Sequence[Annotated]], canvas: Size, leave_out: LeaveOut) -> None:
        self._items, self._canvas, self._leave_out = items, canvas, leave_out
        self._waiting: dict[str, Decoded] = {}  # the split that was decoded together with the one that was asked for

    def load(self, split: str) -> dict[str, Column]:
        """Decode a split into the columns of `to_columns`.

        Raises UnknownSplitError, DataUnavailableError if no picture is left, and DamagedDataError for a picture that
        cannot be read, or a split without boxes.
        """
        if split not in (*self._items, "test"):
            raise UnknownSplitError(f"the data have no split {split!r}, only {', '.join({**self._items, 'test': []})}")
        if "test" in self._items:
            decoded = decode(self._items[split], self._canvas, self._leave_out)
        else:
            if split not in self._waiting:
                self._decode_both()
            decoded = self._waiting.pop(split)
        if all(item.crowd.all() for item in decoded[2]):
            raise DamagedDataError(
                f"{self._folder(split)}: none of the {len(decoded[0])} pictures of {split} has a box that counts, so "
                "nothing can be learned or scored: add boxes"
            )
        return to_columns(*decoded)

    def _folder(self, split: str) -> Path:
        return self._items.get(split, self._items["train"])[0].picture.parent

    def _decode_both(self) -> None:
        """Decode train and test, of which one waits for the next call."""
        x, sizes, objects = decode(self._items["train"], self._canvas, self._leave_out)
        in_test = is_fifth(x)
        if not in_test.any():
            raise DataUnavailableError(
                f"{self._folder('test')} holds {len(x)} pictures that can be used: at least {TEST_INTERVAL} different "
                "ones are needed, to have one for test"
            )
        for name, chosen in (("train", ~in_test), ("test", in_test)):
            rows = np.flatnonzero(chosen)
            self._waiting[name] = x[rows], sizes[rows], [objects[row] for row in rows]


def is_fifth(x: Array) -> Array:
    """Return for pictures, (n, ...), whether each is the fifth, tenth ... in order. Copies count as the first of them.

    >>> is_fifth(np.array([0, 1, 2, 3, 4, 5, 4])).tolist()
    [False, False, False, False, True, False, True]
    """
    places: dict[bytes, int] = {}
    digests = (blake2b(picture.tobytes(), digest_size=16).digest() for picture in x)
    return np.array([places.setdefault(digest, len(places)) % TEST_INTERVAL == TEST_INTERVAL - 1 for digest in digests])


def decode(items: Sequence[Annotated], canvas: Size, leave_out: LeaveOut) -> Decoded:
    """Read pictures onto canvases.

    Returns x uint8 (n, 3, *canvas), the sizes of the pictures on them int64 (n, 2), and the objects of each in pixels
    of the canvas. Raises as `Splits.load` does.
    """
    if len(items) * 3 * canvas[0] * canvas[1] > MAX_DECODED_BYTES:
        raise DataUnavailableError(
            f"{len(items):,} pictures of {canvas[1]}x{canvas[0]} take more than {MAX_DECODED_BYTES >> 30} GiB "
            "once they are decoded: use a part of them"
        )
    # `read_images` warns of the same, with the name of the file.
    with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor() as threads:
        forms = list(threads.map(read_form, (item.picture for item in items)))
    paths, sizes, objects, first_reason = list[Path](), list[Size](), list[Objects](), ""
    for item, form in zip(items, forms, strict=True):
        found = fit_objects(item, form)
        if isinstance(found, str):
            leave_out(item.picture, found)
            first_reason = first_reason or f"; {item.picture} is left out: {found}"
            continue
        sizes.append(fit_size(form.upright, canvas))
        objects.append(replace(found, boxes=scale_boxes(found.boxes, form.upright, sizes[-1])))
        paths.append(item.picture)
    if not paths:
        raise DataUnavailableError(f"none of {len(items)} pictures can be used{first_reason}")
    return read_canvases(paths, sizes, canvas), np.array(sizes), objects


def read_canvases(paths: Sequence[Path], sizes: Sequence[Size], canvas: Size) -> Array:
    """Read pictures in these sizes, each into the upper left corner of a grey canvas: uint8 (n, 3, *canvas)."""
    x = np.full((len(paths), 3, *canvas), PADDING, np.uint8)
    rows_of: dict[Size, list[int]] = {}
    for row, size in enumerate(sizes):
        rows_of.setdefault(size, []).append(row)
    for (height, width), rows in rows_of.items():
        x[rows, :, :height, :width] = read_images([paths[row] for row in rows], (height, width))
    return x


def fit_objects(item: Annotated, form: Form) -> Objects | str:
    """Return the objects with boxes in pixels of the upright picture, cut at its borders; or why it cannot be used.

    A picture is left out as a whole: without one of its boxes, it would teach and score that nothing is there.
    """
    boxes, is_turned = item.objects.boxes, form.orientation != UPRIGHT
    if is_turned and len(boxes):
        if item.size is None or form.stored == form.upright == item.size:
            return AMBIGUOUS
        boxes = turn_boxes(boxes, form) if item.size == form.stored else boxes
    if item.size not in (None, form.stored, form.upright):
        return OTHER_SIZE
    limits = np.array([form.upright[1], form.upright[0]] * 2)
    inside = boxes.clip(0, limits)
    if (boxes[:, 2:] - boxes[:, :2] < 1).any():
        return NO_AREA
    if (inside[:, 2:] - inside[:, :2] <= 0).any():
        return OUTSIDE
    return replace(item.objects, boxes=inside)

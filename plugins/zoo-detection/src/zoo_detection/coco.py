"""Reads COCO's JSON: pictures, categories and boxes, and the folders around them.

A box is x, y, width, height in pixels, counted from 0, as https://cocodataset.org/#format-data says.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import msgspec
import numpy as np

from zoo_core import DamagedDataError, DataUnavailableError
from zoo_core.data.columns import Array
from zoo_core.data.images import SPLITS
from zoo_core.data.names import composed
from zoo_core.data.reading import read_bytes, shorten
from zoo_core.data.walk import find_named, folders_below, list_folder, refuse_second
from zoo_detection.annotated import MISSING, Annotated, LeaveOut, with_test
from zoo_detection.canvas import Objects
from zoo_detection.orientation import Size

MAX_JSON_BYTES = 1 << 30  # COCO's own has 450 MB
MAX_COORDINATE = 1e6  # pixels
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
PREFIX, ONE_FILE, IN_SPLIT = "instances_", "annotations.json", "_annotations.coco.json"  # names of annotation files
NEEDS = (
    "it must hold annotations.json, or annotations/instances_train*.json and instances_val*.json, and the pictures "
    "that these name"
)

Id = int | str


class Image(msgspec.Struct, gc=False):
    """An entry of `images`; only these fields are read."""

    id: Id
    file_name: str
    width: int | float | None = None
    height: int | float | None = None


class Box(msgspec.Struct, gc=False):
    """An entry of `annotations`."""

    image_id: Id
    category_id: Id
    bbox: list[float] | None = None
    iscrowd: int | bool = 0
    segmentation: msgspec.Raw = msgspec.Raw()


class Category(msgspec.Struct):
    """An entry of `categories`."""

    id: Id
    name: str


class Content(msgspec.Struct):
    """The whole file."""

    images: list[Image]
    annotations: list[Box]
    categories: list[Category]


@dataclass(frozen=True, kw_only=True, slots=True)
class Pictured:
    """A picture of a file: its name there, its objects, and the height and width that the file states, if any."""

    name: str
    objects: Objects
    size: Size | None


# One file


def read_coco(path: Path) -> tuple[tuple[str, ...], list[Pictured]]:
    """Read a file of annotations: the names of its categories, sorted by id, and its pictures in their order.

    Labels are places in these names. A box without `bbox` is that of its polygons. Raises DamagedDataError, which names
    the entry: not JSON, a field that is missing or of another type, an id that is not there or comes twice, a box that
    is not four finite numbers.
    """
    content = _decode(path)
    classes = _read_categories(path, content.categories)
    rows: dict[Id, list[tuple[Sequence[float], int, int]]] = {}
    names = set[str]()
    for image in content.images:
        if image.id in rows:
            raise DamagedDataError(f"{path} has two images of the id {shorten(repr(image.id))}: remove one")
        if image.file_name in names:
            raise DamagedDataError(f"{path} has two images of the file {shorten(image.file_name)!r}: remove one")
        rows[image.id] = []
        names.add(image.file_name)
    places = {category_id: place for place, category_id in enumerate(classes)}
    for number, item in enumerate(content.annotations):
        if item.image_id not in rows:
            raise _damaged(path, number, f"its image_id {shorten(repr(item.image_id))} is the id of no image")
        if item.category_id not in places:
            raise _damaged(path, number, f"its category_id {shorten(repr(item.category_id))} is the id of no category")
        rows[item.image_id].append((_corners(path, number, item), places[item.category_id], int(item.iscrowd == 1)))
    pictures = [
        Pictured(name=image.file_name, objects=_to_objects(rows[image.id]), size=_size(image))
        for image in content.images
    ]
    return tuple(classes.values()), pictures


def _decode(path: Path) -> Content:
    text = read_bytes(path, max_bytes=MAX_JSON_BYTES, needs=NEEDS).removeprefix(BYTE_ORDER_MARK)
    try:
        return msgspec.json.decode(text, type=Content)
    except msgspec.ValidationError as error:
        raise DamagedDataError(f"{path} is no annotation file of COCO: {shorten(str(error))}") from error
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise DamagedDataError(f"{path} is not JSON ({shorten(str(error))}): it is cut or damaged") from error


def _read_categories(path: Path, categories: Sequence[Category]) -> dict[Id, str]:
    """Map the id of each category to its name, in the order of the ids. Raises DamagedDataError."""
    if not categories:
        raise DamagedDataError(f"{path} has no categories: a detector needs at least one")
    found: dict[Id, str] = {}
    for category in sorted(categories, key=lambda item: (isinstance(item.id, str), item.id)):
        name = composed(category.name.strip())
        if not name or category.id in found or name in found.values():
            raise DamagedDataError(
                f"{path} has the category {shorten(name)!r} of the id {shorten(repr(category.id))} twice or without a "
                "name: categories need different ids and names"
            )
        found[category.id] = name
    return found


def _corners(path: Path, number: int, item: Box) -> tuple[float, float, float, float]:
    """Return a box as x1, y1, x2, y2, its corners in order."""
    if item.bbox:
        if len(item.bbox) != 4 or not all(abs(value) <= MAX_COORDINATE for value in item.bbox):
            raise _damaged(path, number, f"its bbox {shorten(str(item.bbox), 80)} is not four numbers of pixels")
        x, y, width, height = item.bbox
        return min(x, x + width), min(y, y + height), max(x, x + width), max(y, y + height)
    points = _polygons(path, number, item)
    (x1, y1), (x2, y2) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    return x1, y1, x2, y2


def _polygons(path: Path, number: int, item: Box) -> Array:
    """Return the corners of all polygons of an entry without a box, float64 (n, 2)."""
    try:
        polygons = msgspec.json.decode(item.segmentation or b"[]", type=list[list[float]])
    except (msgspec.MsgspecError, ValueError) as error:
        raise _damaged(path, number, "it has no bbox, and its segmentation is no list of polygons") from error
    values = list(itertools.chain.from_iterable(polygons))
    if not values or any(len(polygon) % 2 for polygon in polygons):
        raise _damaged(path, number, "it has no bbox, and its segmentation no polygon of pairs")
    if not all(abs(value) <= MAX_COORDINATE for value in values):
        raise _damaged(path, number, "a value of its segmentation is not a number of pixels")
    return np.array(values, np.float64).reshape(-1, 2)


def _to_objects(rows: Sequence[tuple[Sequence[float], int, int]]) -> Objects:
    return Objects(
        boxes=np.array([corners for corners, _, _ in rows], np.float64).reshape(-1, 4),
        labels=np.array([label for _, label, _ in rows], np.int64),
        crowd=np.array([crowd for _, _, crowd in rows], np.uint8),
    )


def _size(image: Image) -> Size | None:
    """Return height and width as the file states them, None if it does not."""
    sides = [int(side) if side and 0 < side <= MAX_COORDINATE else 0 for side in (image.height, image.width)]
    return (sides[0], sides[1]) if all(sides) else None


def _damaged(path: Path, number: int, problem: str) -> DamagedDataError:
    return DamagedDataError(f"{path}, annotations[{number}]: {problem}: correct or remove it")


# A folder


def find_coco(root: Path, leave_out: LeaveOut) -> tuple[tuple[str, ...], dict[str, list[Annotated]]]:
    """Find the annotation files and the pictures of each split: the names of the classes, and the pictures.

    One file alone is train. If there is none of test, val is test. leave_out: gets pictures that are missing.
    Raises DataUnavailableError, DamagedDataError.
    """
    files = _find_files(root)
    read = {split: read_coco(path) for split, path in files.items()}
    classes = read["train"][0]
    for split, (others, _) in read.items():
        if others != classes:
            raise DamagedDataError(f"{files[split]} has other categories than {files['train']}: use the same in both")
    splits = {split: _locate(files[split], pictures, leave_out) for split, (_, pictures) in read.items()}
    return classes, with_test(splits)


def _find_files(root: Path) -> dict[str, Path]:
    """Find the annotation file of each split, among them train; see `NEEDS`."""
    paths = [path for folder in folders_below(root) for path in list_folder(folder).files if path.suffix == ".json"]
    several: dict[str, list[Path]] = {}
    for path in paths:
        split = _split_of(path)
        if split:
            several.setdefault(split, []).append(path)
    if not several:
        one = [path for path in paths if path.name == ONE_FILE or path.name.startswith(PREFIX)]
        if not one:
            raise DataUnavailableError(f"{root} holds no annotation file of COCO; {NEEDS}")
        several = {"train": one}
    if "train" not in several:
        raise DataUnavailableError(f"{root} holds {next(iter(several.values()))[0]}, but no file of train; {NEEDS}")
    for split, found in several.items():
        refuse_second(root, found, f"two annotation files of {split}")
    return {split: found[0] for split, found in several.items()}


def _split_of(path: Path) -> str:
    """Return the split of an annotation file by its name, or by its folder as Roboflow has them; "" for others."""
    if path.name.startswith(PREFIX):
        rest = path.stem.removeprefix(PREFIX).lower()
        return next((split for split in SPLITS if rest.startswith(split)), "")
    folder = path.parent.name.lower() if path.name == IN_SPLIT else ""
    return next((split for split, names in SPLITS.items() if folder in names), "")


def _locate(file: Path, pictures: Sequence[Pictured], leave_out: LeaveOut) -> list[Annotated]:
    """Find the files of the pictures; leave out those that are missing."""
    home = file.parent.parent if file.name.startswith(PREFIX) else file.parent
    suffix = file.stem.removeprefix(PREFIX)
    places = [home / suffix, home / "images" / suffix, home / "images", home]
    places = [place for place in places if place.is_dir()]
    found = []
    for item in pictures:
        name = PurePosixPath(item.name.replace("\\", "/"))  # Windows writes backslashes
        if name.is_absolute() or ".." in name.parts or not name.name:
            raise DamagedDataError(f"{file}: the file_name {shorten(item.name)!r} leads out of the folder")
        paths = (find_named(place, str(name)) for place in places)
        path = next((path for path in paths if path is not None and path.is_file()), None)
        if path is None:
            leave_out(places[0] / name, MISSING)
        else:
            found.append(Annotated(picture=path, objects=item.objects, size=item.size))
    if not found:
        first = f", such as {shorten(pictures[0].name)!r}," if pictures else ""
        raise DataUnavailableError(f"{file}: none of its {len(pictures)} pictures{first} is in {home}; {NEEDS}")
    return found

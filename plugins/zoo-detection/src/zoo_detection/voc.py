"""Reads Pascal VOC: the XML file of a picture, and the folders and lists of a data set.

Official VOC files count pixels from 1 and include the last one, so that 1, 1, 500, 375 is a whole picture. They name
their database, such as `The VOC2007 Database`. All others, such as those of Kaggle, hold edges counted from 0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

import numpy as np

from zoo_core import DamagedDataError, DataUnavailableError
from zoo_core.data.images import is_picture, list_images
from zoo_core.data.names import composed, natural_key
from zoo_core.data.reading import read_bytes, read_text, shorten
from zoo_core.data.walk import folders, folders_below, list_folder, refuse_second
from zoo_detection.annotated import MISSING, Annotated, LeaveOut, with_test
from zoo_detection.canvas import Objects
from zoo_detection.orientation import Size

MAX_XML_BYTES = 1 << 20  # an object takes about 400
MAX_COORDINATE = 1e6  # pixels; also of a picture's sides
NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
OFFICIAL = re.compile("VOC20[0-9]{2} Database")
CORNERS = ("xmin", "ymin", "xmax", "ymax")
PICTURES, ANNOTATIONS = ("images", "jpegimages"), ("annotations",)  # folders, in lower case
LISTS = ("train", "val", "test", "trainval")
NEEDS = (
    "it must hold images/ and annotations/ with a picture and a Pascal VOC XML file of the same name, "
    "or JPEGImages/, Annotations/ and ImageSets/Main/train.txt"
)
NO_PICTURE, NO_ANNOTATION = "it has no picture of the same name", "it has no annotation of the same name"
NOT_LISTED = "no list in ImageSets/Main names it"


# One file


def read_voc(path: Path, classes: Sequence[str]) -> tuple[Objects, Size | None]:
    """Read the annotation of one picture: its objects, and the height and width that it states, if any.

    Corners in the wrong order are put right. A file without objects belongs to a picture without any.
    Raises DamagedDataError, which names the file and the object: not XML, entities, a class that is not in `classes`,
    a coordinate that is missing, not finite or huge.
    """
    root = parse_xml(path)
    if root.tag != "annotation":
        raise DamagedDataError(
            f"{path} is no Pascal VOC annotation: its root is <{shorten(root.tag)}>, not <annotation>"
        )
    found = root.findall("object")
    boxes = np.array([_read_box(path, number, item) for number, item in enumerate(found, 1)]).reshape(-1, 4)
    if OFFICIAL.search(root.findtext("source/database", "")):
        boxes = boxes - [1, 1, 0, 0]
    labels = [_read_label(path, number, item, classes) for number, item in enumerate(found, 1)]
    crowd = [item.findtext("difficult", "0").strip() == "1" for item in found]
    objects = Objects(boxes=boxes, labels=np.array(labels, np.int64), crowd=np.array(crowd, np.uint8))
    return objects, _read_size(path, root)


def parse_xml(path: Path) -> Element:
    """Parse a small XML file without entities of its own, which may expand without end. Raises DamagedDataError."""
    builder, parser = TreeBuilder(), expat.ParserCreate()

    def refuse(*_: object) -> NoReturn:
        raise DamagedDataError(f"{path} declares entities, which an annotation never needs: remove it")

    parser.EntityDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = builder.start, builder.end
    parser.CharacterDataHandler = builder.data
    content = read_bytes(path, max_bytes=MAX_XML_BYTES)
    try:
        parser.Parse(content, True)
        root: Element = builder.close()
    except (expat.ExpatError, ValueError, LookupError) as error:  # the last two: of its encoding
        raise DamagedDataError(
            f"{path} is not XML ({shorten(str(error), 100)}): it is cut or damaged; fetch it again"
        ) from error
    return root


def _read_box(path: Path, number: int, item: Element) -> list[float]:
    """Return a box as x1, y1, x2, y2 as the file has it, its corners in order."""
    corners = []
    for name in CORNERS:
        text = item.findtext(f"bndbox/{name}")
        if text is None:
            raise _damaged(path, number, f"it has no <bndbox> with <{name}>")
        corners.append(_to_number(path, number, name, text))
    x1, y1, x2, y2 = corners
    return [min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)]


def _to_number(path: Path, number: int, name: str, text: str) -> float:
    value = float(text) if NUMBER.fullmatch(text.strip()) else math.nan
    if not abs(value) <= MAX_COORDINATE:  # also NaN
        raise _damaged(path, number, f"<{name}> is {shorten(text, 60)!r}, not a number of pixels")
    return value


def _read_label(path: Path, number: int, item: Element, classes: Sequence[str]) -> int:
    name = composed(item.findtext("name", "").strip())
    if name not in classes:
        raise _damaged(path, number, f"its class {shorten(name, 60)!r} is none of {', '.join(classes)}")
    return classes.index(name)


def _read_size(path: Path, root: Element) -> tuple[int, int] | None:
    """Return height and width as the file states them; None if it does not, also by zeros as some tools write."""
    sides = []
    for name in ("height", "width"):
        text = root.findtext(f"size/{name}", "0").strip()
        side = float(text) if NUMBER.fullmatch(text) else math.nan
        if not 0 <= side <= MAX_COORDINATE:
            raise DamagedDataError(f"{path}: <{name}> of its <size> is {shorten(text, 60)!r}, not a number of pixels")
        sides.append(round(side))
    return (sides[0], sides[1]) if all(sides) else None


def _damaged(path: Path, number: int, problem: str) -> DamagedDataError:
    return DamagedDataError(f"{path} object {number}: {problem}: correct the file, or remove it and its picture")


# A folder


def find_voc(root: Path, classes: Sequence[str], leave_out: LeaveOut) -> dict[str, list[Annotated]]:
    """Find the pictures of each split, with their annotations.

    Lists in ImageSets/Main name the pictures of a split; if there is none for test, val is test. Without lists, all
    pictures are train. leave_out: gets files without a partner, and those that no list names.
    Raises DataUnavailableError, DamagedDataError.
    """
    home = _find_home(root)
    folder = _part(home, PICTURES)
    pictures = _by_stem(list_images(folder))
    listing = list_folder(_part(home, ANNOTATIONS))
    annotations = _by_stem([path for path in listing.files if path.suffix.lower() == ".xml"])
    for stem in sorted(pictures.keys() ^ annotations.keys()):
        leave_out(*((pictures[stem], NO_ANNOTATION) if stem in pictures else (annotations[stem], NO_PICTURE)))
    both = pictures.keys() & annotations.keys()
    lists = _find_lists(home) or {"train": sorted(both, key=natural_key)}
    listed = {name for names in lists.values() for name in names}
    for stem in sorted(both - listed):
        leave_out(pictures[stem], NOT_LISTED)
    for stem in sorted(listed - pictures.keys() - annotations.keys()):
        leave_out(folder / stem, MISSING)
    splits = {split: [name for name in names if name in both] for split, names in lists.items()}
    empty = [split for split, names in splits.items() if not names]
    if empty:
        raise DataUnavailableError(f"{home} holds no picture of {empty[0]} with its annotation; {NEEDS}")
    return with_test(
        {
            split: [_annotated(pictures[name], annotations[name], classes) for name in names]
            for split, names in splits.items()
        }
    )


def _find_home(root: Path) -> Path:
    """Find the folder that holds a folder of pictures and one of annotations, at any depth."""
    homes = [folder for folder in folders_below(root) if _inside(folder, PICTURES) and _inside(folder, ANNOTATIONS)]
    if not homes:
        raise DataUnavailableError(f"{root} holds no folders of pictures and of annotations beside each other; {NEEDS}")
    refuse_second(root, homes)
    return homes[0]


def _inside(folder: Path, names: Sequence[str]) -> list[Path]:
    return [path for path in folders(folder) if path.name.lower() in names]


def _part(home: Path, names: Sequence[str]) -> Path:
    found = _inside(home, names)
    refuse_second(home, found, "two folders of one kind")
    return found[0]


def _by_stem(paths: Sequence[Path]) -> dict[str, Path]:
    """Map name without suffix to file. Raises DamagedDataError for two files of one name."""
    found: dict[str, Path] = {}
    for path in paths:
        first = found.setdefault(composed(path.stem), path)
        if first != path:
            raise DamagedDataError(f"{path} and {first.name} are two files of one name: remove one")
    return found


def _annotated(picture: Path, annotation: Path, classes: Sequence[str]) -> Annotated:
    objects, size = read_voc(annotation, classes)
    return Annotated(picture=picture, objects=objects, size=size)


def _find_lists(home: Path) -> dict[str, list[str]]:
    """Read the lists of train, val and test, if they exist. Without one of train, it is the rest of trainval."""
    folder = home / "ImageSets" / "Main"
    found = {name: read_list(folder / f"{name}.txt") for name in LISTS if (folder / f"{name}.txt").is_file()}
    if not found:
        return {}
    if "train" not in found and "trainval" not in found:
        raise DataUnavailableError(f"{folder} holds {' and '.join(found)}.txt, but no train.txt; {NEEDS}")
    both = found.pop("trainval", [])
    if "train" not in found:
        others = {*found.get("val", ()), *found.get("test", ())}
        found["train"] = [name for name in both if name not in others]
    refuse_overlap(folder, found)
    return found


def read_list(path: Path) -> list[str]:
    """Read a list of pictures: a name in each line, with or without its extension.

    Raises DamagedDataError, which names the line: a name with folders, or one that comes twice.
    """
    lines: dict[str, int] = {}
    for number, line in enumerate(read_text(path).split("\n"), 1):
        text = line.strip()
        if not text:
            continue
        if "/" in text or "\\" in text:
            raise DamagedDataError(f"{path} line {number}: {shorten(text)!r} must be a name without folders")
        name = composed(Path(text).stem if is_picture(Path(text)) else text)
        if lines.setdefault(name, number) != number:
            raise DamagedDataError(f"{path} line {number}: {shorten(name)!r} is also in line {lines[name]}: remove one")
    if not lines:
        raise DamagedDataError(f"{path} is empty: fetch it again, or remove it")
    return list(lines)


def refuse_overlap(folder: Path, lists: Mapping[str, Sequence[str]]) -> None:
    """Raise DamagedDataError if a picture is in two splits: its score would tell nothing."""
    owner: dict[str, str] = {}
    for split, names in lists.items():
        for name in names:
            if owner.setdefault(name, split) != split:
                raise DamagedDataError(f"{folder}: {shorten(name)!r} is in {owner[name]} and in {split}: remove one")

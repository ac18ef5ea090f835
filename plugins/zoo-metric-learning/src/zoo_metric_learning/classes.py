"""Folders of classes: one folder of pictures for each. Split by class, so that no class is in two splits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from zoo_core import DamagedDataError, DataUnavailableError
from zoo_core.data.columns import Array
from zoo_core.data.images import LOOSE, NOT_A_PICTURE, TOO_DEEP, is_picture, list_images, read_images
from zoo_core.data.names import composed
from zoo_core.data.walk import folders, list_folder

MAX_SHARE = 4  # a group with more than a quarter of all pictures is not held out, if another one can be
MIN_CLASSES = 2  # of a split that is scored, with two pictures or more each

LeaveOut = Callable[[Path, str], None]


@dataclass(frozen=True, slots=True)
class ClassFolder:
    """A class: its name and its pictures, sorted by name. group: the name of the classes that it is held out with."""

    name: str
    paths: Sequence[Path]
    group: str


def list_classes(folder: Path, leave_out: LeaveOut, *, group: str = "") -> list[ClassFolder]:
    """List the classes of a folder, sorted by name, in Unicode's composed form.

    group: of all these classes; "" for one of each. What is no picture of a class is reported to `leave_out`. Raises
    DataUnavailableError for a class without pictures, DamagedDataError for two folders of one name.
    """
    found: dict[str, ClassFolder] = {}
    for path in folders(folder):
        name, pictures = composed(path.name), list_images(path)
        if not pictures:
            raise DataUnavailableError(f"{path} holds no pictures: fill or remove it")
        if name in found:
            raise DamagedDataError(f"{folder} holds two folders {name}, in two Unicode forms: join them into one")
        found[name] = ClassFolder(name, pictures, group or name)
        listing = list_folder(path)
        for inside in listing.folders:
            leave_out(inside, TOO_DEEP)
        for file in listing.files:
            if not is_picture(file):
                leave_out(file, NOT_A_PICTURE)
    for file in list_folder(folder).files:
        leave_out(file, LOOSE)
    return [found[name] for name in sorted(found)]


def hold_out(classes: Sequence[ClassFolder], share: float, least: int = MIN_CLASSES) -> list[ClassFolder]:
    """Choose the classes that are held out, by a hash of the names of their groups: the same for every seed.

    Whole groups are taken in the order of their hashes until they hold `share` of the pictures, and `least` classes
    with two pictures or more. A group with more than a quarter of all pictures is skipped, unless the others do not
    suffice. One group at least is left. Returns nothing if that cannot be done.
    """
    groups: dict[str, list[ClassFolder]] = {}
    for one in classes:
        groups.setdefault(one.group, []).append(one)
    total = sum(len(one.paths) for one in classes)
    in_order = sorted(groups, key=lambda name: blake2b(name.encode(), digest_size=16).digest())
    large = {name for name in in_order if sum(len(one.paths) for one in groups[name]) * MAX_SHARE > total}
    chosen: list[ClassFolder] = []
    for number, name in enumerate([*(n for n in in_order if n not in large), *(n for n in in_order if n in large)], 1):
        if number == len(groups):
            return []
        chosen += groups[name]
        if sum(len(one.paths) for one in chosen) >= share * total and has_enough(chosen, least):
            return sorted(chosen, key=lambda one: (one.group, one.name))
    return []


def has_enough(classes: Sequence[ClassFolder], least: int = MIN_CLASSES) -> bool:
    """Whether `least` of the classes have two pictures or more, so that one can be searched with the other."""
    return sum(len(one.paths) > 1 for one in classes) >= least


def without(classes: Sequence[ClassFolder], held_out: Sequence[ClassFolder]) -> list[ClassFolder]:
    """Return the classes that are not held out."""
    gone = {(one.group, one.name) for one in held_out}
    return [one for one in classes if (one.group, one.name) not in gone]


def refuse_common_classes(splits: Mapping[str, Sequence[ClassFolder]]) -> None:
    """Raise DamagedDataError if a class is in two splits: test would then ask about classes that were trained on."""
    seen: dict[str, str] = {}
    for split, classes in splits.items():
        for one in classes:
            if one.name in seen:
                raise DamagedDataError(
                    f"class {one.name} is in {seen[one.name]} and in {split}; every class must be in one split alone, "
                    "because test asks about classes that were never seen: move its pictures into one of the two"
                )
        seen |= {one.name: split for one in classes}


def read_classes(classes: Sequence[ClassFolder], size: tuple[int, int], channels: int) -> dict[str, Array]:
    """Read all pictures: x uint8 (n, channels, height, width); label and group int64 (n,), by order of appearance.

    The examples are in an order that tells nothing: a batch of one class would help a net that mixes its examples.
    """
    counts = [len(one.paths) for one in classes]
    groups = {name: number for number, name in enumerate(dict.fromkeys(one.group for one in classes))}
    paths = [path for one in classes for path in one.paths]
    order = np.random.default_rng(0).permutation(len(paths))
    return {
        "x": read_images([paths[place] for place in order], size, channels=channels),
        "label": np.repeat(np.arange(len(classes)), counts)[order],
        "group": np.repeat(np.array([groups[one.group] for one in classes]), counts)[order],
    }


def chance_recall(counts: Sequence[int]) -> float:
    """Return the recall@1 of random neighbours, from the sizes of the classes.

    >>> chance_recall([3, 3, 1])  # each of six searches; two of the six others are right
    0.3333333333333333
    """
    searching, others = sum(count for count in counts if count > 1), sum(counts) - 1
    return sum(count * (count - 1) for count in counts) / (searching * others) if searching and others else 0.0

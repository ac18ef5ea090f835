"""The data sets of files: Omniglot, and any folder with one folder of pictures for each class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from zoo_core import Context, DamagedDataError, DataUnavailableError, Signature, UnknownSplitError
from zoo_core.data.columns import Array
from zoo_core.data.images import SPLIT_NAMES, find_splits
from zoo_core.data.walk import find_one, folders, inner_root, list_folder, walk
from zoo_metric_learning.classes import (
    MIN_CLASSES,
    ClassFolder,
    LeaveOut,
    chance_recall,
    has_enough,
    hold_out,
    list_classes,
    read_classes,
    refuse_common_classes,
    without,
)
from zoo_metric_learning.datasets import EMBEDDING, GLYPH, PICTURE, QUARTERS

BACKGROUND, EVALUATION = "images_background", "images_evaluation"
NEEDS = f"it must hold, unpacked, {BACKGROUND}/<alphabet>/<character>/*.png and, if it has one, {EVALUATION} like it"
FOLDER_NEEDS = "it must hold a folder of pictures for each class, or train/ and test/ with such folders"
TEST_SHARE, VAL_SHARE = 1 / 5, 1 / 10


class Omniglot:
    """Characters of many alphabets, each drawn by twenty people: x uint8 (n, 1, 35, 35), black on white.

    The 105x105 pictures are reduced three times. label and group int64 (n,): character and alphabet. Test is
    `images_evaluation`; without it, the last fifth of the alphabets by name, and at least one. Val is a tenth of the
    rest or more: alphabets by `zoo_metric_learning.classes.hold_out`. An alphabet is always in one split alone.
    Raises:
        DataUnavailableError: the folder is not here, has fewer than three alphabets, or a character has no pictures.
        DamagedDataError: a picture cannot be read, there are two such folders, or an alphabet is in train and in test.
    """

    def __init__(self, ctx: Context) -> None:
        background = find_one(ctx.folder(f"{BACKGROUND}.zip"), BACKGROUND, NEEDS)
        alphabets = _alphabets(background, ctx.leave_out)
        root = ctx.folder(f"{EVALUATION}.zip")
        if any(f"/{name}".startswith(f"/{EVALUATION}/") or f"/{EVALUATION}/" in name for name in walk(root).files):
            evaluation = _alphabets(find_one(root, EVALUATION, NEEDS), ctx.leave_out)
            test = [one for characters in evaluation for one in characters]
            if common := {one.group for one in test} & {characters[0].group for characters in alphabets}:
                raise DamagedDataError(
                    f"{root}: alphabet {min(common)} is in {BACKGROUND} and in {EVALUATION}; test asks about alphabets "
                    "that were never seen: remove it from one of the two"
                )
        else:
            last = max(1, len(alphabets) // 5)
            alphabets, held_out = alphabets[:-last], alphabets[-last:]
            test = [one for characters in held_out for one in characters]
        rest = [one for characters in alphabets for one in characters]
        self._splits = _splits(background, rest, hold_out(rest, VAL_SHARE), test)
        self.signature = _signature(GLYPH, self._splits, turns=QUARTERS)

    def load(self, split: str) -> dict[str, Array]:
        return _load(self._splits, split, self.signature)


class ClassFolders:
    """A local folder with one folder of pictures for each class, such as faces: x uint8 (n, 3, 64, 64), RGB, resized.

    label int64 (n,): the class; group is the same. Folders `train` and `test`, and `val` if there is one, are the
    splits, and have no class in common. Without them, test is a fifth of the pictures or more, by
    `zoo_metric_learning.classes.hold_out`: whole classes. Without a folder `val`, it is a tenth of the rest, likewise.
    Val and test have at least two classes with two pictures. A class with one picture is found, but never searched
    with.
    Raises:
        DataUnavailableError: there are too few classes, or one has no pictures.
        DamagedDataError: a picture cannot be read, or a class is in two splits.
    """

    def __init__(self, ctx: Context) -> None:
        root = ctx.folder()
        top = inner_root(root, SPLIT_NAMES)
        if any(folder.name.lower() in SPLIT_NAMES for folder in folders(top)):
            found = find_splits(top, FOLDER_NEEDS)
            given = {split: list_classes(folder, ctx.leave_out) for split, folder in found.items()}
            rest, val, test = given["train"], given.get("val", []), given["test"]
            refuse_common_classes({"train": rest, "val": val, "test": test})
        else:
            classes = list_classes(_home(root), ctx.leave_out)
            test = hold_out(classes, TEST_SHARE)
            rest, val = without(classes, test), []
        self._splits = _splits(root, rest, val or hold_out(rest, VAL_SHARE), test)
        self.signature = _signature(PICTURE, self._splits, turns=1)

    def load(self, split: str) -> dict[str, Array]:
        return _load(self._splits, split, self.signature)


def _home(root: Path) -> Path:
    """Return the folder that holds the classes: `root`, or the only folder in it, unless that holds pictures itself."""
    here = list_folder(root)
    while not here.files and len(here.folders) == 1 and folders(here.folders[0]):
        root = here.folders[0]
        here = list_folder(root)
    return root


def _alphabets(folder: Path, leave_out: LeaveOut) -> list[list[ClassFolder]]:
    """List the characters of each alphabet, sorted by name. Raises DataUnavailableError if there is no alphabet."""
    found = [list_classes(path, leave_out, group=path.name) for path in folders(folder)]
    if not found or not all(found):
        raise DataUnavailableError(f"{folder} holds no alphabet, or an empty one; {NEEDS}")
    return found


def _splits(
    root: Path, rest: Sequence[ClassFolder], val: Sequence[ClassFolder], test: Sequence[ClassFolder]
) -> dict[str, Sequence[ClassFolder]]:
    """Divide `rest` into train and val. Raises DataUnavailableError if a split has too few classes."""
    splits = {"train": without(rest, val), "val": val, "test": test}
    for split, classes in splits.items():
        if len(classes) < MIN_CLASSES or (split != "train" and not has_enough(classes)):
            raise DataUnavailableError(
                f"{root} holds too few classes for train, val and test: each needs {MIN_CLASSES}, in val and test with "
                f"two pictures or more, and no class can be in two of them; {split} would have "
                f"{sum(len(one.paths) > 1 for one in classes)} such classes of {len(classes)}"
            )
    return splits


def _signature(pattern: Signature, splits: dict[str, Sequence[ClassFolder]], *, turns: int) -> Signature:
    """Return the signature of opened data: with the number of training classes, and the chance level of test."""
    chance = chance_recall([len(one.paths) for one in splits["test"]])
    extra = {"turns": turns, "train_classes": len(splits["train"]) * turns, "chance": {"recall_at_1": chance}}
    return Signature(input_shape=pattern.input_shape, outputs=EMBEDDING, extra=extra)


def _load(splits: dict[str, Sequence[ClassFolder]], split: str, signature: Signature) -> dict[str, Array]:
    if split not in splits:
        raise UnknownSplitError(f"there is no split {split!r}, only {', '.join(splits)}")
    channels, height, width = (size or 1 for size in signature.input_shape)
    return read_classes(splits[split], (height, width), channels)

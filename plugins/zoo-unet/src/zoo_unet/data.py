"""The data sets of pictures and masks: membranes (ISBI 2012), road scenes (CamVid), and any folder of both."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import numpy as np

from zoo_core import Context, DamagedDataError, DataUnavailableError, Signature, UnknownSplitError
from zoo_core.data.columns import Array
from zoo_core.data.images import SPLIT_NAMES, SPLITS, read_images
from zoo_core.data.labels import require_two_classes
from zoo_core.data.reading import read_text, shorten
from zoo_core.data.walk import find_named, find_one, folders, inner_root, refuse_second
from zoo_unet.masks import (
    IGNORED,
    Pair,
    chance_levels,
    count_levels,
    image_size,
    limit_size,
    match_masks,
    read_membrane_label,
    read_pairs,
    refuse_other_orientation,
    refuse_white,
    to_binary,
)

SEPARATORS = re.compile(r"\s*[,;]\s*|\s+")  # of the two paths in a line
TEST_SLICES = 5  # the last ones of the stack: neighbouring slices are similar, so test must not be spread over it
TEST_INTERVAL = 5  # every fifth picture is test in a folder without splits
MEMBRANE = "it must hold train/image/N.png and train/label/N.png (0 membrane, 255 cell)"
CAMVID = "it must hold train.txt, val.txt and test.txt, each line a picture and its mask, and the files these name"
MASKS = "it must hold images/ and masks/ with files of the same names, or train/ and test/ with these inside"
SEGNET = PurePosixPath("/SegNet/CamVid")  # the start of every path in the original split files
ROAD = (
    *("sky", "building", "pole", "road", "pavement", "tree"),
    *("sign", "fence", "car", "pedestrian", "bicyclist"),
)


class IsbiMembranes:
    """ISBI 2012, slices of a nerve cord: x uint8 (n, 1, 512, 512), y uint8 (n, 512, 512): 0 cell, 1 membrane.

    Slices are sorted by number; the last five are test. There is no val split. Neighbouring slices show the same cells,
    so test has a column group, int64 (5,), with one number for all: it is one sample.
    Raises:
        DataUnavailableError: the folders are missing, empty or hold too few slices.
        DamagedDataError: a slice has no label or a label no slice, sizes differ, or a label has levels other than 0
        and 255.
    """

    def __init__(self, ctx: Context) -> None:
        images = find_one(ctx.folder(), "image", MEMBRANE)
        labels = images.with_name("label")
        self._pairs = match_masks(images, labels, MEMBRANE)
        self._pairs.sort(key=lambda pair: slice_number(pair[0]))
        if len(self._pairs) < TEST_SLICES + 2:
            raise DataUnavailableError(f"{images} holds {len(self._pairs)} slices: {TEST_SLICES} are needed for test")
        self._size = image_size(self._pairs[0][0])
        self.signature = Signature(
            input_shape=(1, *self._size), outputs=2, classes=("cell", "membrane"), extra={"positive": 1}
        )

    def load(self, split: str) -> dict[str, Array]:
        if split not in ("train", "test"):
            raise UnknownSplitError(f"ISBI 2012 has no split {split!r}, only train and test")
        pairs = self._pairs[:-TEST_SLICES] if split == "train" else self._pairs[-TEST_SLICES:]
        x = read_images([image for image, _ in pairs], self._size, channels=1, resize=False)
        y = np.stack([read_membrane_label(label, self._size) for _, label in pairs])
        require_two_classes(y, pairs[0][1].parent)
        columns = {"x": x, "y": y}
        # Only in test: val is held out of train by groups, and one group cannot be divided.
        return columns if split == "train" else {**columns, "group": np.zeros(len(y), np.int64)}


class CamVid:
    """Road scenes: x uint8 (n, 3, 180, 240), RGB, y uint8 (n, 180, 240), 11 classes; 11 is ignored; group int64 (n,).

    A group is one drive: the frames whose names begin alike up to an underscore, such as `Seq05VD_f00210`.
    Pictures are averaged to the smaller size, masks use the nearest pixel. Splits are those of the files, also val.
    Raises:
        DataUnavailableError: a split file is missing, or may not be read.
        DamagedDataError: a line is not two paths, or names a file that is missing or outside the folder; a picture
        cannot be read; a mask has colours, another size than its picture, or a class that is too large.
    """

    size = (180, 240)
    signature = Signature(input_shape=(3, *size), outputs=len(ROAD), classes=ROAD, extra={"ignore_index": len(ROAD)})

    def __init__(self, ctx: Context) -> None:
        self._root = find_one(ctx.folder(), "train.txt", CAMVID).parent

    def load(self, split: str) -> dict[str, Array]:
        if split not in ("train", "val", "test"):
            raise UnknownSplitError(f"CamVid has no split {split!r}, only train, val and test")
        pairs = read_split_file(self._root / f"{split}.txt")
        columns = read_pairs(pairs, self.size, len(ROAD), ignored=len(ROAD))
        if split == "train":
            require_two_classes(columns["y"][columns["y"] < len(ROAD)], self._root / "train.txt")
        drives = [image.stem.partition("_")[0] for image, _ in pairs]
        return {**columns, "group": np.unique(drives, return_inverse=True)[1].astype(np.int64)}


class CamVid480(CamVid):
    """`CamVid` in the size of SegNet's files: x uint8 (n, 3, 360, 480), y uint8 (n, 360, 480)."""

    size = (360, 480)
    signature = Signature(input_shape=(3, *size), outputs=len(ROAD), classes=ROAD, extra={"ignore_index": len(ROAD)})


class ImageMasks:
    """A local folder of pictures and masks: x uint8 (n, 3, h, w), y uint8 (n, h, w), 255 is ignored.

    Height and width are those of the first picture in train, limited to 512; other pictures are resized to them. Masks
    hold class numbers, as grey levels or palette entries. If all masks of train hold only 0 and 255, or only black and
    white, there are two classes. `classes.txt` holds the names of the classes, one per line; without it, train's masks
    give their number, and smoothed masks are refused.
    A folder `val`, `valid` or `validation` is val. Without folders `train` and `test`, every fifth picture is test.
    Raises:
        DataUnavailableError: the folders are missing or empty.
        DamagedDataError: a picture has no mask or cannot be read; a mask has colours, another size than its picture, or
        a class that is too large.
    """

    def __init__(self, ctx: Context) -> None:
        root = inner_root(ctx.folder(), {*SPLIT_NAMES, "image", "images", "mask", "masks"})
        self._splits = find_splits(root)
        train = self._splits["train"]
        self._size = limit_size(image_size(train[0][0]))
        names = _read_class_names(root)
        pixels, self._white = count_levels(train, named=bool(names))
        values = np.flatnonzero(pixels).tolist()
        self._binary = values in ([0, IGNORED], [IGNORED])
        known = [value for value in values if value != IGNORED]
        count = 2 if self._binary else max(2, len(names) or max(known, default=0) + 1)
        self._zero_one = values == [0, 1] and count == 2
        counts = pixels[[0, IGNORED]] if self._binary else pixels[:count]
        require_two_classes(np.repeat(np.arange(len(counts)), np.minimum(counts, 1)), f"the train masks of {root}")
        chance = chance_levels(counts / max(1, counts.sum()))
        self.signature = Signature(
            input_shape=(3, *self._size),
            outputs=count,
            classes=names or tuple(str(number) for number in range(count)),
            extra={"chance": chance} | ({} if self._binary else {"ignore_index": IGNORED}),
        )
        if len(self.signature.classes) != count:
            raise DamagedDataError(f"{root} has a classes.txt of {len(names)} names for {count} classes")

    def load(self, split: str) -> dict[str, Array]:
        if split not in self._splits:
            raise UnknownSplitError(f"the folder has no split {split!r}, only {', '.join(self._splits)}")
        outputs = self.signature.outputs or 0
        classes = 256 if self._binary else outputs
        columns = read_pairs(self._splits[split], self._size, classes, ignored=IGNORED, white=self._white)
        if not self._binary:
            if self._zero_one:
                refuse_white(columns["y"], self._splits[split])
            return columns
        return {**columns, "y": to_binary(columns["y"], self._splits[split])}


def slice_number(path: Path) -> int:
    """Return the number that is a slice's name. Raises DamagedDataError for any other name."""
    if not (path.stem.isascii() and path.stem.isdigit()) or len(path.stem) > 6:
        raise DamagedDataError(f"{path} is not named by the number of its slice, so the order of the stack is unknown")
    return int(path.stem)


def read_split_file(path: Path) -> list[Pair]:
    """Read a split file: one pair of picture and mask per line, as paths relative to its folder.

    Raises DataUnavailableError if the file is missing, DamagedDataError naming the line.
    """
    lines = read_text(path, needs=CAMVID).splitlines()
    pairs = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        names = SEPARATORS.split(line.strip())
        if len(names) != 2:
            raise DamagedDataError(
                f"{path} line {number}: it has {len(names)} paths, not a picture and its mask with a space in between"
            )
        pairs.append((_resolve(path, number, names[0]), _resolve(path, number, names[1])))
        refuse_other_orientation(*pairs[-1])
    if not pairs:
        raise DamagedDataError(f"{path} is empty: fetch it again")
    return pairs


def _resolve(table: Path, number: int, text: str) -> Path:
    """Return the file that a line names. Raises DamagedDataError unless it exists inside the table's folder."""
    name = PurePosixPath(text.replace("\\", "/"))  # Windows writes backslashes
    if name.is_relative_to(SEGNET):
        name = name.relative_to(SEGNET)
    if name.is_absolute() or ".." in name.parts:
        raise DamagedDataError(f"{table} line {number}: {shorten(text)!r} lies outside the folder")
    path = find_named(table.parent, str(name))
    if path is None or not path.is_file():
        raise DamagedDataError(f"{table} line {number}: {shorten(text)!r} is not in {table.parent}")
    return path


def find_splits(root: Path) -> dict[str, list[Pair]]:
    """Find the pairs of `train`, `test` and, if it exists, `val` in a local folder."""
    found = {}
    for split, names in SPLITS.items():
        here = [inside for inside in folders(root) if inside.name.lower() in names]
        if here:
            refuse_second(root, here)
            found[split] = match_masks(_find_part(here[0], "images"), _find_part(here[0], "masks"), MASKS)
    if "train" in found and "test" in found:
        return found
    if found:
        missing = "test" if "train" in found else "train"
        raise DataUnavailableError(f"{root} holds no folder {missing!r} besides {', '.join(found)}; {MASKS}")
    top = find_one(root, "images", MASKS).parent
    pairs = match_masks(_find_part(top, "images"), _find_part(top, "masks"), MASKS)
    test = pairs[TEST_INTERVAL - 1 :: TEST_INTERVAL]
    if not test:
        raise DataUnavailableError(
            f"{top} holds {len(pairs)} pictures: at least {TEST_INTERVAL} are needed, to have one for test"
        )
    return {"train": [pair for pair in pairs if pair not in test], "test": test}


def _find_part(folder: Path, name: str) -> Path:
    """Find a folder called `name`, with or without the last s, in any case."""
    found = [inside for inside in folders(folder) if inside.name.lower() in (name, name.removesuffix("s"))]
    if not found:
        raise DataUnavailableError(f"{folder} holds no folder {name!r}; {MASKS}")
    refuse_second(folder, found)
    return found[0]


def _read_class_names(root: Path) -> tuple[str, ...]:
    """Read `classes.txt`; empty if there is none. Raises DamagedDataError."""
    path = root / "classes.txt"
    if not path.is_file():
        return ()
    return tuple(line.strip() for line in read_text(path).splitlines() if line.strip())

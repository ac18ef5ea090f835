"""The data sets of pictures and masks: membranes (ISBI 2012), road scenes (CamVid), and any folder of both."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np

from zoo_core import Context, DamagedDataError, DataUnavailableError, Signature, UnknownSplitError
from zoo_core.data.columns import Array
from zoo_core.data.images import folders, read_images
from zoo_unet.masks import (
    IGNORED,
    Pair,
    binary,
    guessing,
    image_size,
    limited,
    matched,
    membrane,
    read_mask,
    read_pairs,
)

TEST_SLICES = 5  # the last of the stack: neighbours are alike, so they are not taken from all over it
TEST_SHARE = 5  # one picture in so many is test, where a folder does not say
MEMBRANE = "it must hold train/image/N.png and train/label/N.png (0 membrane, 255 cell)"
CAMVID = "it must hold train.txt, val.txt and test.txt, each line a picture and its mask, and the files these name"
MASKS = "it must hold images/ and masks/ with files of the same names, or train/ and test/ with these inside"
SEGNET = PurePosixPath("/SegNet/CamVid")  # before the paths in the original split files
ROAD = (
    *("sky", "building", "pole", "road", "pavement", "tree"),
    *("sign", "fence", "car", "pedestrian", "bicyclist"),
)


class IsbiMembranes:
    """Slices of a nerve cord: x uint8 (n, 1, 512, 512), y uint8 (n, 512, 512): 0 cell, 1 membrane.

    Slices are in the order of their numbers, the last five are test. There is no val split of its own.
    Raises:
        DataUnavailableError: the folders are not here, are empty or hold too few slices.
        DamagedDataError: a slice has no label, a label no slice, a size is another's, a level is not 0 or 255.
    """

    def __init__(self, ctx: Context) -> None:
        images = find(ctx.folder(), "image", MEMBRANE)
        labels = images.with_name("label")
        self._pairs = matched(images, labels, MEMBRANE)
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
        y = np.stack([membrane(label, self._size) for _, label in pairs])
        return {"x": x, "y": y}


class CamVid:
    """Road scenes: x uint8 (n, 3, 180, 240), RGB, y uint8 (n, 180, 240), 11 classes; 11 is ignored.

    Pictures are made smaller area by area, masks by the nearest pixel. Splits are those of the files, with a val.
    Raises:
        DataUnavailableError: a split file is not here, or may not be read.
        DamagedDataError: a line is not two paths, names a file that is not here or is outside the folder; a picture
        cannot be read; a mask has colours, another size than its picture or a class over the count.
    """

    size = (180, 240)
    signature = Signature(input_shape=(3, *size), outputs=len(ROAD), classes=ROAD, extra={"ignore_index": len(ROAD)})

    def __init__(self, ctx: Context) -> None:
        self._root = find(ctx.folder(), "train.txt", CAMVID).parent

    def load(self, split: str) -> dict[str, Array]:
        if split not in ("train", "val", "test"):
            raise UnknownSplitError(f"CamVid has no split {split!r}, only train, val and test")
        pairs = split_file(self._root / f"{split}.txt")
        return read_pairs(pairs, self.size, len(ROAD), ignored=len(ROAD))


class CamVid480(CamVid):
    """As `CamVid`, x uint8 (n, 3, 360, 480), y uint8 (n, 360, 480): the size of SegNet's files."""

    size = (360, 480)
    signature = Signature(input_shape=(3, *size), outputs=len(ROAD), classes=ROAD, extra={"ignore_index": len(ROAD)})


class ImageMasks:
    """A person's pictures and masks: x uint8 (n, 3, h, w), y uint8 (n, h, w), 255 is ignored.

    Height and width are those of the first picture in train, no side longer than 512; others are brought to it. Masks
    hold class numbers, as grey levels or palette entries; masks of 0 and 255 alone are two classes. `classes.txt` has
    the classes' names, a line each; without it there are as many as train's masks have. Without a folder `test` every
    fifth picture is test; `val` or `valid` is val where it is there.
    Raises:
        DataUnavailableError: the folders are not here or are empty.
        DamagedDataError: a picture has no mask or cannot be read; a mask has colours, another size than its picture or
        a class over the count.
    """

    def __init__(self, ctx: Context) -> None:
        root = ctx.folder()
        self._splits = folder_splits(root)
        train = self._splits["train"]
        self._size = limited(image_size(train[0][0]))
        pixels = np.zeros(256, np.int64)
        for image, mask in train:
            pixels += np.bincount(read_mask(mask, image_size(image)).ravel(), minlength=256)
        values = np.flatnonzero(pixels).tolist()
        self._binary = values in ([0, IGNORED], [IGNORED])
        names = _names(root)
        known = [value for value in values if value != IGNORED]
        count = 2 if self._binary else max(2, len(names) or max(known, default=0) + 1)
        counts = pixels[[0, IGNORED]] if self._binary else pixels[:count]
        chance = guessing(counts / max(1, counts.sum()))
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
        columns = read_pairs(self._splits[split], self._size, 256 if self._binary else outputs, ignored=IGNORED)
        if not self._binary:
            return columns
        return {**columns, "y": binary(columns["y"], self._splits[split])}


def find(root: Path, name: str, needs: str) -> Path:
    """The first file or folder called `name` in `root` or in the folders below it, level by level.

    Raises DataUnavailableError saying what `root` needs.
    """
    waiting = [root]
    for folder in waiting:
        if (folder / name).exists():
            return folder / name
        waiting += [inside for inside in folders(folder) if not inside.is_symlink()]  # links may lead in circles
    raise DataUnavailableError(f"{root} holds no {name} at any depth; {needs}")


def slice_number(path: Path) -> int:
    if not (path.stem.isascii() and path.stem.isdigit()) or len(path.stem) > 6:
        raise DamagedDataError(f"{path} is not named by the number of its slice: the order of the stack is not known")
    return int(path.stem)


def split_file(path: Path) -> list[Pair]:
    """The pictures and masks that a split file names, a pair a line; paths are relative to its folder.

    Raises DataUnavailableError where it is not here, DamagedDataError naming the line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except PermissionError as error:
        raise DataUnavailableError(f"{path} may not be read: change its permissions") from error
    except OSError as error:
        raise DataUnavailableError(f"{path} is missing; {CAMVID}") from error
    except ValueError as error:
        raise DamagedDataError(f"{path} is no text ({error}): fetch it again") from error
    pairs = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        names = line.replace(";", " ").split()
        if len(names) != 2:
            raise DamagedDataError(f"{path} line {number}: it has {len(names)} paths, not a picture and its mask")
        pairs.append((_inside(path, number, names[0]), _inside(path, number, names[1])))
    if not pairs:
        raise DamagedDataError(f"{path} is empty: fetch it again")
    return pairs


def _inside(table: Path, number: int, text: str) -> Path:
    """A file that a line names: below the table's folder, and really there."""
    name = PurePosixPath(text)
    if name.is_relative_to(SEGNET):
        name = name.relative_to(SEGNET)
    path = table.parent / name
    if name.is_absolute() or ".." in name.parts or not path.resolve().is_relative_to(table.parent.resolve()):
        raise DamagedDataError(f"{table} line {number}: {text!r} lies outside the folder")
    if not path.is_file():
        raise DamagedDataError(f"{table} line {number}: {text!r} is not in {table.parent}")
    return path


def folder_splits(root: Path) -> dict[str, list[Pair]]:
    """The pairs of `train`, `test` and, where it is there, `val`, of a person's folder."""
    found = {}
    for split, names in {"train": ("train",), "val": ("val", "valid"), "test": ("test",)}.items():
        for inside in folders(root):
            if inside.name.lower() in names:
                found[split] = matched(_part(inside, "images"), _part(inside, "masks"), MASKS)
    if "train" in found and "test" in found:
        return found
    if found:
        missing = "test" if "train" in found else "train"
        raise DataUnavailableError(f"{root} holds no folder {missing!r} beside {', '.join(found)}; {MASKS}")
    top = find(root, "images", MASKS).parent
    pairs = matched(_part(top, "images"), _part(top, "masks"), MASKS)
    test = pairs[TEST_SHARE - 1 :: TEST_SHARE]
    if not test:
        raise DataUnavailableError(f"{top} holds {len(pairs)} pictures: {TEST_SHARE} are the least to test on one")
    return {"train": [pair for pair in pairs if pair not in test], "test": test}


def _part(folder: Path, name: str) -> Path:
    for inside in folders(folder):
        if inside.name.lower() in (name, name.removesuffix("s")):
            return inside
    raise DataUnavailableError(f"{folder} holds no folder {name!r}; {MASKS}")


def _names(root: Path) -> tuple[str, ...]:
    path = root / "classes.txt"
    if not path.is_file():
        return ()
    try:
        return tuple(line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip())
    except (OSError, ValueError) as error:
        raise DamagedDataError(f"{path} cannot be read as text ({error}): save it as UTF-8") from error

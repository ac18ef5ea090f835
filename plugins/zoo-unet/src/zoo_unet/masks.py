"""Reads pictures and their masks of class numbers; an error names the file."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from zoo_core import DamagedDataError, DataUnavailableError
from zoo_core.data.columns import Array
from zoo_core.data.images import FORMATS, UNREADABLE, list_images, read_image, read_images

IGNORED = 255  # level of ignored pixels in the masks of a local folder
MAX_SIDE = 512  # pixels of the longer side, for pictures of a local folder

Pair = tuple[Path, Path]  # picture and mask


def match_masks(images: Path, masks: Path, needs: str) -> list[Pair]:
    """Pair the pictures of one folder with the masks in another by name without suffix; sorted by name.

    Raises DataUnavailableError for an empty folder, DamagedDataError naming a file without a partner or with two.
    """
    pictures = list_images(images)
    if not pictures:
        raise DataUnavailableError(f"{images} holds no pictures; {needs}")
    partners: dict[str, Path] = {}
    for path in list_images(masks):
        if partners.setdefault(path.stem, path) != path:
            raise DamagedDataError(f"{path} and {partners[path.stem].name} are masks of the same picture: remove one")
    pairs = []
    for path in pictures:
        mask = partners.pop(path.stem, None)
        if mask is None:
            raise DamagedDataError(f"{path} has no mask of the same name in {masks}: add it, or remove the picture")
        pairs.append((path, mask))
    if partners:
        raise DamagedDataError(
            f"{next(iter(partners.values()))} has no picture of the same name in {images}: remove it"
        )
    return pairs


def image_size(path: Path) -> tuple[int, int]:
    """Return a picture's height and width, after rotation by its EXIF data. Raises DamagedDataError."""
    picture = read_image(path, channels=1)
    return picture.shape[1], picture.shape[2]


def limit_size(size: tuple[int, int]) -> tuple[int, int]:
    """Scale a size down, keeping its proportions, until no side is longer than 512 pixels."""
    share = min(1.0, MAX_SIDE / max(size))
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))


def read_pairs(pairs: Sequence[Pair], size: tuple[int, int], classes: int, *, ignored: int) -> dict[str, Array]:
    """Read pictures uint8 (n, 3, h, w) and masks uint8 (n, h, w), resized to `size`.

    Raises DamagedDataError for a mask with a class that is neither below `classes` nor `ignored`.
    """

    def read(pair: Pair) -> Array:
        mask = read_mask(pair[1], image_size(pair[0]))
        over = (mask >= classes) & (mask != ignored)
        if over.any():
            row, column = np.argwhere(over)[0].tolist()
            raise DamagedDataError(
                f"{pair[1]} has class {mask[row, column]} at row {row}, column {column}, "
                f"but the classes are 0 to {classes - 1}"
            )
        return np.asarray(Image.fromarray(mask).resize((size[1], size[0]), Image.Resampling.NEAREST))

    x = read_images([image for image, _ in pairs], size)
    with ThreadPoolExecutor() as threads:
        return {"x": x, "y": np.stack(list(threads.map(read, pairs)))}


def read_mask(path: Path, size: tuple[int, int]) -> Array:
    """Read class numbers, uint8 (height, width): grey levels or palette entries; black and white are 0 and 1.

    Raises DamagedDataError for a file that cannot be read, has colours or more than 8 bits, or is not of `size`.
    """
    try:
        with Image.open(path, formats=FORMATS) as opened:
            opened.load()
            mode = opened.mode
            mask = np.asarray(opened)
    except PermissionError as error:
        raise DataUnavailableError(f"{path} may not be read: change its permissions") from error
    except UNREADABLE as error:
        raise DamagedDataError(f"{path} cannot be read as a mask ({error}): fetch it again, or remove it") from error
    if mode not in ("L", "P", "1"):
        problem = "has more than 8 bits" if mode.startswith(("I", "F")) else "is in colour"
        raise DamagedDataError(f"{path} {problem}: a mask holds class numbers, grey or as a palette (mode {mode})")
    if mask.shape != size:
        raise DamagedDataError(
            f"{path} is {mask.shape[1]}x{mask.shape[0]} pixels, its picture {size[1]}x{size[0]}: "
            "they do not belong together"
        )
    return mask.astype(np.uint8)


def read_membrane_label(path: Path, size: tuple[int, int]) -> Array:
    """Read a label of ISBI 2012 as uint8 (height, width): 1 where it is black. Raises DamagedDataError."""
    mask = read_mask(path, size)
    levels = np.setdiff1d(mask, [0, 255])
    if levels.size:
        raise DamagedDataError(f"{path} has level {levels[0]}: a label is 0 (membrane) or 255 (cell)")
    return (mask == 0).astype(np.uint8)


def to_binary(y: Array, pairs: Sequence[Pair]) -> Array:
    """Turn masks of 0 and 255 into masks of 0 and 1. Raises DamagedDataError for other levels."""
    for mask, (_, path) in zip(y, pairs, strict=True):
        levels = np.setdiff1d(mask, [0, 255])
        if levels.size:
            raise DamagedDataError(f"{path} has level {levels[0]}, but train's masks have only 0 and 255")
    return (y == IGNORED).astype(np.uint8)


def chance_levels(shares: Array) -> dict[str, float]:
    """Compute chance levels by metric from the classes' shares of the pixels, (classes,).

    Mean IoU of random predictions with these shares, p / (2 - p) for each class; for two classes, also the Dice of
    always predicting the second.
    """
    known = shares[shares > 0]
    scores = {"mean_iou": float((known / (2 - known)).sum() / max(1, len(known)))}
    return scores | ({"dice": float(2 * shares[1] / (1 + shares[1]))} if len(shares) == 2 else {})

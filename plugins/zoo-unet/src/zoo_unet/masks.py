"""Reads pictures and their masks: class numbers pixel by pixel, or an error that names the file."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from zoo_core import DamagedDataError, DataUnavailableError
from zoo_core.data.columns import Array
from zoo_core.data.images import FORMATS, UNREADABLE, list_images, read_image, read_images

IGNORED = 255  # of a folder's masks
LONGEST = 512  # pixels of a side that a folder's pictures are brought to

Pair = tuple[Path, Path]  # picture and mask


def matched(images: Path, masks: Path, needs: str) -> list[Pair]:
    """The pictures of one folder with the masks of the same name in another, extension aside; in the order of names.

    Raises DataUnavailableError for an empty folder, DamagedDataError naming what has no partner or has two.
    """
    pictures = list_images(images)
    if not pictures:
        raise DataUnavailableError(f"{images} holds no pictures; {needs}")
    partners: dict[str, Path] = {}
    for path in list_images(masks):
        if partners.setdefault(path.stem, path) != path:
            raise DamagedDataError(f"{path} and {partners[path.stem].name} are masks of one picture: remove one")
    pairs = []
    for path in pictures:
        mask = partners.pop(path.stem, None)
        if mask is None:
            raise DamagedDataError(f"{path} has no mask of its name in {masks}: add it, or remove the picture")
        pairs.append((path, mask))
    if partners:
        raise DamagedDataError(f"{next(iter(partners.values()))} has no picture of its name in {images}: remove it")
    return pairs


def image_size(path: Path) -> tuple[int, int]:
    """Height and width as the file's header says, turned upright as its EXIF does. Raises DamagedDataError."""
    picture = read_image(path, channels=1)
    return picture.shape[1], picture.shape[2]


def limited(size: tuple[int, int]) -> tuple[int, int]:
    """A size in the same form, no side longer than 512 pixels."""
    share = min(1.0, LONGEST / max(size))
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))


def read_pairs(pairs: Sequence[Pair], size: tuple[int, int], classes: int, *, ignored: int) -> dict[str, Array]:
    """Pictures uint8 (n, 3, h, w) and masks uint8 (n, h, w) of `size`, classes below the count, or `ignored`."""

    def read(pair: Pair) -> Array:
        mask = read_mask(pair[1], image_size(pair[0]))
        over = (mask >= classes) & (mask != ignored)
        if over.any():
            row, column = np.argwhere(over)[0].tolist()
            raise DamagedDataError(
                f"{pair[1]} has class {mask[row, column]} at row {row}, column {column}: there are {classes}, from 0"
            )
        return np.asarray(Image.fromarray(mask).resize((size[1], size[0]), Image.Resampling.NEAREST))

    x = read_images([image for image, _ in pairs], size)
    with ThreadPoolExecutor() as threads:
        return {"x": x, "y": np.stack(list(threads.map(read, pairs)))}


def read_mask(path: Path, size: tuple[int, int]) -> Array:
    """Class numbers, uint8 (height, width): grey levels or palette entries, 0 and 1 of black-and-white files.

    Raises DamagedDataError for a file that cannot be read, has colours, more than 8 bits, or is not of `size`.
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


def membrane(path: Path, size: tuple[int, int]) -> Array:
    """1 where the label is black, uint8 (height, width)."""
    mask = read_mask(path, size)
    levels = np.setdiff1d(mask, [0, 255])
    if levels.size:
        raise DamagedDataError(f"{path} has level {levels[0]}: a label is 0 (membrane) or 255 (cell)")
    return (mask == 0).astype(np.uint8)


def binary(y: Array, pairs: Sequence[Pair]) -> Array:
    """1 where masks of 0 and 255 have 255."""
    for mask, (_, path) in zip(y, pairs, strict=True):
        levels = np.setdiff1d(mask, [0, 255])
        if levels.size:
            raise DamagedDataError(f"{path} has level {levels[0]}, train's masks only 0 and 255")
    return (y == IGNORED).astype(np.uint8)


def guessing(shares: Array) -> dict[str, float]:
    """The scores of who knows only the classes' shares of the pixels, (classes,): by metric.

    Mean IoU of drawing each pixel's class by these shares, p / (2 - p) each; Dice of always answering the second.
    """
    known = shares[shares > 0]
    scores = {"mean_iou": float((known / (2 - known)).sum() / max(1, len(known)))}
    return scores | ({"dice": float(2 * shares[1] / (1 + shares[1]))} if len(shares) == 2 else {})

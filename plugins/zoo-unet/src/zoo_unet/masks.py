"""Reads pictures and their masks of class numbers; an error names the file."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from zoo_core import DamagedDataError, DataUnavailableError
from zoo_core.data.columns import Array
from zoo_core.data.images import UNREADABLE, list_images, open_picture, read_images, unreadable
from zoo_core.data.names import composed, natural_key
from zoo_core.data.orientation import read_orientation

IGNORED = 255  # level of ignored pixels in the masks of a local folder
MAX_SIDE = 512  # pixels of the longer side, for pictures of a local folder
MAX_UNNAMED_CLASSES = 64  # without classes.txt; more levels are those of a smoothed mask
MAX_LEVELS_SHOWN = 6  # in an error message
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
SAVE_AGAIN = "save masks as PNG, grey or palette, without smoothing, of 0 and 255 or of class numbers 0, 1, 2 ..."

Pair = tuple[Path, Path]  # picture and mask


def match_masks(images: Path, masks: Path, needs: str) -> list[Pair]:
    """Pair the pictures of one folder with the masks in another by name without suffix; sorted, numbers by value.

    Raises DataUnavailableError for an empty folder, DamagedDataError naming a file without a partner or with two, and
    a mask whose EXIF orientation contradicts that of its picture.
    """
    pictures, partners = _by_stem(images, "pictures"), _by_stem(masks, "masks")
    if not pictures:
        raise DataUnavailableError(f"{images} holds no pictures; {needs}")
    pairs = []
    for stem in sorted(pictures, key=natural_key):
        mask = partners.pop(stem, None)
        if mask is None:
            raise DamagedDataError(
                f"{pictures[stem]} has no mask of the same name in {masks}: add it, or remove the picture"
            )
        refuse_other_orientation(pictures[stem], mask)
        pairs.append((pictures[stem], mask))
    if partners:
        raise DamagedDataError(
            f"{next(iter(partners.values()))} has no picture of the same name in {images}: remove it"
        )
    return pairs


def _by_stem(folder: Path, what: str) -> dict[str, Path]:
    """Map name without suffix to file. Raises DamagedDataError for two files of one name."""
    found: dict[str, Path] = {}
    for path in list_images(folder):
        first = found.setdefault(composed(path.stem), path)
        if first != path:
            of = "masks of the same picture" if what == "masks" else "two pictures of the same name"
            raise DamagedDataError(f"{path} and {first.name} are {of}: remove one")
    return found


def refuse_other_orientation(picture: Path, mask: Path) -> None:
    """Raise DamagedDataError if EXIF turns two files differently, and their sizes do not show whether they fit.

    A mask that was drawn on the upright picture has no tag, but then fits the upright size only.
    """
    tags, sizes = [], []
    for path in (picture, mask):
        try:
            tag, size = _upright(path)
        except UNREADABLE:
            return  # reported when the file is read
        tags.append(tag)
        sizes.append(size)
    turned_by_a_quarter = (tags[0] >= 5) != (tags[1] >= 5)
    ambiguous = sizes[0] == sizes[1] and not (turned_by_a_quarter and sizes[0][0] != sizes[0][1])
    if tags[0] != tags[1] and ambiguous:
        raise DamagedDataError(
            f"{mask} and its picture {picture} have different EXIF orientations ({tags[1]} and {tags[0]}): "
            "save both upright, without the tag"
        )


def image_size(path: Path) -> tuple[int, int]:
    """Return a picture's height and width, after rotation by its EXIF data. Raises DamagedDataError."""
    try:
        width, height = _upright(path)[1]
    except PermissionError as error:
        raise DataUnavailableError(f"{path} may not be read: change its permissions") from error
    except UNREADABLE as error:
        raise unreadable(path, "a picture", error) from error
    return height, width


def _upright(path: Path) -> tuple[int, tuple[int, int]]:
    """Read a file's EXIF orientation, 1 to 8, and its (width, height) once turned upright."""
    with open_picture(path) as opened:
        tag = read_orientation(opened)
        if opened.format == "TIFF":  # Pillow turns these upright itself
            opened.load()
            return tag, opened.size
        return tag, opened.size[::-1] if tag >= 5 else opened.size  # 5 to 8 swap the sides


def limit_size(size: tuple[int, int]) -> tuple[int, int]:
    """Scale a size down, keeping its proportions, until no side is longer than 512 pixels."""
    share = min(1.0, MAX_SIDE / max(size))
    return max(1, round(size[0] * share)), max(1, round(size[1] * share))


def read_pairs(
    pairs: Sequence[Pair], size: tuple[int, int], classes: int, *, ignored: int, white: int = 1
) -> dict[str, Array]:
    """Read pictures uint8 (n, 3, h, w) and masks uint8 (n, h, w), resized to `size`.

    white: as in `read_mask`. Raises DamagedDataError for a mask with a class that is neither below `classes` nor
    `ignored`.
    """

    def read(pair: Pair) -> Array:
        mask = read_mask(pair[1], image_size(pair[0]), white=white)
        over = (mask >= classes) & (mask != ignored)
        if over.any():
            row, column = np.argwhere(over)[0].tolist()
            raise DamagedDataError(
                f"{pair[1]} has class {mask[row, column]} at row {row}, column {column}, "
                f"but the classes are 0 to {classes - 1}: correct the mask, or name all classes in classes.txt"
            )
        return np.asarray(Image.fromarray(mask).resize((size[1], size[0]), Image.Resampling.NEAREST))

    x = read_images([image for image, _ in pairs], size)
    with ThreadPoolExecutor() as threads:
        return {"x": x, "y": np.stack(list(threads.map(read, pairs)))}


def read_mask(path: Path, size: tuple[int, int], *, white: int = 1) -> Array:
    """Read class numbers, uint8 (height, width): grey levels or palette entries, turned upright as EXIF says.

    Colour formats are read if all three channels are equal and nothing is transparent.
    white: the value of white in a file that can hold only black and white, for which black is 0.
    Raises DamagedDataError for a file that cannot be read, has colours, smoothed edges or more than 8 bits, or is not
    of `size`.
    """
    try:
        with open_picture(path) as opened:
            opened.load()
            picture, bilevel, lossy = ImageOps.exif_transpose(opened), is_bilevel(opened), opened.format == "JPEG"
    except PermissionError as error:
        raise DataUnavailableError(f"{path} may not be read: change its permissions") from error
    except UNREADABLE as error:
        raise unreadable(path, "a mask", error) from error
    mask = (np.asarray(picture.convert("L")) == IGNORED) * np.uint8(white) if bilevel else _grey_levels(path, picture)
    if mask.shape != size:
        raise DamagedDataError(
            f"{path} is {mask.shape[1]}x{mask.shape[0]} pixels, its picture {size[1]}x{size[0]}: "
            "they do not belong together"
        )
    if lossy and np.setdiff1d(mask, [0, IGNORED]).size:
        raise DamagedDataError(f"{path} is a JPEG of {show_levels(mask)}, and JPEG changes levels: {SAVE_AGAIN}")
    return mask.astype(np.uint8)


def is_bilevel(picture: Image.Image) -> bool:
    """Return whether a picture's format holds only black and white: one bit per pixel, or a palette of these two."""
    if picture.mode != "P":
        return picture.mode == "1"
    levels = iter(picture.getpalette() or [])
    return set(zip(levels, levels, levels, strict=True)) == {BLACK, WHITE}


def _grey_levels(path: Path, picture: Image.Image) -> Array:
    """Return the grey levels or palette entries, uint8 (height, width). Raises DamagedDataError."""
    if picture.mode in ("L", "P"):
        return np.asarray(picture)
    if picture.mode.startswith(("I", "F")):
        raise DamagedDataError(f"{path} has more than 8 bits (mode {picture.mode}): save class numbers with 8")
    if picture.mode not in ("LA", "RGB", "RGBA"):
        raise DamagedDataError(f"{path} is in colour (mode {picture.mode}): {SAVE_AGAIN}")
    *channels, last = np.moveaxis(np.asarray(picture), 2, 0)
    if not picture.mode.endswith("A"):
        channels.append(last)
    elif last.min() < IGNORED:
        raise DamagedDataError(f"{path} has transparent pixels, whose class is unknown: {SAVE_AGAIN}")
    if not all(np.array_equal(channel, channels[0]) for channel in channels):
        raise DamagedDataError(f"{path} is in colour (mode {picture.mode}): {SAVE_AGAIN}")
    return channels[0]


def show_levels(mask: Array) -> str:
    """Return the number of grey levels of a mask and the first of them, for a message."""
    levels = np.unique(mask).tolist()
    more = " ..." if len(levels) > MAX_LEVELS_SHOWN else ""
    return f"{len(levels)} grey levels ({', '.join(map(str, levels[:MAX_LEVELS_SHOWN]))}{more})"


def read_membrane_label(path: Path, size: tuple[int, int]) -> Array:
    """Read a label of ISBI 2012 as uint8 (height, width): 1 where it is black. Raises DamagedDataError."""
    mask = read_mask(path, size, white=255)
    levels = np.setdiff1d(mask, [0, 255])
    if levels.size:
        raise DamagedDataError(f"{path} has level {levels[0]}: a label is 0 (membrane) or 255 (cell)")
    return (mask == 0).astype(np.uint8)


def to_binary(y: Array, pairs: Sequence[Pair]) -> Array:
    """Turn masks of 0 and 255 into masks of 0 and 1. Raises DamagedDataError for other levels."""
    for mask, (_, path) in zip(y, pairs, strict=True):
        levels = np.setdiff1d(mask, [0, 255])
        if levels.size:
            raise DamagedDataError(f"{path} has level {levels[0]}, but train's masks have only 0 and 255: {SAVE_AGAIN}")
    return (y == IGNORED).astype(np.uint8)


def refuse_white(y: Array, pairs: Sequence[Pair]) -> None:
    """Raise DamagedDataError for masks of 0 and 255 where train's have 0 and 1: their white may be class 1."""
    white = (y == IGNORED).any(axis=(1, 2))
    if white.any() and not np.setdiff1d(y, [0, IGNORED]).size:
        raise DamagedDataError(
            f"{pairs[int(white.argmax())][1]} has level 255, but train's masks have only 0 and 1: {SAVE_AGAIN}"
        )


def chance_levels(shares: Array) -> dict[str, float]:
    """Compute chance levels by metric from the classes' shares of the pixels, (classes,).

    Mean IoU of random predictions with these shares, p / (2 - p) for each class; for two classes, also the Dice of
    always predicting the second.
    """
    known = shares[shares > 0]
    scores = {"mean_iou": float((known / (2 - known)).sum() / max(1, len(known)))}
    return scores | ({"dice": float(2 * shares[1] / (1 + shares[1]))} if len(shares) == 2 else {})


def count_levels(pairs: Sequence[Pair], *, named: bool) -> tuple[Array, int]:
    """Count the pixels of each level in masks, int64 (256,), and choose the value of white in black-and-white files.

    White is 255 if no other mask has class numbers, else 1. named: whether classes.txt names the classes. Without it,
    raises DamagedDataError for masks with many levels and, in files without a palette, for large gaps between them:
    smoothing makes such levels.
    """
    grey, palette, bilevel = np.zeros((3, 256), np.int64)
    worst = ((False, 0, 0), pairs[0][1], np.zeros(0, np.uint8))  # without a palette, if there are such files
    for image, path in pairs:
        mask = read_mask(path, image_size(image), white=IGNORED)
        with open_picture(path) as opened:
            counts = bilevel if is_bilevel(opened) else palette if opened.mode == "P" else grey
        counts += np.bincount(mask.ravel(), minlength=256)
        levels = np.unique(mask)
        key = (counts is grey, len(levels), int(levels.max()))
        worst = max(worst, (key, path, levels), key=lambda found: found[0])
    known = np.flatnonzero((grey + palette)[:IGNORED])
    has_gaps = np.flatnonzero(grey[:IGNORED]).max(initial=-1) + 1 > 2 * len(known)
    if not named and (len(known) > MAX_UNNAMED_CLASSES or has_gaps):
        _, path, levels = worst
        raise DamagedDataError(
            f"{path} has {show_levels(levels)}, but without classes.txt masks need the class numbers 0, 1, 2 ...: "
            f"name the classes 0 to {known[-1]} in classes.txt, or {SAVE_AGAIN}"
        )
    if not known.any():
        return grey + palette + bilevel, IGNORED
    bilevel[1], bilevel[IGNORED] = bilevel[IGNORED], 0
    return grey + palette + bilevel, 1

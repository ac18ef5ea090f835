"""Reads pictures from files and folders: what real data sets hold becomes uint8 arrays, or an error naming the file."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from zoo_core.columns import Array
from zoo_core.errors import DamagedDataError, DataError, DataUnavailableError
from zoo_core.measure.environment import usable_cores

LOG = logging.getLogger("zoo")
EXTENSIONS = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # not EPS, for which Pillow starts Ghostscript
# What Pillow raises for files that are cut, are no pictures, or claim to be larger than any real one; damaged EXIF
# tags are the source of the middle four.
UNREADABLE = (
    *(OSError, SyntaxError, ValueError, EOFError),
    *(TypeError, AttributeError, LookupError, ArithmeticError),
    *(struct.error, Image.DecompressionBombError),
)


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """Labelled picture files: `labels` int64 (n,), indices of `classes`."""

    paths: Sequence[Path]
    labels: Array
    classes: tuple[str, ...]


def find_split(root: Path, *names: str) -> Path:
    """The folder of a split: called one of `names` (case aside), below `root` or below its folders.

    Raises DataUnavailableError.
    """
    for folder in (root, *folders(root)):
        for name in names:
            for inside in folders(folder):
                if inside.name.lower() == name:
                    return inside
    raise DataUnavailableError(f"{root} holds no folder {' or '.join(map(repr, names))}, nor does a folder in it")


def image_folder(folder: Path, classes: Sequence[str] = ()) -> ImageFiles:
    """The pictures of a folder with one folder for each class, in the order of the names.

    Files that are no pictures by their extension are passed over. Raises DataUnavailableError for a class without
    pictures, and DamagedDataError where the folders are not the `classes` that are asked for.
    """
    names = [inside.name for inside in folders(folder)]
    if not names:
        raise DataUnavailableError(f"{folder} is empty: it needs one folder of pictures for each class")
    if classes and set(names) != set(classes):
        unknown, missing = sorted(set(names) - set(classes)), sorted(set(classes) - set(names))
        problem = f"unknown: {', '.join(unknown)}" if unknown else f"missing: {', '.join(missing)}"
        raise DamagedDataError(f"{folder} has other classes than are expected ({problem})")
    classes = tuple(classes) or tuple(names)
    paths, labels = [], []
    for label, name in enumerate(classes):
        inside = list_images(folder / name)
        _tell_of_others(folder / name, len(inside))
        if not inside:
            raise DataUnavailableError(f"{folder / name} holds no pictures: fill or remove it")
        paths += inside
        labels += [label] * len(inside)
    return ImageFiles(paths, np.asarray(labels, np.int64), tuple(classes))


def _tell_of_others(folder: Path, pictures: int) -> None:
    """Count what is passed over, so that pictures under a strange name do not go missing unseen."""
    others = [path.name for path in _listed(folder, Path.is_file) if path.suffix.lower() not in EXTENSIONS]
    if others:
        LOG.warning(
            "%s: %d files are no pictures by their names (%s ...), %d are", folder, len(others), others[0], pictures
        )


def folders(folder: Path) -> list[Path]:
    """The folders in `folder` by name, without hidden ones and what packers leave.

    Raises DataUnavailableError where `folder` is none, DataError where it may not be read; so does `list_images`.
    """
    return [path for path in _listed(folder, Path.is_dir) if path.name != "__MACOSX"]


def list_images(folder: Path) -> list[Path]:
    """The picture files in `folder` by name."""
    return [path for path in _listed(folder, Path.is_file) if path.suffix.lower() in EXTENSIONS]


def _listed(folder: Path, wanted: Callable[[Path], bool]) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith(".") and wanted(path))
    except PermissionError as error:
        raise DataError(f"{folder} may not be read: change its permissions") from error
    except OSError as error:
        raise DataUnavailableError(f"{folder} cannot be read as a folder ({error.strerror})") from error


def read_image(path: Path, size: tuple[int, int] | None = None, *, channels: int = 3, resize: bool = True) -> Array:
    """A picture as uint8 (channels, height, width), 3 channels (RGB) or 1 (grey), turned upright as its EXIF says.

    Grey, palette and transparent pictures are converted, those of more than 8 bits a channel refused. `size` is
    (height, width): others are resized to it, area by area, or with `resize=False` refused.
    Raises DamagedDataError naming the file, DataError where it may not be read.
    """
    try:
        with Image.open(path, formats=FORMATS) as opened:
            picture = _in_bytes(ImageOps.exif_transpose(opened), "RGB" if channels == 3 else "L")
    except PermissionError as error:
        raise DataError(f"{path} may not be read: change its permissions") from error
    except UNREADABLE as error:
        raise DamagedDataError(f"{path} cannot be read as a picture ({error}): fetch it again, or remove it") from error
    if size is not None and (picture.height, picture.width) != size:
        if not resize:
            raise DamagedDataError(f"{path} is {picture.width}x{picture.height} pixels, not {size[1]}x{size[0]}")
        picture = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    return np.asarray(picture).reshape(picture.height, picture.width, -1).transpose(2, 0, 1)


def _in_bytes(picture: Image.Image, mode: str) -> Image.Image:
    """Converted to `mode`; ValueError where Pillow would cut every value to 255 at most."""
    if picture.mode.startswith(("I", "F")):
        raise ValueError("it has more than 8 bits a channel: save it with 8")
    if picture.mode == "P" and picture.has_transparency_data:
        picture = picture.convert("RGBA")  # otherwise Pillow warns
    return picture.convert(mode)


def read_images(paths: Sequence[Path], size: tuple[int, int], *, channels: int = 3, resize: bool = True) -> Array:
    """As `read_image`, many: uint8 (n, channels, height, width); Pillow decodes on every core."""
    images = np.empty((len(paths), channels, *size), np.uint8)

    def read(row: int) -> None:
        images[row] = read_image(paths[row], size, channels=channels, resize=resize)

    with ThreadPoolExecutor(usable_cores()) as threads:
        for _ in threads.map(read, range(len(paths))):
            pass
    return images

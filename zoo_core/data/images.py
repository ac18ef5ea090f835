"""Reads picture files and folders into uint8 arrays; errors name the file."""

from __future__ import annotations

import io
import logging
import os
import struct
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
from PIL import Image, ImageFile, ImageOps

from zoo_core.columns import Array
from zoo_core.data.names import composed
from zoo_core.data.walk import folders, inner_root, list_folder
from zoo_core.errors import DamagedDataError, DataError, DataUnavailableError
from zoo_core.files import is_files_fault, read_regular
from zoo_core.measure.environment import usable_cores

LOG = logging.getLogger("zoo")
MAX_DEPTH = 4  # of the folders in which an error looks for a split
# The folders of a split, in lower case.
SPLITS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
SPLIT_NAMES = frozenset(name for names in SPLITS.values() for name in names)
NOT_A_PICTURE = "no extension of a picture"
LOOSE = "a file beside the folders of the classes"
TOO_DEEP = "in a folder inside the folder of a class"
EXTENSIONS = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"})
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # without EPS, for which Pillow starts Ghostscript
# A picture of up to 32 million pixels takes some 300 MB while it is read. Photographs have about one pixel a byte, and
# maps of classes up to 500; one colour has 1,000 to 8,000.
FREE_PIXELS, MAX_PIXELS_PER_BYTE = 32 << 20, 500
LARGE_PIXELS, MAX_FILE_BYTES = 16 << 20, 1 << 30
_LARGE_PICTURE = threading.RLock()  # is held while a picture of more pixels is in memory
# Pillow raises these for truncated files, other files, and pictures that claim an absurd size. The four in the middle
# come from damaged EXIF tags.
UNREADABLE = (
    *(OSError, SyntaxError, ValueError, EOFError),
    *(TypeError, AttributeError, LookupError, ArithmeticError),
    *(struct.error, Image.DecompressionBombError),
)


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """Labelled picture files.

    Shapes: labels int64 (n,), indices into `classes`.
    """

    paths: Sequence[Path]
    labels: Array
    classes: tuple[str, ...]


def find_split(root: Path, *names: str) -> Path:
    """Find the folder of a split: called one of `names`, in any case, in `root` or in one of its folders.

    names: in lower case. Raises DataUnavailableError if there is none, DamagedDataError if there are several: they may
    be copies of a data set.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "data", "Valid").mkdir(parents=True)
    ...     find_split(Path(folder), "val", "valid").name
    'Valid'
    """
    root = inner_root(root, {*SPLIT_NAMES, *names})
    below = folders(root)
    found = [folder for folder in below if folder.name.lower() in names]
    # A folder of a split holds classes, which may have any name.
    others = [folder for folder in below if folder.name.lower() not in (*SPLIT_NAMES, *names)]
    found += [inside for folder in others for inside in folders(folder) if inside.name.lower() in names]
    if not found:
        wanted = " or ".join(map(repr, names))
        deeper = next((path for path in _folders_down_to(root, MAX_DEPTH) if path.name.lower() in names), None)
        hint = f"; there is {deeper}: give --data-root {deeper.parent}" if deeper else ""
        raise DataUnavailableError(f"{root} holds no folder {wanted}, nor does a folder in it{hint}")
    second = next((folder for folder in found[1:] if folder.resolve() != found[0].resolve()), None)  # or it is a link
    if second is not None:
        _refuse_two(root, found[0], second)
    return found[0]


def find_splits(root: Path, needs: str) -> dict[str, Path]:
    """Find the folders of `train` and `test`, and of `val` if there is one, beside each other: see `SPLITS`.

    Raises DataUnavailableError, whose message ends with `needs`: what `root` must hold. Raises DamagedDataError if a
    split has several folders.
    """
    try:
        home = find_split(root, *SPLITS["train"]).parent
    except DataUnavailableError as error:
        raise DataUnavailableError(f"{error}; {needs}") from error
    found: dict[str, Path] = {}
    for folder in folders(home):  # never below them, where a class may have the name of a split
        split = next((split for split, names in SPLITS.items() if folder.name.lower() in names), None)
        if split in found and not found[split].samefile(folder):
            _refuse_two(root, found[split], folder)
        if split is not None:
            found.setdefault(split, folder)
    if "test" not in found:
        raise DataUnavailableError(f"{home} holds no folder 'test'; {needs}")
    return found


def _folders_down_to(root: Path, depth: int) -> list[Path]:
    """List the folders below `root` down to a depth, level by level."""
    found, level = dict[str, Path](), [root]  # by real path: links may lead to one folder many times
    for _ in range(depth):
        below = {os.path.realpath(inside): inside for folder in level for inside in folders(folder)}
        level = [inside for real, inside in below.items() if real not in found]
        found = below | found
    return list(found.values())


def _refuse_two(root: Path, first: Path, second: Path) -> NoReturn:
    """Raise DamagedDataError for two folders of one split, with a remedy that fits where they are."""
    if first.parent == second.parent:
        raise DamagedDataError(f"{root} holds two folders of one split, {first} and {second}: rename or remove one")
    both = f"{root} holds two data sets, {first} and {second}"
    if root in (first.parent, second.parent):
        raise DamagedDataError(f"{both}: move one of them out of {root}, or remove it")
    raise DamagedDataError(f"{both}: give --data-root the folder of one of them, or remove one")


def image_folder(
    folder: Path, classes: Sequence[str] = (), *, leave_out: Callable[[Path, str], None] | None = None
) -> ImageFiles:
    """List the pictures of a folder that has one folder per class, sorted by name.

    classes: the expected classes, in the order of the labels; empty for the names of the folders.
    leave_out: `Context.leave_out`, which gets what is not listed: files without the extension of a picture, files
        beside the folders of the classes, and folders inside these.
    Names of classes are compared and returned in Unicode's composed form. Raises DataUnavailableError for a class
    without pictures, and DamagedDataError if there is only one class or the folders differ from `classes`.
    """
    own = _by_composed_name(folder)
    names = list(own)
    classes = tuple(map(composed, classes))
    if not names:
        raise DataUnavailableError(f"{folder} is empty: it needs one folder of pictures for each class")
    if classes and set(names) != set(classes):
        unknown, missing = sorted(set(names) - set(classes)), sorted(set(classes) - set(names))
        problem = f"unknown: {', '.join(unknown)}" if unknown else f"missing: {', '.join(missing)}"
        raise DamagedDataError(f"{folder} has other classes than are expected ({problem})")
    classes = classes or tuple(names)
    if len(classes) == 1:
        raise DamagedDataError(
            f"{folder} has one class, {classes[0]}, so nothing can be learned or scored: add a folder of a second class"
        )
    paths, labels = [], []
    for label, name in enumerate(classes):
        inside = list_images(own[name])
        if not inside:
            raise DataUnavailableError(f"{own[name]} holds no pictures: fill or remove it")
        paths += inside
        labels += [label] * len(inside)
    if leave_out is not None:
        _report_left_out(folder, [own[name] for name in classes], leave_out)
    return ImageFiles(paths, np.asarray(labels, np.int64), tuple(classes))


def _by_composed_name(folder: Path) -> dict[str, Path]:
    """Map the composed name of each folder in `folder` to its path. Raises DamagedDataError for two of one name."""
    found: dict[str, Path] = {}
    for path in folders(folder):
        if found.setdefault(composed(path.name), path) != path:
            raise DamagedDataError(f"{folder} holds two folders {path.name}, in two Unicode forms: join them into one")
    return found


def _report_left_out(folder: Path, classes: Sequence[Path], leave_out: Callable[[Path, str], None]) -> None:
    for path in list_folder(folder).files:
        leave_out(path, LOOSE)
    for listing in map(list_folder, classes):
        for path in listing.folders:
            leave_out(path, TOO_DEEP)
        for path in listing.files:
            if not is_picture(path):
                leave_out(path, NOT_A_PICTURE)


def is_picture(path: Path) -> bool:
    """Return whether a file has the extension of a picture."""
    return path.suffix.lower() in EXTENSIONS


def list_images(folder: Path) -> list[Path]:
    """List the picture files in `folder`, sorted by name as text. Raises as `zoo_core.data.walk.list_folder` does.

    Where the order of numbers matters, as in frames, sort with `zoo_core.data.names`.
    """
    return [path for path in list_folder(folder).files if is_picture(path)]


def read_image(path: Path, size: tuple[int, int] | None = None, *, channels: int = 3, resize: bool = True) -> Array:
    """Read a picture as uint8 (channels, height, width), turned upright as its EXIF tag says.

    size: (height, width) in pixels. A picture of another size is resized (bilinear, antialiased), or refused with
        `resize=False`.
    channels: 3 for RGB or 1 for grey; other pictures are converted. More than 8 bits per channel are refused.
    Raises DamagedDataError, which names the file, and DataError if the file may not be read.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Image.new("RGB", (60, 40), "red").save(Path(folder, "red.png"))
    ...     picture = read_image(Path(folder, "red.png"), size=(20, 30))
    >>> picture.shape, picture[:, 0, 0].tolist()
    ((3, 20, 30), [255, 0, 0])
    """
    try:
        with open_picture(path) as opened:
            picture = _to_8_bit(ImageOps.exif_transpose(opened), "RGB" if channels == 3 else "L")
            if size is not None and (picture.height, picture.width) != size:
                if not resize:
                    raise DamagedDataError(
                        f"{path} is {picture.width}x{picture.height} pixels, not {size[1]}x{size[0]}"
                    )
                picture = picture.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    except PermissionError as error:
        raise DataError(f"{path} may not be read: change its permissions") from error
    except UNREADABLE as error:
        raise unreadable(path, "a picture", error) from error
    return np.asarray(picture).reshape(picture.height, picture.width, -1).transpose(2, 0, 1)


class _PictureBombError(Image.DecompressionBombError):
    """A picture with far more pixels than its file's size suggests."""


@contextmanager
def open_picture(path: Path) -> Iterator[ImageFile.ImageFile]:
    """Open a picture with Pillow; its pixels are decoded when they are first used, inside the block.

    Use the whole picture inside the block: of large ones, one is in memory at a time. Raises one of `UNREADABLE`, which
    `unreadable` turns into an error that names the file.
    """
    content = read_regular(path, MAX_FILE_BYTES)  # from a file, Pillow reserves the memory that a header states
    with Image.open(io.BytesIO(content), formats=FORMATS) as picture:
        pixels, size = picture.width * picture.height, len(content)
        if pixels > max(FREE_PIXELS, MAX_PIXELS_PER_BYTE * size):
            raise _PictureBombError(
                f"it has too many pixels for its size, {picture.width}x{picture.height} in {size:,} bytes"
            )
        with _LARGE_PICTURE if pixels > LARGE_PIXELS else nullcontext():
            yield picture


def unreadable(path: Path, what: str, error: BaseException) -> DamagedDataError:
    """Make the error for a file that Pillow could not read as `what`. Raises `error` itself if it is the machine's."""
    if isinstance(error, OSError) and error.errno is not None and not is_files_fault(error):
        raise error
    if isinstance(error, Image.DecompressionBombError):
        reason = str(error) if isinstance(error, _PictureBombError) else "it has too many pixels, more than 178 million"
        return DamagedDataError(f"{path} cannot be read as {what} ({reason}): make it smaller, or remove it")
    return DamagedDataError(f"{path} cannot be read as {what} ({error}): fetch it again, or remove it")


def _to_8_bit(picture: Image.Image, mode: str) -> Image.Image:
    """Convert to `mode`. Raises ValueError for deeper pictures, whose values Pillow would clip at 255."""
    if picture.mode.startswith(("I", "F")):
        raise ValueError("it has more than 8 bits a channel: save it with 8")
    if picture.mode == "P" and picture.has_transparency_data:
        picture = picture.convert("RGBA")  # otherwise Pillow warns
    return picture.convert(mode)


def read_images(paths: Sequence[Path], size: tuple[int, int], *, channels: int = 3, resize: bool = True) -> Array:
    """Read many pictures as `read_image` does, on all cores, as uint8 (n, channels, height, width)."""
    images = np.empty((len(paths), channels, *size), np.uint8)
    current = threading.local()

    def read(row: int) -> None:
        current.path = paths[row]
        images[row] = read_image(paths[row], size, channels=channels, resize=resize)

    def log(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
        if not issubclass(category, Image.DecompressionBombWarning):  # large, but it is read
            LOG.warning("%s: %s", getattr(current, "path", "a picture"), str(message).strip())

    with warnings.catch_warnings(action="always"), ThreadPoolExecutor(usable_cores()) as threads:
        warnings.showwarning = log  # Pillow's warnings name no file
        for _ in threads.map(read, range(len(paths))):
            pass
    return images

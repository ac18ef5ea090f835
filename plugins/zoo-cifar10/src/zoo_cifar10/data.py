"""The data sets: CIFAR-10 from its official batches, binary or pickled, and from folders of pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from zoo_cifar10.arrays import ForbiddenNameError, read_pickle
from zoo_core import Context, DamagedDataError, DataUnavailableError, Signature, UnknownSplitError
from zoo_core.data.columns import Array
from zoo_core.data.images import find_splits, image_folder, read_images
from zoo_core.data.labels import require_two_classes
from zoo_core.data.reading import read_bytes
from zoo_core.data.walk import find_named, folders, folders_below, refuse_second
from zoo_core.quote import one_line

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIGNATURE = Signature(input_shape=(3, 32, 32), outputs=10, classes=CLASSES)
ARCHIVE = "cifar-10-binary.tar.gz"
BATCHES = {"train": tuple(f"data_batch_{number}" for number in range(1, 6)), "test": ("test_batch",)}
PIXELS = 3 * 32 * 32
PICTURES_NEEDS = "it must hold {train,test}/<class>/*.jpg; if it holds the official batches, use --dataset cifar10"
MAX_BATCH_BYTES = 512 << 20  # an official batch has 31 MB
MAX_LABEL = 1 << 31


class Cifar10:
    """CIFAR-10: x uint8 (n, 3, 32, 32), RGB; y int64 (n,). 50,000 train and 10,000 test images in the batches' order.

    Reads the official files, binary (`data_batch_1.bin` ...) or Python's (`data_batch_1` ...), all of a split in one
    folder at any depth. The pickles of Python's form are read without running what they name.
    Raises:
        DataUnavailableError: a batch is not here, or may not be read.
        DamagedDataError: a batch is cut, is none, is here twice, holds a label other than 0 to 9, or would run code;
        all labels of a split are the same.
    """

    signature = SIGNATURE

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def load(self, split: str) -> dict[str, Array]:
        if split not in BATCHES:
            raise UnknownSplitError(f"CIFAR-10 has no split {split!r}")
        paths = find_batches(self._ctx.folder(ARCHIVE), BATCHES[split])
        parts = [read_batch(path) for path in paths]
        y = np.concatenate([labels for _, labels in parts])
        require_two_classes(y, f"{paths[0].parent}, {split}")
        return {"x": np.concatenate([pixels for pixels, _ in parts]).reshape(-1, 3, 32, 32), "y": y}


class Cifar10Images:
    """CIFAR-10 saved as pictures, `{train,test}/<class>/*`: x uint8 (n, 3, 32, 32), RGB; y int64 (n,).

    Classes are in the official order, pictures in the order of their names. A folder `val`, `valid` or `validation` is
    val.
    Raises:
        DataUnavailableError: a split or a class is not here.
        DamagedDataError: other classes than the ten, or a picture that cannot be read or is not 32x32.
    """

    signature = SIGNATURE

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def load(self, split: str) -> dict[str, Array]:
        splits = find_splits(self._ctx.folder(), PICTURES_NEEDS)
        if split not in splits:
            raise UnknownSplitError(f"the pictures have no split {split!r}, only {', '.join(splits)}")
        files = image_folder(splits[split], CLASSES, leave_out=self._ctx.leave_out)
        return {"x": read_images(files.paths, (32, 32), resize=False), "y": files.labels}


def find_batches(root: Path, names: Sequence[str]) -> list[Path]:
    """Find the files `names`, all with `.bin` or all without, in one folder at any depth.

    Raises DataUnavailableError naming what is missing, DamagedDataError if there are batches in two places or forms.
    """
    places, partly = list[Path](), list[Path]()  # the first batch in each folder and form; what is missing
    whole = list[Path]()
    for folder in folders_below(root):
        for suffix in (".bin", ""):
            wanted = [f"{name}{suffix}" for name in names]
            paths = [path for path in (find_named(folder, name) for name in wanted) if path is not None]
            paths = [path for path in paths if path.is_file()]
            places += paths[:1]
            if len(paths) == len(names):
                whole = whole or paths
            elif paths:
                partly = partly or [folder / name for name in wanted if folder / name not in paths]
    if places:
        refuse_second(root, places)
    if whole:
        return whole
    if partly:
        raise DataUnavailableError(f"{', '.join(map(str, partly))} not found beside the other batches: unpack them all")
    if all(any(inside.name.lower() == split for inside in folders(root)) for split in BATCHES):
        raise DataUnavailableError(f"{root} holds pictures, not the official batches: use --dataset cifar10-images")
    raise DataUnavailableError(
        f"{root} holds no {names[0]}.bin (nor {names[0]}, Python's form) at any depth: it must be {ARCHIVE}, or a "
        f"folder with {', '.join(f'{name}.bin' for split in BATCHES.values() for name in split)}"
    )


def read_batch(path: Path) -> tuple[Array, Array]:
    """Pixels uint8 (n, 3072), planes red, green, blue, and labels int64 (n,). Raises as `Cifar10` does."""
    content = read_bytes(path, max_bytes=MAX_BATCH_BYTES)
    pixels, labels = _from_records(path, content) if path.suffix == ".bin" else _from_pickle(path, content)
    wrong = np.flatnonzero((labels < 0) | (labels >= len(CLASSES)))
    if len(wrong):
        raise DamagedDataError(
            f"{path}: record {wrong[0]} has the label {labels[wrong[0]]}, which is none of 0 to 9: fetch it again"
        )
    return pixels, labels.astype(np.int64)


def _from_records(path: Path, content: bytes) -> tuple[Array, Array]:
    """Of records of a byte of label and 3,072 of pixels."""
    if not content or len(content) % (1 + PIXELS):
        raise DamagedDataError(f"{path} holds {len(content)} bytes, not whole records of {1 + PIXELS}: it is cut")
    records = np.frombuffer(content, np.uint8).reshape(-1, 1 + PIXELS)
    return records[:, 1:], records[:, 0]


def _from_pickle(path: Path, content: bytes) -> tuple[Array, Array]:
    """Of a dict with `data` uint8 (n, 3072) and `labels`, a list of n numbers; its keys may be bytes."""
    try:
        batch = {_text(key): value for key, value in read_pickle(content).items()}
        pixels, labels = batch["data"], batch["labels"]
    except ForbiddenNameError as error:
        raise DamagedDataError(
            f"{path} was refused because it would run code ({error}): take the official file"
        ) from error
    except Exception as error:  # a damaged pickle raises anything: it is a program of its own
        reason = f"{type(error).__name__}: {one_line(error)}"
        raise DamagedDataError(f"{path} is no batch of CIFAR-10 ({reason}): fetch it again") from error
    if isinstance(labels, list) and all(type(label) is int and abs(label) <= MAX_LABEL for label in labels):
        labels = np.asarray(labels, np.int64)
    fits = isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and isinstance(labels, np.ndarray)
    if (
        not fits
        or labels.dtype.kind not in "iu"
        or labels.ndim != 1
        or not labels.size
        or pixels.shape != (labels.size, PIXELS)
    ):
        raise DamagedDataError(f"{path} does not hold data uint8 (n, {PIXELS}) and n labels: fetch it again")
    return pixels, labels


def _text(key: Any) -> Any:
    return key.decode("latin1") if isinstance(key, bytes) else key

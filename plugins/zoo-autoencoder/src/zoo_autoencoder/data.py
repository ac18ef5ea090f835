"""The data sets: MNIST from its four official files, and digits drawn as in `zoo_autoencoder.drawn`.

The digit of an image is used only to colour the map of the codes.
"""

from __future__ import annotations

import numpy as np

from zoo_autoencoder.drawn import draw_digits
from zoo_core import Context, DamagedDataError, Signature, UnknownSplitError
from zoo_core.data.columns import Array
from zoo_core.data.idx import find_idx, read_idx
from zoo_core.data.labels import require_two_classes

DIGITS = tuple("0123456789")
SIZE = 28
FILES = (
    *("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    *("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
)
PREFIXES = {"train": "train", "test": "t10k"}
DRAWN = {"train": 8000, "test": 1000}  # images of each split


def signature(ctx: Context) -> Signature:
    """Return the signature of both data sets; `extra` comes from the spec and holds the chance levels."""
    extra = ctx.dataset.signature.extra if ctx.dataset else {}
    return Signature(input_shape=(1, SIZE, SIZE), outputs=len(DIGITS), classes=DIGITS, extra=extra)


class Mnist:
    """MNIST: x uint8 (n, 1, 28, 28), white digits on black; y int64 (n,). 60,000 train and 10,000 test images.

    Reads the official IDX files, packed (`.gz`) or not, at any depth below the data root.
    Raises:
        DataUnavailableError: a file is missing and cannot be downloaded, or may not be read.
        DamagedDataError: a file is cut or not an IDX file, or there is not one label 0 to 9 for each 28x28 image;
        all labels are the same; a file lies in several folders.
    """

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.signature = signature(ctx)

    def load(self, split: str) -> dict[str, Array]:
        if split not in PREFIXES:
            raise UnknownSplitError(f"MNIST has no split {split!r}")
        images_file = find_idx(self._ctx, f"{PREFIXES[split]}-images-idx3-ubyte.gz", FILES)
        labels_file = find_idx(self._ctx, f"{PREFIXES[split]}-labels-idx1-ubyte.gz", FILES)
        images, labels = read_idx(images_file), read_idx(labels_file)
        if images.ndim != 3 or images.shape[1:] != (SIZE, SIZE) or not len(images):
            raise DamagedDataError(f"{images_file} holds {images.shape}, not images of 28x28: fetch it again")
        if labels.shape != images.shape[:1]:
            raise DamagedDataError(
                f"{labels_file} holds {labels.shape} labels for {len(images)} images of {images_file}"
            )
        if labels.max() > 9:
            raise DamagedDataError(
                f"{labels_file} holds the label {labels.max()}, which is not a digit: fetch it again"
            )
        require_two_classes(labels, labels_file)
        return {"x": images[:, None], "y": labels.astype(np.int64)}


class DrawnDigits:
    """Drawn digits in MNIST's form: x and y as in `Mnist`. 8,000 train and 1,000 test images."""

    def __init__(self, ctx: Context) -> None:
        self.signature = signature(ctx)

    def load(self, split: str) -> dict[str, Array]:
        if split not in DRAWN:
            raise UnknownSplitError(f"the drawn digits have no split {split!r}")
        seed = tuple(DRAWN).index(split)
        images, digits = draw_digits(DRAWN[split], np.random.default_rng([28, seed]))
        return {"x": images[:, None], "y": digits}

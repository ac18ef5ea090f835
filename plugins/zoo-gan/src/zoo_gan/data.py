"""The data sets of digits: MNIST from its four official files, and scikit-learn's 8x8 digits in MNIST's form."""

from __future__ import annotations

import numpy as np

from zoo_core import Context, DamagedDataError, Signature, UnknownSplitError
from zoo_core.data.columns import Array
from zoo_core.data.idx import read_idx

DIGITS = tuple("0123456789")
SIZE = 28
INNER = 20  # pixels a side of the box that MNIST's digits lie in
LEVELS = 16  # scikit-learn's white
TRAIN = 1347  # of scikit-learn's digits; the last quarter, by other writers, is the test split


def signature(ctx: Context) -> Signature:
    """What both data sets hold, and what their spec adds: the score of noise."""
    extra = ctx.dataset.signature.extra if ctx.dataset else {}
    return Signature(input_shape=(1, SIZE, SIZE), outputs=len(DIGITS), classes=DIGITS, extra=extra)


class Mnist:
    """MNIST: x uint8 (n, 1, 28, 28), white digits on black; y int64 (n,). 60,000 train and 10,000 test images.

    Reads the official IDX files, packed (`.gz`) or not, at any depth below the data root, and writes nothing there.
    Raises:
        DataUnavailableError: a file is not here and cannot be downloaded, or may not be read.
        DamagedDataError: a file is cut, is no IDX file, or does not hold one digit's label for each 28x28 image.
    """

    files = {"train": "train", "test": "t10k"}

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.signature = signature(ctx)

    def load(self, split: str) -> dict[str, Array]:
        if split not in self.files:
            raise UnknownSplitError(f"MNIST has no split {split!r}")
        images_file = self._ctx.file(f"{self.files[split]}-images-idx3-ubyte.gz")
        labels_file = self._ctx.file(f"{self.files[split]}-labels-idx1-ubyte.gz")
        images, labels = read_idx(images_file), read_idx(labels_file)
        if images.ndim != 3 or images.shape[1:] != (SIZE, SIZE) or not len(images):
            raise DamagedDataError(f"{images_file} holds {images.shape}, not images of 28x28: fetch it again")
        if labels.shape != images.shape[:1]:
            raise DamagedDataError(
                f"{labels_file} holds {labels.shape} labels for {len(images)} images of {images_file}"
            )
        if labels.max() > 9:
            raise DamagedDataError(f"{labels_file} holds the label {labels.max()}, which is no digit: fetch it again")
        return {"x": images[:, None], "y": labels.astype(np.int64)}


class Digits:
    """scikit-learn's 1,797 digits, 8x8 with levels 0 to 16, in the form of MNIST's: x, y as there.

    Each is enlarged to 20x20, the size of MNIST's digits, and gets a black border of four pixels.
    """

    def __init__(self, ctx: Context) -> None:
        self.signature = signature(ctx)

    def load(self, split: str) -> dict[str, Array]:
        from sklearn.datasets import load_digits

        if split not in ("train", "test"):
            raise UnknownSplitError(f"digits have no split {split!r}")
        bunch = load_digits()
        rows = slice(TRAIN) if split == "train" else slice(TRAIN, None)
        return {"x": in_mnist_form(bunch.images[rows]), "y": bunch.target[rows].astype(np.int64)}


def in_mnist_form(images: Array) -> Array:
    """Images (n, 8, 8) of levels 0 to 16 as uint8 (n, 1, 28, 28), bilinear between the middles of pixels."""
    blend = _blend(images.shape[1], INNER)
    enlarged = np.rint(blend @ images @ blend.T * (255 / LEVELS)).astype(np.uint8)
    border = (SIZE - INNER) // 2
    return np.pad(enlarged, ((0, 0), (border, border), (border, border)))[:, None]


def _blend(before: int, after: int) -> Array:
    """The matrix (after, before) of bilinear weights; beyond the outermost middles the border is repeated."""
    place = ((np.arange(after) + 0.5) * before / after - 0.5).clip(0, before - 1)
    weights: Array = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(before)))
    return weights

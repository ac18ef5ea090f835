"""The data sets: MNIST from its four official files, and scikit-learn's 8x8 digits enlarged to 28x28."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo_core import Context, DamagedDataError, Signature, UnknownSplitError
from zoo_core.data.idx import find_idx, read_idx
from zoo_core.data.labels import require_two_classes

DIGITS = tuple("0123456789")
FILES = (
    *("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
    *("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"),
)
SIGNATURE = Signature(input_shape=(1, 28, 28), outputs=10, classes=DIGITS)

Array = np.ndarray[Any, Any]


class Mnist:
    """MNIST: x uint8 (n, 1, 28, 28), white digits on black; y int64 (n,). 60,000 train and 10,000 test images.

    Reads the official IDX files, packed (`.gz`) or not, from one folder at any depth below the data root.
    Raises:
        DataUnavailableError: a file is missing and cannot be downloaded, or may not be read.
        DamagedDataError: a file is cut, is not an IDX file, or holds labels other than 0 to 9; all labels are the same;
        the files lie in several folders.
    """

    signature = SIGNATURE
    files = {"train": "train", "test": "t10k"}

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def load(self, split: str) -> dict[str, Array]:
        if split not in self.files:
            raise UnknownSplitError(f"MNIST has no split {split!r}")
        images_file = find_idx(self._ctx, f"{self.files[split]}-images-idx3-ubyte.gz", FILES)
        labels_file = find_idx(self._ctx, f"{self.files[split]}-labels-idx1-ubyte.gz", FILES)
        images, labels = read_idx(images_file), read_idx(labels_file)
        if images.shape[1:] != (28, 28):
            raise DamagedDataError(f"{images_file} holds images of {images.shape[1:]}, not 28x28: fetch it again")
        if labels.shape != images.shape[:1]:
            raise DamagedDataError(
                f"{labels_file} holds {labels.shape} labels for {len(images)} images of {images_file}"
            )
        if len(labels) and labels.max() > 9:
            raise DamagedDataError(
                f"{labels_file} holds the label {labels.max()}, which is not a digit: fetch it again"
            )
        require_two_classes(labels, labels_file)
        return {"x": images[:, None], "y": labels.astype(np.int64)}


class Digits:
    """scikit-learn's 1,797 digits: 8x8 with levels 0 to 16, converted to MNIST's 28x28 and 0 to 255.

    Each pixel becomes 3x3, with a border of two black pixels. The last fifth is the test split. The digits are sorted
    by writer, so test has other writers than train.
    """

    signature = SIGNATURE
    test_share = 5

    def __init__(self, ctx: Context) -> None:
        pass

    def load(self, split: str) -> dict[str, Array]:
        from sklearn.datasets import load_digits

        if split not in ("train", "test"):
            raise UnknownSplitError(f"digits have no split {split!r}")
        bunch = load_digits()
        levels = np.minimum(bunch.images * 16, 255).astype(np.uint8)
        images = np.pad(levels.repeat(3, axis=1).repeat(3, axis=2), ((0, 0), (2, 2), (2, 2)))
        border = len(images) - len(images) // self.test_share
        rows = slice(border) if split == "train" else slice(border, None)
        return {"x": images[rows, None], "y": bunch.target[rows].astype(np.int64)}

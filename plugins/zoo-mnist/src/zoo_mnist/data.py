"""The data sets: MNIST from its four official files, and scikit-learn's 8x8 digits enlarged to 28x28."""

from __future__ import annotations

from typing import Any

import numpy as np

from zoo_core import Context, Signature, UnknownSplitError
from zoo_core.data.mnist import DIGITS, read_mnist

SIGNATURE = Signature(input_shape=(1, 28, 28), outputs=10, classes=DIGITS)

Array = np.ndarray[Any, Any]


class Mnist:
    """MNIST from its official files, as `zoo_core.data.mnist.read_mnist` reads and checks them."""

    signature = SIGNATURE

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def load(self, split: str) -> dict[str, Array]:
        return read_mnist(self._ctx, split)


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

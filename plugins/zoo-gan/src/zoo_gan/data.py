"""The data sets of digits: MNIST from its four official files, and scikit-learn's 8x8 digits in the same form."""

from __future__ import annotations

import numpy as np

from zoo_core import Context, Signature, UnknownSplitError
from zoo_core.data.columns import Array
from zoo_core.data.mnist import DIGITS, SIZE, read_mnist

BOX_SIZE = 20  # pixels a side of the box that holds a digit of MNIST
MAX_LEVEL = 16  # white in scikit-learn's digits
TRAIN_DIGITS = 1347  # of scikit-learn's digits; the last quarter, by other writers, is the test split


def signature(ctx: Context) -> Signature:
    """Return the signature of both data sets; `extra` comes from the spec and holds the chance level."""
    extra = ctx.dataset.signature.extra if ctx.dataset else {}
    return Signature(input_shape=(1, SIZE, SIZE), outputs=len(DIGITS), classes=DIGITS, extra=extra)


class Mnist:
    """MNIST from its official files, as `zoo_core.data.mnist.read_mnist` reads and checks them."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.signature = signature(ctx)

    def load(self, split: str) -> dict[str, Array]:
        return read_mnist(self._ctx, split)


class Digits:
    """scikit-learn's 1,797 digits, 8x8 with levels 0 to 16, converted to MNIST's form: x and y as in `Mnist`.

    Each image is enlarged to 20x20, the size of MNIST's digits, and gets a black border of four pixels.
    """

    def __init__(self, ctx: Context) -> None:
        self.signature = signature(ctx)

    def load(self, split: str) -> dict[str, Array]:
        from sklearn.datasets import load_digits

        if split not in ("train", "test"):
            raise UnknownSplitError(f"digits have no split {split!r}")
        bunch = load_digits()
        rows = slice(TRAIN_DIGITS) if split == "train" else slice(TRAIN_DIGITS, None)
        return {"x": to_mnist_form(bunch.images[rows]), "y": bunch.target[rows].astype(np.int64)}


def to_mnist_form(images: Array) -> Array:
    """Convert images (n, 8, 8) of levels 0 to 16 to uint8 (n, 1, 28, 28), interpolating bilinearly."""
    blend = _bilinear_weights(images.shape[1], BOX_SIZE)
    enlarged = np.rint(blend @ images @ blend.T * (255 / MAX_LEVEL)).astype(np.uint8)
    border = (SIZE - BOX_SIZE) // 2
    return np.pad(enlarged, ((0, 0), (border, border), (border, border)))[:, None]


def _bilinear_weights(before: int, after: int) -> Array:
    """Return the bilinear weights (after, before) between pixel centres; the border pixels are repeated outside."""
    place = ((np.arange(after) + 0.5) * before / after - 0.5).clip(0, before - 1)
    weights: Array = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(before)))
    return weights

"""The data sets: MNIST from its four official files, and digits drawn as in `zoo_autoencoder.drawn`.

The digit of an image is used only to colour the map of the codes.
"""

from __future__ import annotations

import numpy as np

from zoo_autoencoder.drawn import draw_digits
from zoo_core import Context, Signature, UnknownSplitError
from zoo_core.data.columns import Array
from zoo_core.data.mnist import DIGITS, SIZE, read_mnist

DRAWN = {"train": 8000, "test": 1000}  # images of each split


def signature(ctx: Context) -> Signature:
    """Return the signature of both data sets; `extra` comes from the spec and holds the chance levels."""
    extra = ctx.dataset.signature.extra if ctx.dataset else {}
    return Signature(input_shape=(1, SIZE, SIZE), outputs=len(DIGITS), classes=DIGITS, extra=extra)


class Mnist:
    """MNIST from its official files, as `zoo_core.data.mnist.read_mnist` reads and checks them."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self.signature = signature(ctx)

    def load(self, split: str) -> dict[str, Array]:
        return read_mnist(self._ctx, split)


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

"""The cases of the product: sizes and number types.

Column x: int64 (n, 4): rows, inner size, columns, and the number of the type in DTYPES.
"""

from __future__ import annotations

import numpy as np

from zoo_core import Context, Signature, UnknownSplitError
from zoo_core.data.columns import Array

DTYPES = ("float32", "float64")
COURSE = (100, 1000, 100)  # a matrix of 100x1000 by one of the form of its transpose
SQUARES = {"float32": (10, 30, 100, 300, 1000, 2000), "float64": (10, 100, 1000)}

SMALL = {"train": 64, "val": 96}  # rows and columns; nothing is learned


def _cases(split: str) -> list[tuple[int, ...]]:
    if split == "test":
        sizes = {name: [COURSE, *((size, size, size) for size in SQUARES[name])] for name in DTYPES}
    elif split in SMALL:
        sizes = {name: [(SMALL[split],) * 3] for name in DTYPES}
    else:
        raise UnknownSplitError(f"the sizes have no split {split!r}, only train, val and test")
    return [(*size, number) for number, name in enumerate(DTYPES) for size in sizes[name]]


class Sizes:
    """The cases of test; train and val have one small case of each type, because nothing is learned."""

    signature = Signature(input_shape=(4,))

    def __init__(self, ctx: Context) -> None:
        pass

    def load(self, split: str) -> dict[str, Array]:
        return {"x": np.array(_cases(split), np.int64)}

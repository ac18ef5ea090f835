"""The curve y = sin(x)/x - x/10 as points: exact, so every score on it can be trusted."""

from __future__ import annotations

import numpy as np

from zoo_core import Context, Signature, UnknownSplitError
from zoo_core.data.columns import Array

ENDS = (-10.0, 10.0)
MEAN, DEVIATION = (0.0, 0.1658), (5.7735, 0.6765)  # of x and y over the whole curve
SIZES = {"train": 20_000, "val": 4_000, "test": 10_000}  # the middles of 4,000 and of 10,000 pieces: none is shared
SEED = 0  # of train's points
SPARE = 100  # drawn for those that happen to be val's or test's


class Curve:
    """Points on the curve, without noise: x float32 (n, 2), the coordinates, x uniform in [-10, 10].

    Train's are drawn from a fixed seed; those of val and test lie in order along the curve, equally spaced in x: chance
    has no part in what a model is compared with. No point is in two splits.
    """

    signature = Signature(input_shape=(2,), mean=MEAN, std=DEVIATION)

    def __init__(self, ctx: Context) -> None:
        pass

    def load(self, split: str) -> dict[str, Array]:
        if split not in SIZES:
            raise UnknownSplitError(f"the curve has no split {split!r}, only {', '.join(SIZES)}")
        return {"x": _drawn(SIZES[split]) if split == "train" else _even(SIZES[split])}


def _drawn(count: int) -> Array:
    points = _points(np.random.default_rng(SEED).random(count + SPARE))
    held_out = np.concatenate([_even(SIZES[split])[:, 0] for split in ("val", "test")])
    return points[~np.isin(points[:, 0], held_out)][:count]


def _even(count: int) -> Array:
    return _points((np.arange(count) + 0.5) / count)


def _points(shares: Array) -> Array:
    """Where these shares of the way from one end to the other have been gone."""
    x = ENDS[0] + shares * (ENDS[1] - ENDS[0])
    return np.stack([x, height(x)], axis=1).astype(np.float32)


def height(x: Array) -> Array:
    """sin(x)/x - x/10; at 0 the limit, 1."""
    return np.sinc(x / np.pi) - x / 10  # numpy's sinc(t) is sin(pi t) / (pi t)

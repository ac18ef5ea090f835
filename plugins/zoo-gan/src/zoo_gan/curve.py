"""The curve y = sin(x)/x - x/10 as exact points."""

from __future__ import annotations

import numpy as np

from zoo_core import Context, Signature, UnknownSplitError
from zoo_core.data.columns import Array

X_RANGE = (-10.0, 10.0)
MEAN, STD = (0.0, 0.1658), (5.7735, 0.6765)  # of x and y over the whole curve
# Val and test are the centres of 4,000 and of 10,000 equal intervals, which have no point in common.
SIZES = {"train": 20_000, "val": 4_000, "test": 10_000}
TRAIN_SEED = 0
SPARE_POINTS = 100  # replace training points that are also in val or test


class Curve:
    """Points on the curve, without noise: x float32 (n, 2), the coordinates; the first is uniform in [-10, 10].

    Points of train are random, from a fixed seed. Points of val and test are in order along the curve and equally
    spaced in their first coordinate, so that the reference has no sampling noise. No point is in two splits.
    """

    signature = Signature(input_shape=(2,), mean=MEAN, std=STD)

    def __init__(self, ctx: Context) -> None:
        pass

    def load(self, split: str) -> dict[str, Array]:
        if split not in SIZES:
            raise UnknownSplitError(f"the curve has no split {split!r}, only {', '.join(SIZES)}")
        return {"x": _random_points(SIZES[split]) if split == "train" else _evenly_spaced_points(SIZES[split])}


def _random_points(count: int) -> Array:
    points = _points_at(np.random.default_rng(TRAIN_SEED).random(count + SPARE_POINTS))
    held_out = np.concatenate([_evenly_spaced_points(SIZES[split])[:, 0] for split in ("val", "test")])
    return points[~np.isin(points[:, 0], held_out)][:count]


def _evenly_spaced_points(count: int) -> Array:
    return _points_at((np.arange(count) + 0.5) / count)


def _points_at(shares: Array) -> Array:
    """Return the points at these positions, shares of the range of x."""
    x = X_RANGE[0] + shares * (X_RANGE[1] - X_RANGE[0])
    return np.stack([x, height(x)], axis=1).astype(np.float32)


def height(x: Array) -> Array:
    """Compute sin(x)/x - x/10; at 0 its limit, 1."""
    return np.sinc(x / np.pi) - x / 10  # numpy's sinc(t) is sin(pi t) / (pi t)

"""Starting points of the test functions: train to choose the learning rate on, test to score.

Columns: x float64 (n, 25), starting points, of which a function of fewer coordinates reads the first; function int64
(n,), its number among the data set's functions.
"""

from __future__ import annotations

import numpy as np

from zoo_basics.optimizers.functions import test_functions
from zoo_basics.optimizers.specs import FUNCTIONS, MAX_SIZE
from zoo_core import Context, UnknownSplitError
from zoo_core.data.columns import Array

STARTS = {"train": 4, "val": 4, "test": 12}  # of each function


class Starts:
    """Starting points, uniform in the box of each function; the same in every data set that has the function."""

    def __init__(self, ctx: Context) -> None:
        assert ctx.dataset is not None  # the zoo opens a data set with its spec
        self.signature = ctx.dataset.signature

    def load(self, split: str) -> dict[str, Array]:
        if split not in STARTS:
            raise UnknownSplitError(f"the starting points have no split {split!r}, only {', '.join(STARTS)}")
        names = self.signature.extra["functions"]
        return {
            "x": np.concatenate([starts(name, split) for name in names]),
            "function": np.repeat(np.arange(len(names)), STARTS[split]),
        }


def starts(name: str, split: str) -> Array:
    """Draw the starting points of a function for a split, float64 (n, 25), 0 beyond its coordinates."""
    function = test_functions()[name]
    rng = np.random.default_rng([FUNCTIONS.index(name), list(STARTS).index(split)])
    points = np.zeros((STARTS[split], MAX_SIZE))
    points[:, : function.size] = rng.uniform(function.low, function.high, (STARTS[split], function.size))
    return points

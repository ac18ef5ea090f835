"""Holm's adjustment of p values for the number of comparisons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zoo_leaderboard.stats.variance import Floats


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return Holm's (1979) adjusted p values, which control the family-wise error rate; None is not counted.

    Raises:
        ValueError: a p value that is not in [0, 1].
    """
    raw = np.array([np.nan if value is None else value for value in p_values], dtype=np.float64)
    if any(value is not None and not 0 <= value <= 1 for value in p_values):
        raise ValueError(f"p values lie in [0, 1], not {list(p_values)}")
    return [None if np.isnan(value) else float(value) for value in holm_rows(raw[None])[0]]


def holm_rows(p_values: Floats) -> Floats:
    """Adjust within each row of (rows, comparisons). nan stays nan and is not counted."""
    order = np.argsort(p_values, axis=1)  # nan last
    comparisons = np.count_nonzero(~np.isnan(p_values), axis=1)
    factors = np.maximum(comparisons[:, None] - np.arange(p_values.shape[1]), 1)  # m, m - 1, ..., 1
    ordered = np.take_along_axis(p_values, order, axis=1) * factors
    adjusted = np.minimum(np.maximum.accumulate(ordered, axis=1), 1)
    result = np.empty_like(adjusted)
    np.put_along_axis(result, order, adjusted, axis=1)
    return result

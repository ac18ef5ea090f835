"""The variance of a mean score in two parts: over seeds and over the test sample.

A test score varies with the seed of the training and with the examples in the test set. The model of both is
x[s, u] = mean + seed[s] + unit[u] + residual[s, u]. A sampling unit u (below: unit) is an example, or a group of
examples that belong together (a track, a person). The variance of the mean over S seeds and U units is then
var(seed) / S + var(unit) / U + var(residual) / (S U). It is estimated in two parts:

* the seeds' part v1: the variance of the seeds' scores divided by S, with S - 1 degrees of freedom. It contains the
  residual.
* the test sample's part v2: the variance of the units' means divided by U, minus the residual r, with U - 1 degrees of
  freedom. The residual r, an estimate of var(residual) / (S U), comes from mean squares, as in a two-way analysis of
  variance with random effects.

All variances here are squares of the metric's unit. `student` makes intervals and p values from the parts.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

ROUNDING_SHARE = 1e-12  # a standard deviation below this share of the values is a rounding error


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Moments:
    """A row's scores in the few numbers that intervals and comparisons need.

    `seed_var` is the variance of the seeds' scores and `residual_var` the part of it that comes from the residual: both
    are variances of one seed's score, not yet divided by the number of seeds, and nan with one seed. `unit_means`,
    (units,), holds the mean over seeds of each unit; None if there are fewer than two units. `grouped`: the units are
    groups of examples, and `effective_groups` is the number of those that matter, see `_effective_groups`. `binary`:
    every example is 0 or 1. `data` and `layout` are equal for rows whose units are the same examples or groups.
    """

    seed_count: int
    mean: float
    seed_var: float
    residual_var: float
    unit_means: Floats | None
    grouped: bool
    effective_groups: float
    binary: bool
    data: str
    layout: str


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class VarianceParts:
    """The variances of n means or differences of means in their parts, each array (n,).

    They are already divided by the numbers of seeds and units. `seeds_var` is the seeds' part v1, `test_var` the test
    sample's part v2, and `test_var_with_residual` is v2 + r. Unknown parts are 0 with 0 degrees of freedom.
    """

    seeds_var: Floats
    seeds_df: Floats
    test_var: Floats
    test_var_with_residual: Floats
    test_df: Floats


def moments(
    scores: Floats,
    examples: NDArray[np.floating[Any]] | None,
    groups: NDArray[np.integer[Any]] | None,
    data: str,
) -> Moments:
    """Compute a row's moments from scores (seeds,), examples (seeds, examples) and groups (examples,)."""
    seed_count = len(scores)
    seed_var = float(scores.var(ddof=1)) if seed_count > 1 else np.nan
    if seed_var <= (ROUNDING_SHARE * np.abs(scores).max()) ** 2:
        seed_var = 0.0
    units = None if examples is None else _unit_scores(np.asarray(examples, dtype=np.float64), groups)
    unit_means = None if units is None else units.mean(axis=0)
    residual_var = (
        np.nan if units is None or unit_means is None or seed_count < 2 else _residual_variance(units, unit_means)
    )
    binary = examples is not None and bool(((examples == 0) | (examples == 1)).all())
    return Moments(
        seed_count=seed_count,
        mean=float(scores.mean()),
        seed_var=seed_var,
        residual_var=residual_var,
        unit_means=unit_means,
        grouped=groups is not None,
        effective_groups=_effective_groups(examples, groups, unit_means, binary=binary),
        binary=binary,
        data=data,
        layout="" if examples is None else _layout(examples.shape[1], groups),
    )


def _effective_groups(
    examples: NDArray[np.floating[Any]] | None,
    groups: NDArray[np.integer[Any]] | None,
    unit_means: Floats | None,
    *,
    binary: bool,
) -> float:
    """Return the number of equal groups that would vary as little as these; nan without groups.

    For zeros and ones it is Kish's (1965) number of the rarer answers by group, (sum w)^2 / sum w^2: of 50 groups, 3
    may hold nearly all wrong answers, and then 3 decide the variance. For other scores it is the number that gives the
    variance of a variance, 3 (sum d^2)^2 / sum d^4 with the groups' deviations d from the mean. It is 0 if nothing
    varies.
    """
    if examples is None or groups is None or unit_means is None:
        return np.nan
    count = len(unit_means)
    if binary:
        right = examples.mean(axis=0, dtype=np.float64)
        _, group_of_example = np.unique(groups, return_inverse=True)
        rarer = np.bincount(group_of_example, weights=right if right.mean() < 0.5 else 1 - right)
        return float(rarer.sum() ** 2 / (rarer**2).sum()) if rarer.any() else 0.0
    squares = (unit_means - unit_means.mean()) ** 2
    return float(min(3 * squares.sum() ** 2 / (squares**2).sum(), count)) if squares.any() else 0.0


def _layout(example_count: int, groups: NDArray[np.integer[Any]] | None) -> str:
    """Name the number of examples and their groups; equal names mean equal numbers and groups."""
    digest = "" if groups is None else hashlib.sha256(groups.astype(np.int64).tobytes()).hexdigest()
    return f"{example_count} examples {digest}"


def parts_of_mean(row: Moments) -> VarianceParts:
    """Return the variance of one row's mean, arrays (1,)."""
    seeds_known = row.seed_count > 1
    with_residual, test_df = 0.0, 0
    if row.unit_means is not None:
        unit_count = len(row.unit_means)
        with_residual, test_df = float(row.unit_means.var(ddof=1)) / unit_count, unit_count - 1
    residual = row.residual_var / row.seed_count if seeds_known and test_df else 0.0
    return VarianceParts(
        seeds_var=np.array([row.seed_var / row.seed_count if seeds_known else 0.0]),
        seeds_df=np.array([row.seed_count - 1.0]),
        test_var=np.array([max(0.0, with_residual - residual)]),
        test_var_with_residual=np.array([with_residual]),
        test_df=np.array([float(test_df)]),
    )


def _unit_scores(examples: Floats, groups: NDArray[np.integer[Any]] | None) -> Floats | None:
    """Return the scores by unit, (seeds, units), whose mean is the seed's score; None for fewer than two units.

    Without groups the units are the examples. A group's value is the score plus the sum of its examples' deviations
    from the score, times groups / examples. The variance of these values is the cluster-robust variance of a mean over
    examples, for groups of any size.
    """
    if groups is None:
        return examples if examples.shape[1] > 1 else None
    _, group_of_example, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        return None
    means = examples.mean(axis=1, keepdims=True)
    sums = np.stack([np.bincount(group_of_example, weights=row, minlength=len(sizes)) for row in examples - means])
    return np.asarray(means + sums * (len(sizes) / examples.shape[1]), dtype=np.float64)


def _residual_variance(units: Floats, unit_means: Floats) -> float:
    """Return the residual mean square of `units`, (seeds, units), divided by the number of units."""
    seed_count, unit_count = units.shape
    residuals = units - unit_means
    residuals -= residuals.mean(axis=1, keepdims=True)
    mean_square = (residuals**2).sum() / ((seed_count - 1) * (unit_count - 1))
    return float(mean_square / unit_count)

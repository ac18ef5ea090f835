"""The variance of a mean score over seeds and over the test sample, with half widths of intervals and p values.

A test score varies with the seed of the training and with the examples in the test set. The model of both is
x[s, u] = mean + seed[s] + unit[u] + residual[s, u]. A unit is an example, or a group of examples that belong together
(a track, a person). The variance of the mean over S seeds and U units is then
var(seed) / S + var(unit) / U + var(residual) / (S U). It is estimated in two parts:

* the seeds' part: the variance of the seeds' scores divided by S, with S - 1 degrees of freedom. It contains the
  residual.
* the test sample's part: the variance of the units' means divided by U, minus the residual, with U - 1 degrees of
  freedom. The residual comes from mean squares, as in a two-way analysis of variance with random effects.

A half width is sqrt(t1^2 v1 + t2^2 v2), with a quantile of t for each part (Banerjee 1960). For normal parts the
interval covers at least its nominal level. It is never narrower than the interval of the test sample alone, residual
included, because three seeds may agree by luck. The p value of a difference is the level at which the half width
equals the difference.

Simulations used 2 to 5 seeds, 60 examples and six mixes of the parts, 6,000 runs each. At 95 % the interval covers 94.4
to 99.4 %. Welch and Satterthwaite's pooled degrees of freedom cover only 91.6 % with 3 seeds and 89 % with 2 in the
worst mix. The percentiles of Owen's (2007) pigeonhole bootstrap over seeds and units (1,500 runs) cover only 69 % and
49 %, because so few seeds drawn with replacement understate their own spread. The tests repeat the comparison.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.optimize import elementwise

Floats: TypeAlias = NDArray[np.float64]

ROUNDING_SHARE = 1e-12  # a spread below this share of the values is a rounding error
MIN_P_VALUE = 1e-15  # smallest p value with both parts: below it the quantiles of t lose their digits


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Moments:
    """A row's scores in the few numbers that intervals and comparisons need.

    `variance` is the variance of the seeds' scores; `residual` is the part of it that comes from the residual. Both are
    nan with one seed. `units`, (units,), holds the mean over seeds of each unit; None if there are fewer than two.
    """

    seeds: int
    mean: float
    variance: float
    residual: float
    units: Floats | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Parts:
    """The variance of means or of differences in its parts, each array (n,). Unknown parts are 0 with df 0.

    `test` is the test sample's part without the residual, `drawn` with it.
    """

    seeds: Floats
    seeds_df: Floats
    test: Floats
    drawn: Floats
    test_df: Floats


def moments(
    scores: Floats, examples: NDArray[np.floating[Any]] | None, groups: NDArray[np.integer[Any]] | None
) -> Moments:
    """Compute a row's moments from scores (seeds,), examples (seeds, examples) and groups (examples,)."""
    seeds = len(scores)
    variance = float(scores.var(ddof=1)) if seeds > 1 else np.nan
    if variance <= (ROUNDING_SHARE * np.abs(scores).max()) ** 2:
        variance = 0.0
    units = None if examples is None else _unit_scores(np.asarray(examples, dtype=np.float64), groups)
    means = None if units is None else units.mean(axis=0)
    residual = np.nan if units is None or means is None or seeds < 2 else _residual(units, means)
    return Moments(seeds=seeds, mean=float(scores.mean()), variance=variance, residual=residual, units=means)


def parts_of_mean(row: Moments) -> Parts:
    """The variance of one row's mean, arrays (1,)."""
    has_seeds, drawn, test_df = row.seeds > 1, 0.0, 0
    if row.units is not None:
        drawn, test_df = float(row.units.var(ddof=1)) / len(row.units), len(row.units) - 1
    residual = row.residual / row.seeds if has_seeds and test_df else 0.0
    return Parts(
        seeds=np.array([row.variance / row.seeds if has_seeds else 0.0]),
        seeds_df=np.array([row.seeds - 1.0]),
        test=np.array([max(0.0, drawn - residual)]),
        drawn=np.array([drawn]),
        test_df=np.array([float(test_df)]),
    )


def half_widths(parts: Parts, alpha: float) -> Floats:
    """The half widths (n,) of the two-sided intervals of level 1 - alpha."""
    seeds = special.stdtrit(np.maximum(parts.seeds_df, 1), alpha / 2)
    test = special.stdtrit(np.maximum(parts.test_df, 1), alpha / 2)
    both = np.maximum(seeds**2 * parts.seeds + test**2 * parts.test, test**2 * parts.drawn)
    return np.asarray(np.sqrt(both), dtype=np.float64)


def p_values(size: Floats, parts: Parts) -> Floats:
    """The two-sided p values (n,) of differences of this size: 1 for size 0, nan if neither part is known."""
    found = _student_p_values(size, parts.seeds, parts.seeds_df)
    found[parts.seeds_df == 0] = np.nan
    paired = parts.test_df > 0
    if paired.any():
        found[paired] = _paired_p_values(size[paired], _select(parts, paired))
    return found


def _paired_p_values(size: Floats, parts: Parts) -> Floats:
    drawn = _student_p_values(size, parts.drawn, parts.test_df)
    found = np.where(parts.seeds > 0, _student_p_values(size, parts.seeds, parts.seeds_df), 0.0)
    mixed = (parts.seeds > 0) & (parts.test > 0) & (size > 0)
    if mixed.any():
        found[mixed] = _banerjee_p_values(size[mixed], _select(parts, mixed))
    return np.maximum(found, drawn)


def _select(parts: Parts, chosen: NDArray[np.bool_]) -> Parts:
    return Parts(**{field.name: getattr(parts, field.name)[chosen] for field in fields(parts)})


def _student_p_values(size: Floats, variance: Floats, df: Floats) -> Floats:
    """Two-sided p values of Student's t; 0 if the variance is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(size > 0, size / np.sqrt(variance), 0.0)
    return np.asarray(2 * special.stdtr(np.maximum(df, 1), -t), dtype=np.float64)


def _banerjee_p_values(size: Floats, parts: Parts) -> Floats:
    """The level at which the half width equals the size.

    It lies between the p values for the whole variance with the degrees of freedom of either part.
    """

    def excess(log_p: Floats, *constants: Floats) -> Floats:
        size, seeds, seeds_df, test, test_df = constants
        tail = np.exp(log_p) / 2
        width = special.stdtrit(seeds_df, tail) ** 2 * seeds + special.stdtrit(test_df, tail) ** 2 * test
        return np.asarray(width / size**2 - 1)

    constants = (size, parts.seeds, parts.seeds_df, parts.test, parts.test_df)
    bounds = np.stack([_student_p_values(size, parts.seeds + parts.test, df) for df in (parts.seeds_df, parts.test_df)])
    low, high = np.log(np.clip([bounds.min(axis=0) * (1 - 1e-9), bounds.max(axis=0) * (1 + 1e-9)], MIN_P_VALUE, 1))
    inside = excess(low, *constants) > 0
    found = elementwise.find_root(excess, (low, high), args=constants, tolerances={"xatol": 1e-9, "xrtol": 1e-12})
    return np.asarray(np.exp(np.where(inside, found.x, low)), dtype=np.float64)


def _unit_scores(examples: Floats, groups: NDArray[np.integer[Any]] | None) -> Floats | None:
    """The scores by unit, (seeds, units), whose mean is the seed's score; None for fewer than two units.

    Without groups the units are the examples. A group's value is the score plus the sum of its examples' deviations
    from the score, times groups / examples. The variance of these values is the cluster-robust variance of a mean over
    examples, for groups of any size.
    """
    if groups is None:
        return examples if examples.shape[1] > 1 else None
    _, which, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        return None
    means = examples.mean(axis=1, keepdims=True)
    sums = np.stack([np.bincount(which, weights=row, minlength=len(sizes)) for row in examples - means])
    return np.asarray(means + sums * (len(sizes) / examples.shape[1]), dtype=np.float64)


def _residual(units: Floats, means: Floats) -> float:
    """The residual mean square divided by the number of units: its share of the variance of one seed's score."""
    seeds, count = units.shape
    rest = units - means
    rest -= rest.mean(axis=1, keepdims=True)
    return float((rest**2).sum() / ((seeds - 1) * (count - 1)) / count)

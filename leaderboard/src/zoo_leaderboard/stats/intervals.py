"""Confidence intervals of one row: of a mean score, and of a median time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf
from typing import TypeAlias

import numpy as np
from numpy.polynomial import Polynomial
from scipy import special

from zoo_leaderboard.stats.sample import Covers, Few, Sample, check_share, check_values, coverage_words
from zoo_leaderboard.stats.student import half_widths
from zoo_leaderboard.stats.variance import Floats, Moments, VarianceParts, parts_of_mean

Bounds: TypeAlias = tuple[float, float]

ANY: Bounds = (-inf, inf)
# With fewer groups of examples, or fewer that matter, no coverage is claimed: see benchmarks/statistics. The same holds
# for examples that are not just right or wrong, such as pictures with a share of a mean IoU: a few may be far off.
ENOUGH_UNITS = 30
ENOUGH_EFFECTIVE_GROUPS = 25
ROUNDING = 1e-9  # of the imaginary part of a real root


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """An estimate with its confidence interval and the interval's coverage; None if the variance is unknown.

    An interval without coverage is approximate.
    """

    value: float
    low: float | None
    high: float | None
    coverage: float | None
    covers: Covers


def mean_interval(sample: Sample, *, level: float = 0.95, bounds: Bounds = ANY) -> Interval:
    """Return the interval of a row's mean score, see `interval_of`."""
    return interval_of(sample.moments(), level=level, bounds=bounds)


def interval_of(row: Moments, *, level: float = 0.95, bounds: Bounds = ANY) -> Interval:
    """Return the mean score with its interval over seeds and test sample, or over the one of them that is known.

    * Several seeds without examples: Student's interval over seeds, which holds on this test set only.
    * One seed with examples: the interval over examples, which does not cover other seeds.
    * Fewer than `ENOUGH_UNITS` groups of examples, or `ENOUGH_EFFECTIVE_GROUPS` that matter, or fewer than
      `ENOUGH_UNITS` examples that are not zeros and ones: an approximate interval, so its `coverage` is None.
    * One seed without examples, or equal scores of all seeds and examples: no interval.

    The interval of a mean of zeros and ones lies within 0 and 1, see `binary_interval`. Others are cut at `bounds`, the
    lowest and the highest possible score.
    """
    check_share(level, "level")
    parts = _parts_for_interval(row)
    few = _few_units(row)
    covers = coverage_words(seeds=bool(parts.seeds_df[0] > 0), test=bool(parts.test_df[0] > 0), few=few)
    if covers and row.binary and row.unit_means is not None:
        low, high = binary_interval(row, level)
    else:
        half = float(half_widths(parts, 1 - level)[0]) if covers else 0.0
        if half == 0:
            return Interval(value=row.mean, low=None, high=None, coverage=None, covers="")
        low, high = max(row.mean - half, bounds[0]), min(row.mean + half, bounds[1])
    return Interval(value=row.mean, low=low, high=high, coverage=None if few else level, covers=covers)


def binary_interval(row: Moments, level: float) -> tuple[float, float]:
    """Return the interval of a mean of zeros and ones (an accuracy) with units: two intervals joined.

    The first is that of the test sample alone. It is exact: Clopper and Pearson's (1934) with the effective number of
    examples, which Korn and Graubard (1998) take from the variance and its degrees of freedom. If all examples are
    right, or all wrong, the number of units is the effective one.

    The second has both parts. Their variances are not those at the mean p, but those at the end x of the interval. The
    test sample's is r = x (1 - x) / (p (1 - p)) times as large, as in Wilson's interval (1927); the seeds' is r^2 times
    as large, because seeds scatter about equally on the scale of the logit, whose derivative is 1 / (x (1 - x)). So x
    solves (p - x)^2 = t1^2 v1 r^2 + t2^2 v2 r, in the terms of `student`.
    """
    parts = _parts_for_interval(row)
    mean, tail = min(max(row.mean, 0.0), 1.0), (1 - level) / 2
    t_test = -float(special.stdtrit(parts.test_df[0], tail))
    low, high = _clopper_pearson(mean, _effective_count(row, tail), tail)
    if not parts.seeds_df[0]:
        return low, high
    t_seeds = -float(special.stdtrit(parts.seeds_df[0], tail))
    share = float(parts.test_var[0]) / (mean * (1 - mean)) if 0 < mean < 1 else 1 / _unit_count(row)
    seeds_share = t_seeds**2 * float(parts.seeds_var[0]) / (mean * (1 - mean)) ** 2 if 0 < mean < 1 else 0.0
    wider_low, wider_high = _ends_at_their_own_variance(mean, seeds_share, t_test**2 * share)
    return min(low, wider_low), max(high, wider_high)


def _parts_for_interval(row: Moments) -> VarianceParts:
    """Return the parts with the degrees of freedom of the groups that matter.

    Differences of two rows keep those of all groups: they are as often positive as negative if the rows are equal.
    """
    parts = parts_of_mean(row)
    if not row.grouped or row.effective_groups < 1:
        return parts
    return replace(parts, test_df=np.array([max(min(parts.test_df[0], row.effective_groups - 1), 1.0)]))


def _few_units(row: Moments) -> Few | None:
    if row.grouped:
        enough = _unit_count(row) >= ENOUGH_UNITS and row.effective_groups >= ENOUGH_EFFECTIVE_GROUPS
        return None if enough else "few groups"
    return None if row.binary or row.unit_means is None or _unit_count(row) >= ENOUGH_UNITS else "few examples"


def _unit_count(row: Moments) -> int:
    return 0 if row.unit_means is None else len(row.unit_means)


def _effective_count(row: Moments, tail: float) -> float:
    """Return the number of independent examples that would give the mean the variance of its test sample.

    One seed without groups has as many as there are examples, because the variance is binomial. With groups the number
    is reduced for the degrees of freedom of the variance (Korn and Graubard 1998, section 3).
    """
    units = _unit_count(row)
    parts, binomial = _parts_for_interval(row), row.mean * (1 - row.mean)
    variance = float(parts.test_var_with_residual[0])
    if not (binomial > 0 and variance > 0):
        return float(units)
    if row.grouped:
        return float(binomial / variance * (special.ndtri(tail) / special.stdtrit(parts.test_df[0], tail)) ** 2)
    return binomial / variance * units / (units - 1)


def _clopper_pearson(mean: float, count: float, tail: float) -> tuple[float, float]:
    """Return the exact interval of a share of `count` examples, which need not be a whole number."""
    right, wrong = mean * count, (1 - mean) * count
    low = float(special.betaincinv(right, wrong + 1, tail)) if right > 0 else 0.0
    high = float(special.betaincinv(right + 1, wrong, 1 - tail)) if wrong > 0 else 1.0
    return low, high


def _ends_at_their_own_variance(mean: float, seeds_share: float, test_share: float) -> Bounds:
    """Return the nearest x on each side of the mean with (mean - x)^2 = a (x (1 - x))^2 + b x (1 - x), within 0 and 1.

    a: `seeds_share`, b: `test_share`. For a mean of 0 or 1, a must be 0, and the mean itself is no solution.
    """
    if not 0 < mean < 1:
        end = 1 / (1 + test_share)
        return (end, 1.0) if mean else (0.0, 1 - end)
    variance, distance = Polynomial([0.0, 1.0, -1.0]), Polynomial([mean, -1.0])
    roots = (distance**2 - seeds_share * variance**2 - test_share * variance).roots()
    real = roots[np.abs(roots.imag) < ROUNDING].real.clip(
        0.0, 1.0
    )  # the left side is larger at 0 and at 1: roots exist
    return float(real[real < mean].max(initial=0.0)), float(real[real > mean].min(initial=1.0))


def median_interval(values: Sequence[float] | Floats, *, level: float = 0.95) -> Interval:
    """Return the median and the narrowest pair of order statistics that covers it with at least `level`.

    The interval is distribution-free. The k-th smallest and the k-th largest of n values enclose the median unless
    fewer than k values lie on one side of it; their number is binomial (n, 1/2) (Thompson 1936). With fewer than six
    values even the smallest and the largest cover less than 95 %; they are returned with their actual coverage.
    (`scipy.stats.quantile_test` gives nan there, and no coverage.) Infinite values (missed targets) stay infinite.

    Raises:
        ValueError: no values, nan or minus infinity.
    """
    check_share(level, "level")
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    check_values(ordered, "values", infinite=True)
    n = len(ordered)
    median = float(ordered[(n - 1) // 2] / 2 + ordered[n // 2] / 2)
    if n == 1:
        return Interval(value=median, low=None, high=None, coverage=None, covers="")
    depths = np.arange(1, n // 2 + 1)
    coverages = 1 - 2 * special.bdtr(depths - 1.0, n, 0.5)
    depth = max(1, int(np.count_nonzero(coverages >= level)))  # coverage falls with depth
    coverage = float(coverages[depth - 1])
    low, high = float(ordered[depth - 1]), float(ordered[n - depth])
    return Interval(value=median, low=low, high=high, coverage=coverage, covers="seeds")

"""Confidence intervals of one row: of a mean score, and of a median time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from zoo_leaderboard.stats.sample import Covers, Sample, check_share, check_values, coverage_words
from zoo_leaderboard.stats.student import half_widths
from zoo_leaderboard.stats.variance import Floats, parts_of_mean


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """An estimate with its confidence interval and the interval's coverage; None if the variance is unknown."""

    value: float
    low: float | None
    high: float | None
    coverage: float | None
    covers: Covers


def mean_interval(sample: Sample, *, level: float = 0.95) -> Interval:
    """Return the mean score with its interval over seeds and test sample, or over the one of them that is known.

    Several seeds without examples give Student's interval over seeds. One seed with examples gives Student's interval
    over examples, which does not cover other seeds. One seed without examples gives no interval.
    """
    check_share(level, "level")
    mean, parts = float(sample.scores.mean()), parts_of_mean(sample.moments())
    covers = coverage_words(seeds=bool(parts.seeds_df[0] > 0), test=bool(parts.test_df[0] > 0))
    if not covers:
        return Interval(value=mean, low=None, high=None, coverage=None, covers="")
    half = float(half_widths(parts, 1 - level)[0])
    return Interval(value=mean, low=mean - half, high=mean + half, coverage=level, covers=covers)


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

"""Intervals for the mean and the median of one row, and Holm's adjustment of p values; arrays in, numbers out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import special

from zoo_leaderboard.stats import variance
from zoo_leaderboard.stats.variance import Floats, Moments

Covers: TypeAlias = Literal["seeds and test sample", "seeds", "test sample", ""]

MAX_MEAN_ERROR = 1e-4  # as a share of the largest example; scores are often float32 sums


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sample:
    """The test scores of one row of the board.

    `scores` is (seeds,). `examples` is (seeds, examples), any float; its means are the seeds' scores. It is None if no
    results by example were recorded. `groups` is int (examples,): examples with the same number belong together. It is
    None if all examples are independent. `data` names the test examples and their order. Rows with the same name are
    compared example by example.

    Raises:
        ValueError: empty or non-finite values, shapes that do not match, examples whose means are not the scores, or
            examples without the name of their data.
    """

    scores: Floats
    examples: NDArray[np.floating[Any]] | None = None
    groups: NDArray[np.integer[Any]] | None = None
    data: str = ""

    def __post_init__(self) -> None:
        check_values(self.scores, "scores")
        if self.examples is not None:
            _check_examples(self.scores, self.examples)
            if not self.data:
                raise ValueError(
                    "examples need the name of their data: rows with the same name are compared by example"
                )
        if self.groups is not None and (self.examples is None or self.groups.shape != self.examples.shape[1:]):
            shape = None if self.examples is None else self.examples.shape
            raise ValueError(f"groups are {self.groups.shape}, one for each example of {shape} expected")

    def moments(self) -> Moments:
        """The moments that intervals and comparisons are computed from."""
        return variance.moments(self.scores, self.examples, self.groups)


@dataclass(frozen=True, kw_only=True, slots=True)
class Interval:
    """An estimate with its confidence interval and the interval's coverage; None if the spread is unknown."""

    value: float
    low: float | None
    high: float | None
    coverage: float | None
    covers: Covers


def mean_interval(sample: Sample, *, level: float = 0.95) -> Interval:
    """The mean score with its interval over seeds and test sample, or over the one of them that is known.

    Several seeds without examples give Student's interval over seeds. One seed with examples gives Student's interval
    over examples, which does not cover other seeds. One seed without examples gives no interval.
    """
    check_share(level, "level")
    parts = variance.parts_of_mean(sample.moments())
    mean, seeds, test = float(sample.scores.mean()), parts.seeds_df[0] > 0, parts.test_df[0] > 0
    if not seeds and not test:
        return Interval(value=mean, low=None, high=None, coverage=None, covers="")
    half = float(variance.half_widths(parts, 1 - level)[0])
    return Interval(
        value=mean, low=mean - half, high=mean + half, coverage=level, covers=coverage_words(seeds=seeds, test=test)
    )


def median_interval(values: Sequence[float] | Floats, *, level: float = 0.95) -> Interval:
    """The median and the narrowest pair of order statistics that covers it with at least `level`.

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


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's (1979) adjusted p values, which control the family-wise error rate. None stays None and is not counted."""
    raw = np.array([np.nan if value is None else value for value in p_values], dtype=np.float64)
    if any(value is not None and not 0 <= value <= 1 for value in p_values):
        raise ValueError(f"p values lie in [0, 1], not {list(p_values)}")
    return [None if np.isnan(value) else float(value) for value in holm_rows(raw[None])[0]]


def holm_rows(p_values: Floats) -> Floats:
    """Holm's adjustment within each row of (rows, comparisons). nan stays nan and is not counted."""
    order = np.argsort(p_values, axis=1)  # nan last
    decided = np.count_nonzero(~np.isnan(p_values), axis=1)
    factors = np.maximum(decided[:, None] - np.arange(p_values.shape[1]), 1)
    ordered = np.take_along_axis(p_values, order, axis=1) * factors
    adjusted = np.minimum(np.maximum.accumulate(ordered, axis=1), 1)
    result = np.empty_like(adjusted)
    np.put_along_axis(result, order, adjusted, axis=1)
    return result


def coverage_words(*, seeds: bool, test: bool) -> Covers:
    """The sources of variation that an interval with these parts covers."""
    if seeds:
        return "seeds and test sample" if test else "seeds"
    return "test sample" if test else ""


def check_values(values: Floats, name: str, *, infinite: bool = False) -> None:
    """Raise ValueError unless `values` is (n,), n > 0, and finite; `infinite` allows plus infinity."""
    if values.ndim != 1 or not len(values):
        raise ValueError(f"{name} must be one row of at least one number, not of shape {values.shape}")
    wrong = values[~(np.isfinite(values) | (infinite & (values == np.inf)))]
    if len(wrong):
        raise ValueError(f"{name} hold {wrong[0]}, which is not a {'time' if infinite else 'finite number'}")


def check_share(value: float, name: str) -> None:
    """Raise ValueError unless the value lies strictly between 0 and 1."""
    if not 0 < value < 1:
        raise ValueError(f"{name} lies between 0 and 1, not {value}")


def _check_examples(scores: Floats, examples: NDArray[np.floating[Any]]) -> None:
    if examples.ndim != 2 or examples.shape[0] != len(scores) or not examples.shape[1]:
        raise ValueError(f"examples are {examples.shape}, ({len(scores)} seeds, examples) expected")
    means = examples.mean(axis=1, dtype=np.float64)
    if not np.isfinite(means).all():
        raise ValueError("examples hold numbers that are not finite")
    if np.abs(means - scores).max() > MAX_MEAN_ERROR * np.abs(examples).max():
        raise ValueError(f"the examples' means {means.tolist()} are not the scores {scores.tolist()}")

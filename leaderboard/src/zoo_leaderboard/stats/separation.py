"""Significant differences between the rows of a board: intervals, ranks with ties, and the seeds still needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
from scipy import special

from zoo_leaderboard.stats.differences import Integers, row_differences, tabulate
from zoo_leaderboard.stats.statistics import Covers, Sample, check_share, coverage_words, holm_rows
from zoo_leaderboard.stats.variance import Floats, Parts, half_widths, p_values

Method: TypeAlias = Literal["paired by example", "Welch", "none"]

ROWS_PER_BLOCK = 256  # ranked at once
PAIRS_PER_BLOCK = 2**16  # compared at once; blocks need less memory and fit the CPU cache


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """a - b with its interval and two-sided p value. They are None, and the method is `none`, if not comparable."""

    difference: float
    low: float | None
    high: float | None
    p_value: float | None
    method: Method
    covers: Covers


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DifferenceMatrix:
    """All differences between rows, each array (rows, rows): entry [i, j] is row i minus row j.

    The p values are not adjusted. Entries are nan where two rows cannot be compared. The diagonal is 0 with p value 1.
    """

    difference: Floats
    low: Floats
    high: Floats
    p_value: Floats


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Ranking:
    """Each row's rank, the number of other rows with that rank, and the number of comparable rows; int (rows,)."""

    rank: Integers
    tied: Integers
    compared: Integers


@dataclass(frozen=True, kw_only=True, slots=True)
class MoreSeeds:
    """The number of further seeds for each of two rows that would likely separate them.

    `count` is known for two verdicts only. separated: they differ already, the count is 0. more seeds: the count. test
    sample: no number of seeds separates them on these test examples. too many: the count is above the limit.
    undecidable: the spread over seeds is unknown.
    """

    count: int | None
    verdict: Literal["separated", "more seeds", "test sample", "too many", "undecidable"]


def difference(a: Sample, b: Sample, *, level: float = 0.95) -> Difference:
    """The mean score of a minus that of b; paired by example (or group) if both have results on the same data.

    Raises:
        ValueError: the two name the same data but differ in the number of examples or in the groups.
    """
    check_share(level, "level")
    pairs = row_differences(tabulate([a, b]), np.array([0]), np.array([1]))
    parts, value = pairs.parts(), float(pairs.difference[0])
    p_value = float(p_values(np.abs(pairs.difference), parts)[0])
    if np.isnan(p_value):
        return Difference(difference=value, low=None, high=None, p_value=None, method="none", covers="")
    half, test = float(half_widths(parts, 1 - level)[0]), bool(parts.test_df[0] > 0)
    return Difference(
        difference=value,
        low=value - half,
        high=value + half,
        p_value=p_value,
        method="paired by example" if test else "Welch",
        covers=coverage_words(seeds=bool(parts.seeds_df[0] > 0), test=test),
    )


def difference_matrix(samples: Sequence[Sample], *, level: float = 0.95) -> DifferenceMatrix:
    """All pairwise differences of the rows, equal to those of `difference`. Memory: a few arrays (rows, rows)."""
    check_share(level, "level")
    count = len(samples)
    first, second = np.triu_indices(count, 1)
    pairs = row_differences(tabulate(samples), first, second)
    parts, value = pairs.parts(), pairs.difference
    p_value = p_values(np.abs(value), parts)
    half = np.where(np.isnan(p_value), np.nan, half_widths(parts, 1 - level))

    def square(upper: Floats, lower: Floats, diagonal: float) -> Floats:
        matrix = np.full((count, count), diagonal)
        matrix[first, second], matrix[second, first] = upper, lower
        return matrix

    return DifferenceMatrix(
        difference=square(value, -value, 0.0),
        low=square(value - half, -value - half, 0.0),
        high=square(value + half, -value + half, 0.0),
        p_value=square(p_value, p_value, 1.0),
    )


def ranks(samples: Sequence[Sample], *, higher_is_better: bool, level: float = 0.95) -> Ranking:
    """Rank each row: 1 + the number of significantly better rows, after Holm's adjustment over its comparisons.

    "Not significantly different" is not transitive: a row may tie with two rows that differ from each other. A row that
    is comparable with no other has rank 1 and `compared` 0.
    """
    check_share(level, "level")
    count = len(samples)
    p_value = _all_p_values(samples)
    compared = np.count_nonzero(~np.isnan(p_value), axis=1)
    means = np.array([sample.scores.mean() for sample in samples]) * (1 if higher_is_better else -1)
    rank = np.ones(count, dtype=np.int64)
    for rows in np.array_split(np.arange(count), count // ROWS_PER_BLOCK + 1):
        better = means > means[rows, None]
        rank[rows] += np.count_nonzero(better & (holm_rows(p_value[rows]) <= 1 - level), axis=1)
    _, which, sizes = np.unique(rank, return_inverse=True, return_counts=True)
    return Ranking(rank=rank, tied=sizes[which] - 1, compared=compared)


def _all_p_values(samples: Sequence[Sample]) -> Floats:
    """The p values (rows, rows); nan on the diagonal and where two rows cannot be compared."""
    table, count = tabulate(samples), len(samples)
    found = np.full((count, count), np.nan)
    upper = np.triu_indices(count, 1)
    for start in range(0, len(upper[0]), PAIRS_PER_BLOCK):
        first, second = (side[start : start + PAIRS_PER_BLOCK] for side in upper)
        pairs = row_differences(table, first, second)
        found[first, second] = found[second, first] = p_values(np.abs(pairs.difference), pairs.parts())
    return found


def seeds_to_separate(
    a: Sample, b: Sample, *, level: float = 0.95, max_seeds: int = 100, comparisons: int = 1, power: float = 0.8
) -> MoreSeeds:
    """The smallest number of further seeds per row that separates the two rows with about this power.

    The difference and the variances are assumed to be as estimated so far. `comparisons` is the number of rows that a
    row is compared with: for Holm, the smallest of their p values must be below (1 - level) / comparisons.
    """
    check_share(level, "level")
    check_share(power, "power")
    if max_seeds < 1 or comparisons < 1:
        raise ValueError(f"max_seeds and comparisons are at least 1, not {max_seeds} and {comparisons}")
    alpha = (1 - level) / comparisons
    pairs = row_differences(tabulate([a, b]), np.array([0]), np.array([1]))
    size, parts = np.abs(pairs.difference), pairs.parts()
    if p_values(size, parts)[0] <= alpha:
        return MoreSeeds(count=0, verdict="separated")
    if not parts.seeds_df[0]:
        return MoreSeeds(count=None, verdict="undecidable")
    extra_seeds = np.arange(1, max_seeds + 1)
    enough = np.flatnonzero(_detectable_difference(pairs.parts(extra_seeds), alpha, power) <= size)
    if len(enough):
        return MoreSeeds(count=int(extra_seeds[enough[0]]), verdict="more seeds")
    endless = _detectable_difference(replace(parts, seeds=np.zeros(1)), alpha, power)
    return MoreSeeds(count=None, verdict="too many" if endless[0] <= size[0] else "test sample")


def _detectable_difference(parts: Parts, alpha: float, power: float) -> Floats:
    """The difference that is found with this power: the half width plus the power's normal quantile of the error."""
    error = np.sqrt(parts.seeds + parts.test)
    whole = replace(parts, drawn=parts.test)  # the residual shrinks with the seeds
    return np.asarray(half_widths(whole, alpha) + special.ndtri(power) * error, dtype=np.float64)

"""The difference of two rows, or of all pairs of rows, with intervals and p values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from zoo_leaderboard.stats.holm import holm_rows
from zoo_leaderboard.stats.pairs import PairDifferences, board_moments, pair_differences
from zoo_leaderboard.stats.sample import Covers, Sample, check_share, coverage_words
from zoo_leaderboard.stats.student import half_widths, p_values
from zoo_leaderboard.stats.variance import Floats, Moments

Method: TypeAlias = Literal["paired by example", "Welch", "none"]


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

    `p_value` is not adjusted for the number of comparisons; `adjusted` is, by Holm's correction over all pairs, and nan
    where the ranks compare nothing: for one seed against one. Entries are nan where two rows cannot be compared. The
    diagonal is 0 with p value 1.
    """

    difference: Floats
    low: Floats
    high: Floats
    p_value: Floats
    adjusted: Floats


def difference(a: Sample, b: Sample, *, level: float = 0.95) -> Difference:
    """Subtract the mean score of b from that of a; paired by example (or group) if both have results on the same data.

    Raises:
        ValueError: the two name the same data but differ in the number of examples or in the groups.
    """
    check_share(level, "level")
    pairs = pair_of(a, b)
    parts, value = pairs.parts(), float(pairs.difference[0])
    p_value = float(p_values(pairs.size, parts)[0])
    if np.isnan(p_value):
        return Difference(difference=value, low=None, high=None, p_value=None, method="none", covers="")
    half = float(half_widths(parts, 1 - level)[0] + pairs.continuity[0])
    test = bool(parts.test_df[0] > 0)
    return Difference(
        difference=value,
        low=value - half,
        high=value + half,
        p_value=p_value,
        method="paired by example" if test else "Welch",
        covers=coverage_words(seeds=bool(parts.seeds_df[0] > 0), test=test),
    )


def difference_matrix(
    rows: Sequence[Moments], *, adjusted: Floats | None = None, level: float = 0.95
) -> DifferenceMatrix:
    """Compute all pairwise differences of the rows, equal to those of `difference`.

    `adjusted`, (rows, rows), are the p values after the correction of a table that has more rows than these; without
    it, these rows are the table. Memory: a few arrays (rows, rows).
    """
    check_share(level, "level")
    count = len(rows)
    first, second = np.triu_indices(count, 1)
    pairs = pair_differences(board_moments(rows), first, second)
    parts, value = pairs.parts(), pairs.difference
    p_value = p_values(pairs.size, parts)
    half = np.where(np.isnan(p_value), np.nan, half_widths(parts, 1 - level) + pairs.continuity)

    def square(upper: Floats, lower: Floats, diagonal: float) -> Floats:
        matrix = np.full((count, count), diagonal)
        matrix[first, second], matrix[second, first] = upper, lower
        return matrix

    if adjusted is None:
        holms = holm_rows(np.where(pairs.seeds_known, p_value, np.nan)[None])[0]
        adjusted = square(holms, holms, 1.0)
    return DifferenceMatrix(
        difference=square(value, -value, 0.0),
        low=square(value - half, -value - half, 0.0),
        high=square(value + half, -value + half, 0.0),
        p_value=square(p_value, p_value, 1.0),
        adjusted=adjusted,
    )


def pair_of(a: Sample, b: Sample) -> PairDifferences:
    """Return a - b as arrays (1,)."""
    return pair_of_rows(a.moments(), b.moments())


def pair_of_rows(a: Moments, b: Moments) -> PairDifferences:
    """Return a - b as arrays (1,)."""
    return pair_differences(board_moments([a, b]), np.array([0]), np.array([1]))

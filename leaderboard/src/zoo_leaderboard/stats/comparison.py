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
from zoo_leaderboard.stats.variance import Floats

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

    `adjusted` are the p values after Holm's correction over all pairs. Entries are nan where two rows cannot be
    compared. The diagonal is 0 with p value 1.
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
    """Compute all pairwise differences of the rows, equal to those of `difference`.

    Memory: a few arrays (rows, rows).
    """
    check_share(level, "level")
    count = len(samples)
    first, second = np.triu_indices(count, 1)
    pairs = pair_differences(board_moments(samples), first, second)
    parts, value = pairs.parts(), pairs.difference
    p_value = p_values(np.abs(value), parts)
    adjusted = holm_rows(p_value[None])[0]
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
        adjusted=square(adjusted, adjusted, 1.0),
    )


def pair_of(a: Sample, b: Sample) -> PairDifferences:
    """Return a - b as arrays (1,)."""
    return pair_differences(board_moments([a, b]), np.array([0]), np.array([1]))

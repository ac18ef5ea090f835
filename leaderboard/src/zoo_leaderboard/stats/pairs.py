"""Differences between the mean scores of rows, with their variances, for many pairs of rows at once.

Two rows with results on the same test examples are paired: they are compared example by example. The variance of their
difference has two parts, as in `variance`:

* the seeds' part: the rows have independent seeds, so it is Welch's (1947) sum with his degrees of freedom;
* the test sample's part, from the differences of the units.

This is Student's paired test if seeds make no difference, and Welch's test if examples make none. Two rows without
results on the same data are compared by Welch's test over seeds.

Scores of 0 and 1 need a correction for continuity, as in McNemar's (1947) test: where few examples differ, the
difference of two accuracies can take few values. One example that turns changes the sum over n and m seeds by multiples
of 1 / lcm(n, m), so the difference is taken that much over the number of examples nearer to 0. With one seed each this
is Edwards's (1948) corrected test.

Two cases need a rule, because the data do not show the variance:

* One of two paired rows has a single seed. Its variance over seeds is taken from the other row, with that row's degrees
  of freedom, as in Student's test with n = 1. If both have a single seed, only the test sample is covered.
* Neither row has any variance, and the means differ (runs that repeat exactly). Scores are rounded to some step, which
  hides a standard deviation of step / sqrt(12). The step is unknown but not larger than the difference, so the standard
  deviation is set to |difference| / sqrt(12). Without examples, 2, 3 and 5 such seeds per row give p = 0.074, 0.013 and
  0.0006, not 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from zoo_leaderboard.stats.variance import ROUNDING_SHARE, Floats, Moments, VarianceParts

Integers: TypeAlias = NDArray[np.int64]
Booleans: TypeAlias = NDArray[np.bool_]

UNITS_PER_BLOCK = 4096  # of each row at once
CANCELLATION_SHARE = 1e-13  # a difference of squares below this share of them is rounding


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class BoardMoments:
    """The `Moments` of all rows of a board, each array (rows,), and two tables (rows, rows) for paired rows.

    `counts` marks rows of ungrouped examples that are all 0 or 1. `seed_var` and `residual_var` are variances of one
    seed's score. `test_var_with_residual` is the variance over the test sample of the difference of two means, residual
    included, already divided by the number of units. `unit_count` is the number of units. Both tables are 0 for rows
    that are not paired.
    """

    seed_count: Integers
    mean: Floats
    seed_var: Floats
    residual_var: Floats
    counts: Booleans
    test_var_with_residual: Floats
    unit_count: Integers


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class PairDifferences:
    """The differences of pairs of rows, each array (pairs,). Unknown variances are 0 with 0 degrees of freedom.

    `continuity` is the correction that the size of the difference is reduced by, 0 except for paired accuracies.
    `seed_vars` and `seed_counts` are those of the first and of the second row; a variance is that of one seed's score.
    `seeds_known`: there is a variance over seeds. `borrowed`: one row has a single seed and takes the variance of the
    other. `test_var` is the test sample's part of the variance of the difference, without the residual.
    """

    difference: Floats
    continuity: Floats
    seed_vars: tuple[Floats, Floats]
    seed_counts: tuple[Integers, Integers]
    seeds_known: Booleans
    borrowed: Booleans
    test_var: Floats
    test_var_with_residual: Floats
    test_df: Floats

    @property
    def size(self) -> Floats:
        """The absolute difference, less the correction for continuity."""
        return np.maximum(np.abs(self.difference) - self.continuity, 0.0)

    def parts(self, extra_seeds: int | Integers = 0) -> VarianceParts:
        """Return the variance of the difference in its parts, as if each row had `extra_seeds` more seeds."""
        n, m = (count + extra_seeds for count in self.seed_counts)
        first_var, second_var = self.seed_vars[0] / n, self.seed_vars[1] / m  # of the mean of each row
        welch_df = _welch_df(first_var, second_var, n, m)
        seeds_df = np.where(self.borrowed, np.maximum(n, m) - 1, welch_df)
        return VarianceParts(
            seeds_var=first_var + second_var,
            seeds_df=np.where(self.seeds_known, seeds_df, 0.0),
            test_var=self.test_var,
            test_var_with_residual=self.test_var_with_residual,
            test_df=self.test_df,
        )


def board_moments(rows: Sequence[Moments]) -> BoardMoments:
    """Join the moments of a board's rows, and compute those of all pairs.

    Raises:
        ValueError: rows name the same data but differ in the number of examples or in the groups.
    """
    test_var_with_residual, unit_count = _paired_rows(rows)
    return BoardMoments(
        seed_count=np.array([row.seed_count for row in rows], dtype=np.int64),
        mean=_column(rows, "mean"),
        seed_var=_column(rows, "seed_var"),
        residual_var=_column(rows, "residual_var"),
        counts=np.array([row.binary and not row.grouped for row in rows], dtype=np.bool_),
        test_var_with_residual=test_var_with_residual,
        unit_count=unit_count,
    )


def pair_differences(board: BoardMoments, first: Integers, second: Integers) -> PairDifferences:
    """Subtract the rows at the indices `second`, (pairs,), from the rows at the indices `first`."""
    mean, n = board.mean[first], board.seed_count[first]
    other_mean, m = board.mean[second], board.seed_count[second]
    with_residual = board.test_var_with_residual[first, second]
    test_df = np.maximum(board.unit_count[first, second] - 1.0, 0.0)
    paired = test_df > 0
    fewer_seeds, more_seeds = np.minimum(n, m), np.maximum(n, m)
    seeds_known = np.where(paired, more_seeds > 1, fewer_seeds > 1)
    residual, other_residual = _values_of_both(board.residual_var, first, second, seeds_known & paired)
    residual_of_difference = residual / n + other_residual / m
    counts = paired & board.counts[first] & board.counts[second]
    differences = PairDifferences(
        difference=mean - other_mean,
        continuity=np.where(counts, 1 / (np.lcm(n, m) * (test_df + 1)), 0.0),
        seed_vars=_values_of_both(board.seed_var, first, second, seeds_known),
        seed_counts=(n, m),
        seeds_known=seeds_known,
        borrowed=seeds_known & (fewer_seeds == 1),
        test_var=np.maximum(with_residual - residual_of_difference, 0),
        test_var_with_residual=with_residual,
        test_df=test_df,
    )
    return _with_variance_of_rounding(differences, np.maximum(np.abs(mean), np.abs(other_mean)))


def _with_variance_of_rounding(differences: PairDifferences, scale: Floats) -> PairDifferences:
    """Give pairs without any variance that of rounding, difference^2 / 12; see the module's docstring.

    It goes to the units of paired rows, and to the seeds of other rows. Differences that are rounding errors, compared
    with `scale`, become 0.
    """
    is_rounding_error = np.abs(differences.difference) <= ROUNDING_SHARE * scale
    difference = np.where(is_rounding_error, 0.0, differences.difference)
    first_var, second_var = differences.seed_vars
    has_no_variance = first_var + second_var + differences.test_var_with_residual == 0
    needs_variance = has_no_variance & (difference != 0)
    rounding_var = difference**2 / 12

    to_units = needs_variance & (differences.test_df > 0)
    unit_count = differences.test_df + 1
    with_residual = np.where(to_units, rounding_var / unit_count, differences.test_var_with_residual)

    to_seeds = needs_variance & ~to_units & differences.seeds_known
    return replace(
        differences,
        difference=difference,
        seed_vars=(np.where(to_seeds, rounding_var, first_var), np.where(to_seeds, rounding_var, second_var)),
        test_var=np.where(to_units, with_residual, differences.test_var),
        test_var_with_residual=with_residual,
    )


def _values_of_both(values: Floats, first: Integers, second: Integers, known: Booleans) -> tuple[Floats, Floats]:
    """Return the values of both rows of each pair. A row without a value (nan) takes the other's; unknown: 0."""
    a, b = values[first], values[second]
    a_or_b, b_or_a = np.where(np.isnan(a), b, a), np.where(np.isnan(b), a, b)
    return np.where(known, a_or_b, 0.0), np.where(known, b_or_a, 0.0)


def _welch_df(first_var: Floats, second_var: Floats, n: Integers, m: Integers) -> Floats:
    """Return Welch's degrees of freedom for the sum of two variances of means over n and m seeds."""
    no_variance = first_var + second_var == 0
    # If both are 0, any degrees of freedom will do, since they are multiplied by 0: avoid 0 / 0.
    a, b = np.where(no_variance, 1 / n, first_var), np.where(no_variance, 1 / m, second_var)
    return np.asarray((a + b) ** 2 / (a**2 / np.maximum(n - 1, 1) + b**2 / np.maximum(m - 1, 1)), dtype=np.float64)


def _column(rows: Sequence[Moments], name: str) -> Floats:
    return np.array([getattr(row, name) for row in rows], dtype=np.float64)


def _paired_rows(rows: Sequence[Moments]) -> tuple[Floats, Integers]:
    """Return the tables `test_var_with_residual` and `unit_count` of BoardMoments."""
    variances = np.zeros((len(rows), len(rows)))
    unit_counts = np.zeros(variances.shape, dtype=np.int64)
    for members in _rows_by_data(rows):
        unit_means = [units for index in members if (units := rows[index].unit_means) is not None]
        unit_count = len(unit_means[0])
        block = np.ix_(members, members)
        variances[block], unit_counts[block] = _variance_of_differences(unit_means) / unit_count, unit_count
    return variances, unit_counts


def _rows_by_data(rows: Sequence[Moments]) -> list[list[int]]:
    """Return the indices of the rows with units, one list for each data set."""
    by_data: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        if row.unit_means is None:
            continue
        members = by_data.setdefault(row.data, [])
        if members and rows[members[0]].layout != row.layout:
            raise ValueError(f"rows of the same data {row.data!r} differ in the number of examples or in the groups")
        members.append(index)
    return list(by_data.values())


def _variance_of_differences(unit_means: Sequence[Floats]) -> Floats:
    """Return the variances (rows, rows) over units of the differences of all pairs of rows, each (units,).

    The variance of a - b is computed as (a.a + b.b - 2 a.b) / (units - 1) of the centred rows: matrix products for all
    pairs, block by block of units, so that the rows are not copied. Values as small as the rounding errors of this
    subtraction, or of the means, are set to 0.
    """
    row_count, unit_count = len(unit_means), len(unit_means[0])
    scale = np.array([np.abs(units).max() for units in unit_means])
    means = np.array([units.mean() for units in unit_means])
    products = np.zeros((row_count, row_count))
    for start in range(0, unit_count, UNITS_PER_BLOCK):
        centred = np.stack([units[start : start + UNITS_PER_BLOCK] for units in unit_means]) - means[:, None]
        products += centred @ centred.T
    squares = np.diag(products)
    sums = squares[:, None] + squares
    variance = (sums - 2 * products) / (unit_count - 1)
    cancellation = CANCELLATION_SHARE * sums
    rounding = (ROUNDING_SHARE * np.maximum(scale[:, None], scale)) ** 2
    return np.asarray(np.where(variance > np.maximum(cancellation, rounding), variance, 0.0), dtype=np.float64)

"""Differences between the mean scores of two rows, with their variances, for all pairs of a board at once.

Two rows with results on the same test examples are compared example by example. The variance of their difference has
two parts, joined as in `variance`:

* the seeds' part: the rows have independent seeds, so it is Welch's (1947) sum with his degrees of freedom;
* the test sample's part, from the differences of the units.

This is Student's paired test if seeds make no difference, and Welch's test if examples make none. Two rows without
results on the same data are compared by Welch's test over seeds.

Two cases need a rule, because the data do not show the spread:

* One of two paired rows has a single seed. Its variance over seeds is taken from the other row, with that row's degrees
  of freedom, as in Student's test with n = 1. If both have a single seed, only the test sample is covered.
* Neither row has any spread, and the means differ (runs that repeat exactly). Scores are rounded to some step, which
  hides a spread of step / sqrt(12). The step is unknown but not larger than the difference, so the spread is set to
  |difference| / sqrt(12). Without examples, 2, 3 and 5 such seeds per row give p = 0.074, 0.013 and 0.0006, not 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from zoo_leaderboard.stats.statistics import Sample
from zoo_leaderboard.stats.variance import ROUNDING_SHARE, Floats, Moments, Parts

Integers: TypeAlias = NDArray[np.int64]
Booleans: TypeAlias = NDArray[np.bool_]

CANCELLATION_SHARE = 1e-13  # a difference of squares below this share of them is rounding


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RowMoments:
    """The moments of all rows, each array (rows,), and two tables (rows, rows) for rows with results on the same data.

    `drawn` is the variance over the test sample of the difference of two means, residual included; `units` is the
    number of units. Both are 0 where two rows share no data.
    """

    seeds: Integers
    mean: Floats
    variance: Floats
    residual: Floats
    drawn: Floats
    units: Integers


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Differences:
    """The differences of pairs of rows, each array (pairs,). Unknown variances are 0 with 0 degrees of freedom.

    `variances` and `counts` are those of the seeds of the first and of the second row. `known`: there is a variance
    over seeds. `borrowed`: one row has a single seed and takes the other row's variance. `test` is the test sample's
    part without the residual, `drawn` with it.
    """

    difference: Floats
    variances: tuple[Floats, Floats]
    counts: tuple[Integers, Integers]
    known: Booleans
    borrowed: Booleans
    test: Floats
    drawn: Floats
    test_df: Floats

    def parts(self, extra_seeds: int | Integers = 0) -> Parts:
        """The variance in its parts, as if each row had `extra_seeds` more seeds."""
        n, m = (count + extra_seeds for count in self.counts)
        a, b = self.variances[0] / n, self.variances[1] / m
        df = np.where(self.borrowed, np.maximum(n, m) - 1, _welch_df(a, b, n, m))
        return Parts(
            seeds=a + b,
            seeds_df=np.where(self.known, df, 0.0),
            test=self.test,
            drawn=self.drawn,
            test_df=self.test_df,
        )


def tabulate(samples: Sequence[Sample]) -> RowMoments:
    """Compute the moments of a board's rows.

    Raises:
        ValueError: rows name the same data but differ in the number of examples or in the groups.
    """
    rows = [sample.moments() for sample in samples]
    drawn, units = _unit_differences(samples, rows)
    return RowMoments(
        seeds=np.array([row.seeds for row in rows], dtype=np.int64),
        mean=_column(rows, "mean"),
        variance=_column(rows, "variance"),
        residual=_column(rows, "residual"),
        drawn=drawn,
        units=units,
    )


def row_differences(rows: RowMoments, first: Integers, second: Integers) -> Differences:
    """The rows at the indices `first`, (pairs,), minus the rows at the indices `second`."""
    means, counts = (rows.mean[first], rows.mean[second]), (rows.seeds[first], rows.seeds[second])
    drawn, test_df = rows.drawn[first, second], np.maximum(rows.units[first, second] - 1.0, 0.0)
    paired = test_df > 0
    few, many = np.minimum(*counts), np.maximum(*counts)
    known = np.where(paired, many > 1, few > 1)
    residual = sum(
        part / count
        for part, count in zip(_known_values(rows.residual, first, second, known & paired), counts, strict=True)
    )
    differences = Differences(
        difference=means[0] - means[1],
        variances=_known_values(rows.variance, first, second, known),
        counts=counts,
        known=known,
        borrowed=known & (few == 1),
        test=np.maximum(drawn - residual, 0),
        drawn=drawn,
        test_df=test_df,
    )
    return _with_spread(differences, np.maximum(*np.abs(means)))


def _with_spread(differences: Differences, scale: Floats) -> Differences:
    """Add the spread of rounding where there is no spread at all; see the module's docstring."""
    value = np.where(np.abs(differences.difference) <= ROUNDING_SHARE * scale, 0.0, differences.difference)
    flat = (differences.variances[0] + differences.variances[1] + differences.drawn == 0) & (value != 0)
    paired, step = flat & (differences.test_df > 0), value**2 / 12
    drawn = np.where(paired, step / (differences.test_df + 1), differences.drawn)
    a, b = (np.where(flat & ~paired & differences.known, step, variance) for variance in differences.variances)
    test = np.where(paired, drawn, differences.test)
    return replace(differences, difference=value, variances=(a, b), test=test, drawn=drawn)


def _known_values(values: Floats, first: Integers, second: Integers, known: Booleans) -> tuple[Floats, Floats]:
    """The values of both rows of each pair: nan is replaced by the other row's value, unknown values by 0."""
    a, b = values[first], values[second]
    left, right = np.where(np.isnan(a), b, a), np.where(np.isnan(b), a, b)
    return np.where(known, left, 0.0), np.where(known, right, 0.0)


def _welch_df(a: Floats, b: Floats, n: Integers, m: Integers) -> Floats:
    flat = a + b == 0
    a, b = np.where(flat, 1 / n, a), np.where(flat, 1 / m, b)  # the value does not matter: it is multiplied by 0
    return np.asarray((a + b) ** 2 / (a**2 / np.maximum(n - 1, 1) + b**2 / np.maximum(m - 1, 1)), dtype=np.float64)


def _column(rows: Sequence[Moments], name: str) -> Floats:
    return np.array([getattr(row, name) for row in rows], dtype=np.float64)


def _unit_differences(samples: Sequence[Sample], rows: Sequence[Moments]) -> tuple[Floats, Integers]:
    drawn = np.zeros((len(rows), len(rows)))
    units = np.zeros(drawn.shape, dtype=np.int64)
    for members in _rows_by_data(samples, rows):
        means = np.stack([row.units for index in members if (row := rows[index]).units is not None])
        block = np.ix_(members, members)
        drawn[block], units[block] = _variance_of_differences(means) / means.shape[1], means.shape[1]
    return drawn, units


def _rows_by_data(samples: Sequence[Sample], rows: Sequence[Moments]) -> list[list[int]]:
    """The indices of the rows with examples, in groups of one data set each."""
    found: dict[str, list[int]] = {}
    for index, (sample, row) in enumerate(zip(samples, rows, strict=True)):
        if row.units is None:
            continue
        members = found.setdefault(sample.data, [])
        if members and not _same_layout(samples[members[0]], sample):
            raise ValueError(f"rows of the same data {sample.data!r} differ in the number of examples or in the groups")
        members.append(index)
    return list(found.values())


def _same_layout(a: Sample, b: Sample) -> bool:
    if a.examples is None or b.examples is None or a.examples.shape[1] != b.examples.shape[1]:
        return False
    if a.groups is None or b.groups is None:
        return a.groups is b.groups
    return a.groups is b.groups or np.array_equal(a.groups, b.groups)


def _variance_of_differences(means: Floats) -> Floats:
    """The variances (rows, rows) of all differences of (rows, units). Rounding errors are set to 0."""
    scale = np.abs(means).max(axis=1)
    means = means - means.mean(axis=1, keepdims=True)
    products = means @ means.T
    squares = np.diag(products)
    sums = squares[:, None] + squares
    variance = (sums - 2 * products) / (means.shape[1] - 1)
    least = np.maximum(CANCELLATION_SHARE * sums, (ROUNDING_SHARE * np.maximum(scale[:, None], scale)) ** 2)
    return np.asarray(np.where(variance > least, variance, 0.0), dtype=np.float64)

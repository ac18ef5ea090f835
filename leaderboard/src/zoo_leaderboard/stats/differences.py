"""Rows two by two: the difference of their means and its variance, for all pairs of a board at once.

Two rows with results on the same test examples are compared example by example: the variance of their difference has a
seeds' part (the rows' seeds are independent, so Welch's (1947) sum and degrees of freedom) and a test sample's part (of
the units' differences), joined as `variance` says. It is Student's paired test where the seeds make no difference, and
Welch's where the examples make none. Rows without examples of the same data are compared by Welch's test over seeds.

Two cases have no spread to speak from and need a rule:

* Paired rows of which one has one seed: its variance over seeds is taken to be the other's, with the other's degrees
  of freedom (as Student's test with n = 1 does). With one seed on both sides only the test sample is covered.
* No spread at all and unequal means (runs that repeat exactly): scores are rounded to some step, which hides a spread
  of step / sqrt(12); the step is not known but is no larger than the difference, so the spread is set to |difference|
  / sqrt(12). Hence without examples 2, 3 and 5 such seeds a side give p = 0.074, 0.013 and 0.0006, not 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from zoo_leaderboard.stats.statistics import Sample
from zoo_leaderboard.stats.variance import ROUNDING, Floats, Moments, Parts

Integers: TypeAlias = NDArray[np.int64]
Booleans: TypeAlias = NDArray[np.bool_]

CANCELLED = 1e-13  # of the squares: what is left of their difference below this is rounding


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class RowMoments:
    """The rows' moments, each (rows,), and for those with results on the same data what they share.

    `drawn`, (rows, rows), is the variance of the difference of two means over their units, whose number is `units`;
    both 0 where two rows share no data.
    """

    seeds: Integers
    mean: Floats
    variance: Floats
    residual: Floats
    drawn: Floats
    units: Integers


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Differences:
    """Comparisons, each array (pairs,); what is not known has variance 0 and degrees of freedom 0."""

    difference: Floats
    variances: tuple[Floats, Floats]  # over seeds, of either side
    counts: tuple[Integers, Integers]  # seeds of either side
    known: Booleans  # whether there is a variance over seeds
    borrowed: Booleans  # whether one side's is the other's
    test: Floats
    drawn: Floats
    test_df: Floats

    def parts(self, more: int | Integers = 0) -> Parts:
        """The parts with `more` seeds on either side."""
        n, m = (count + more for count in self.counts)
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
    """The rows of a board, ready to be compared.

    Raises:
        ValueError: rows of the same data with other numbers of examples, or other groups.
    """
    rows = [sample.moments() for sample in samples]
    drawn, units = _same_examples(samples, rows)
    return RowMoments(
        seeds=np.array([row.seeds for row in rows], dtype=np.int64),
        mean=_column(rows, "mean"),
        variance=_column(rows, "variance"),
        residual=_column(rows, "residual"),
        drawn=drawn,
        units=units,
    )


def row_differences(rows: RowMoments, first: Integers, second: Integers) -> Differences:
    """The rows numbered `first`, (pairs,), less those numbered `second`."""
    means, counts = (rows.mean[first], rows.mean[second]), (rows.seeds[first], rows.seeds[second])
    drawn, test_df = rows.drawn[first, second], np.maximum(rows.units[first, second] - 1.0, 0.0)
    paired = test_df > 0
    few, many = np.minimum(*counts), np.maximum(*counts)
    known = np.where(paired, many > 1, few > 1)
    rest = sum(
        part / count for part, count in zip(_sides(rows.residual, first, second, known & paired), counts, strict=True)
    )
    differences = Differences(
        difference=means[0] - means[1],
        variances=_sides(rows.variance, first, second, known),
        counts=counts,
        known=known,
        borrowed=known & (few == 1),
        test=np.maximum(drawn - rest, 0),
        drawn=drawn,
        test_df=test_df,
    )
    return _with_spread(differences, np.maximum(*np.abs(means)))


def _with_spread(differences: Differences, scale: Floats) -> Differences:
    """The same; where there is no spread at all, that of rounding to steps as large as the difference."""
    value = np.where(np.abs(differences.difference) <= ROUNDING * scale, 0.0, differences.difference)
    flat = (differences.variances[0] + differences.variances[1] + differences.drawn == 0) & (value != 0)
    paired, step = flat & (differences.test_df > 0), value**2 / 12
    drawn = np.where(paired, step / (differences.test_df + 1), differences.drawn)
    a, b = (np.where(flat & ~paired & differences.known, step, variance) for variance in differences.variances)
    test = np.where(paired, drawn, differences.test)
    return replace(differences, difference=value, variances=(a, b), test=test, drawn=drawn)


def _sides(values: Floats, first: Integers, second: Integers, known: Booleans) -> tuple[Floats, Floats]:
    """Either side's value, the other's where it has none, 0 where not known."""
    a, b = values[first], values[second]
    left, right = np.where(np.isnan(a), b, a), np.where(np.isnan(b), a, b)
    return np.where(known, left, 0.0), np.where(known, right, 0.0)


def _welch_df(a: Floats, b: Floats, n: Integers, m: Integers) -> Floats:
    flat = a + b == 0
    a, b = np.where(flat, 1 / n, a), np.where(flat, 1 / m, b)  # any will do: it is multiplied by 0
    return np.asarray((a + b) ** 2 / (a**2 / np.maximum(n - 1, 1) + b**2 / np.maximum(m - 1, 1)), dtype=np.float64)


def _column(rows: Sequence[Moments], name: str) -> Floats:
    return np.array([getattr(row, name) for row in rows], dtype=np.float64)


def _same_examples(samples: Sequence[Sample], rows: Sequence[Moments]) -> tuple[Floats, Integers]:
    drawn = np.zeros((len(rows), len(rows)))
    units = np.zeros(drawn.shape, dtype=np.int64)
    for members in _of_one_data(samples, rows):
        means = np.stack([row.units for index in members if (row := rows[index]).units is not None])
        block = np.ix_(members, members)
        drawn[block], units[block] = _variance_of_differences(means) / means.shape[1], means.shape[1]
    return drawn, units


def _of_one_data(samples: Sequence[Sample], rows: Sequence[Moments]) -> list[list[int]]:
    """The rows by the data they have results on."""
    found: dict[str, list[int]] = {}
    for index, (sample, row) in enumerate(zip(samples, rows, strict=True)):
        if row.units is None:
            continue
        members = found.setdefault(sample.data, [])
        if members and not _fit(samples[members[0]], sample):
            raise ValueError(f"rows of the same data {sample.data!r} have other numbers of examples or other groups")
        members.append(index)
    return list(found.values())


def _fit(a: Sample, b: Sample) -> bool:
    if a.examples is None or b.examples is None or a.examples.shape[1] != b.examples.shape[1]:
        return False
    if a.groups is None or b.groups is None:
        return a.groups is b.groups
    return a.groups is b.groups or np.array_equal(a.groups, b.groups)


def _variance_of_differences(means: Floats) -> Floats:
    """(rows, rows) from (rows, units), by one matrix product; what cancels but for rounding is 0."""
    scale = np.abs(means).max(axis=1)
    means = means - means.mean(axis=1, keepdims=True)
    products = means @ means.T
    squares = np.diag(products)
    sums = squares[:, None] + squares
    variance = (sums - 2 * products) / (means.shape[1] - 1)
    least = np.maximum(CANCELLED * sums, (ROUNDING * np.maximum(scale[:, None], scale)) ** 2)
    return np.asarray(np.where(variance > least, variance, 0.0), dtype=np.float64)

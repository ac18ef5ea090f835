"""Ranks with their ranges: the ranks that the tests between the rows of a table leave open.

All pairs of rows of the table are tested together, with Holm's correction over all of them, so that the probability of
any false difference in the table is at most 5 %. One seed against one is not tested, because the variance over seeds is
unknown.

"Significantly better" is not an order: of three rows with falling means, the first may beat the second but not the
third, because the third scatters more. Scattering must not pay. So a significant pair also separates the rows beyond
it: if a beats b, then every row with a mean at least as good as a's counts as better than every row with a mean no
better than b's. As the best and the worst rank then never improve while the means fall, no row outranks one with a
better mean. If all rows scatter alike, this adds no false claims: the difference of the outer rows is larger than one
that is significant. Rows that scatter more than their neighbours are simulated in benchmarks/statistics.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoo_leaderboard.stats.holm import holm_rows
from zoo_leaderboard.stats.pairs import Booleans, Integers, board_moments, pair_differences
from zoo_leaderboard.stats.sample import Sample, check_share
from zoo_leaderboard.stats.student import p_values
from zoo_leaderboard.stats.variance import Floats, Moments

PAIRS_PER_BLOCK = 2**16  # compared at once; blocks need less memory and fit the CPU cache


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Ranking:
    """Each row's ranks and its comparisons; int arrays (rows,).

    `rank` is the best and `rank_high` the worst rank that the tests leave open; both are 0 for a row that was compared
    with no other. `tied` is the number of other rows with the same best rank, `compared` the number of rows that the
    row was tested against. `adjusted`, (rows, rows), has the p values after Holm's correction over all pairs, nan
    for pairs that were not tested. `pairs` is the number of tests, `undecided` that of the tests without significance.
    """

    rank: Integers
    rank_high: Integers
    tied: Integers
    compared: Integers
    adjusted: Floats
    pairs: int
    undecided: int


def ranks(samples: Sequence[Sample], *, higher_is_better: bool, level: float = 0.95) -> Ranking:
    """Rank the rows of a table, see `rank_rows`."""
    return rank_rows([sample.moments() for sample in samples], higher_is_better=higher_is_better, level=level)


def rank_rows(rows: Sequence[Moments], *, higher_is_better: bool, level: float = 0.95) -> Ranking:
    """Rank the rows of a table: by all pairs of rows, with Holm's correction over all pairs.

    The best rank is 1 + the number of rows that count as better, the worst one the number of compared rows - the number
    of rows that count as worse.
    """
    check_share(level, "level")
    first, second = np.triu_indices(len(rows), 1)
    p_value = _tested_p_values(rows, first, second)
    adjusted_pairs = holm_rows(p_value[None])[0]
    adjusted = np.full((len(rows), len(rows)), np.nan)
    adjusted[first, second] = adjusted[second, first] = adjusted_pairs
    compared = np.count_nonzero(~np.isnan(adjusted), axis=1)
    ranked = compared > 0
    means = np.array([row.mean for row in rows]) * (1 if higher_is_better else -1)
    rank, rank_high = np.zeros(len(rows), dtype=np.int64), np.zeros(len(rows), dtype=np.int64)
    if ranked.any():
        block = np.ix_(ranked, ranked)
        rank[ranked], rank_high[ranked] = _rank_ranges(means[ranked], adjusted[block] <= 1 - level)
    _, index_of_rank, sizes = np.unique(rank, return_inverse=True, return_counts=True)
    pairs = int(np.count_nonzero(~np.isnan(adjusted_pairs)))
    return Ranking(
        rank=rank,
        rank_high=rank_high,
        tied=np.where(ranked, sizes[index_of_rank] - 1, 0),
        compared=compared,
        adjusted=adjusted,
        pairs=pairs,
        undecided=pairs - int(np.count_nonzero(adjusted_pairs <= 1 - level)),
    )


def _rank_ranges(means: Floats, significant: Booleans) -> tuple[Integers, Integers]:
    """Return the best and the worst rank of each row; higher means are better, `significant` is (rows, rows)."""
    better = significant & (means[:, None] > means)  # [a, b]: a beats b
    # The worst mean that beats the row, or one with a mean at least as good; all rows from there upwards are better.
    least_better = _running(np.minimum, means, np.where(better, means[:, None], np.inf).min(axis=0), best_first=True)
    # The best mean that is beaten by the row, or by one with a mean no better; all rows from there downwards are worse.
    best_worse = _running(np.maximum, means, np.where(better, means, -np.inf).max(axis=1), best_first=False)
    ordered = np.sort(means)
    count_better = len(means) - np.searchsorted(ordered, least_better, side="left")
    count_worse = np.searchsorted(ordered, best_worse, side="right")
    return 1 + count_better, len(means) - count_worse


def _running(extreme: np.ufunc, means: Floats, values: Floats, *, best_first: bool) -> Floats:
    """Return the minimum or maximum of the values of each row and of all rows with better (or worse) or equal means."""
    levels, level_of_row = np.unique(-means if best_first else means, return_inverse=True)
    by_level = np.full(len(levels), np.inf if extreme is np.minimum else -np.inf)
    extreme.at(by_level, level_of_row, values)
    return np.asarray(extreme.accumulate(by_level)[level_of_row], dtype=np.float64)


def _tested_p_values(rows: Sequence[Moments], first: Integers, second: Integers) -> Floats:
    """Return the p values (pairs,); nan for rows that cannot be compared, and for one seed against one."""
    board = board_moments(rows)
    result = np.full(len(first), np.nan)
    for start in range(0, len(first), PAIRS_PER_BLOCK):
        block = slice(start, start + PAIRS_PER_BLOCK)
        pairs = pair_differences(board, first[block], second[block])
        result[block] = np.where(pairs.seeds_known, p_values(pairs.size, pairs.parts()), np.nan)
    return result

"""Ranks with ties: one plus the number of significantly better rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zoo_leaderboard.stats.holm import holm_rows
from zoo_leaderboard.stats.pairs import Integers, board_moments, pair_differences
from zoo_leaderboard.stats.sample import Sample, check_share
from zoo_leaderboard.stats.student import p_values
from zoo_leaderboard.stats.variance import Floats

ROWS_PER_BLOCK = 256  # ranked at once
PAIRS_PER_BLOCK = 2**16  # compared at once; blocks need less memory and fit the CPU cache


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Ranking:
    """Each row's rank and its comparisons; int arrays (rows,).

    `tied` is the number of other rows with that rank, `compared` the number of comparable rows, and `undecided` the
    number of comparable rows that do not differ significantly from the row, after Holm's adjustment.
    """

    rank: Integers
    tied: Integers
    compared: Integers
    undecided: Integers


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
    rank, undecided = np.ones(count, dtype=np.int64), compared.copy()
    for rows in np.array_split(np.arange(count), count // ROWS_PER_BLOCK + 1):
        significant = holm_rows(p_value[rows]) <= 1 - level
        better = means > means[rows, None]
        rank[rows] += np.count_nonzero(better & significant, axis=1)
        undecided[rows] -= np.count_nonzero(significant, axis=1)
    _, index_of_rank, sizes = np.unique(rank, return_inverse=True, return_counts=True)
    return Ranking(rank=rank, tied=sizes[index_of_rank] - 1, compared=compared, undecided=undecided)


def _all_p_values(samples: Sequence[Sample]) -> Floats:
    """Return the p values (rows, rows); nan on the diagonal and for rows that cannot be compared."""
    board, count = board_moments(samples), len(samples)
    matrix = np.full((count, count), np.nan)
    upper = np.triu_indices(count, 1)
    for start in range(0, len(upper[0]), PAIRS_PER_BLOCK):
        first, second = (indices[start : start + PAIRS_PER_BLOCK] for indices in upper)
        pairs = pair_differences(board, first, second)
        matrix[first, second] = matrix[second, first] = p_values(np.abs(pairs.difference), pairs.parts())
    return matrix

"""The number of further seeds that would likely separate two rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy import special

from zoo_leaderboard.stats.comparison import pair_of_rows
from zoo_leaderboard.stats.sample import check_share
from zoo_leaderboard.stats.student import half_widths, p_values
from zoo_leaderboard.stats.variance import Floats, Moments, VarianceParts


@dataclass(frozen=True, kw_only=True, slots=True)
class MoreSeeds:
    """The number of further seeds for each of two rows that would likely separate them.

    `count` is known for two verdicts only. separated: they differ already, the count is 0. more seeds: the count. test
    sample: no number of seeds separates them on these test examples, even if their difference is as large as its
    variation between seeds allows. too many: the count is above the limit, or no number of seeds is enough.
    undecidable: the two are not tested, because the variance over seeds is unknown. `by_example`: the two are compared
    example by example, so that the answer is not about this test set alone.
    """

    count: int | None
    verdict: Literal["separated", "more seeds", "test sample", "too many", "undecidable"]
    by_example: bool


def seeds_to_separate(
    a: Moments, b: Moments, *, level: float = 0.95, max_seeds: int = 100, comparisons: int = 1, power: float = 0.8
) -> MoreSeeds:
    """Find the smallest number of further seeds per row that separates the two rows with about this power.

    The difference and the variances are assumed to be as estimated so far. `comparisons` is the divisor that Holm's
    correction applies to this pair: the p value must be at most (1 - level) / comparisons.
    """
    check_share(level, "level")
    check_share(power, "power")
    if max_seeds < 1 or comparisons < 1:
        raise ValueError(f"max_seeds and comparisons are at least 1, not {max_seeds} and {comparisons}")
    alpha = (1 - level) / comparisons
    pairs = pair_of_rows(a, b)
    size, parts = pairs.size, pairs.parts()
    by_example = bool(parts.test_df[0] > 0)
    if not pairs.seeds_known[0]:
        return MoreSeeds(count=None, verdict="undecidable", by_example=by_example)
    if p_values(size, parts)[0] <= alpha:
        return MoreSeeds(count=0, verdict="separated", by_example=by_example)
    extra_seeds = np.arange(1, max_seeds + 1)
    enough = np.flatnonzero(_detectable_difference(pairs.parts(extra_seeds), alpha, power) <= size)
    if len(enough):
        return MoreSeeds(count=int(extra_seeds[enough[0]]), verdict="more seeds", by_example=by_example)
    hopeless = _too_small_for_any_seeds(size, parts, level)
    return MoreSeeds(count=None, verdict="test sample" if hopeless else "too many", by_example=by_example)


def _too_small_for_any_seeds(size: Floats, parts: VarianceParts, level: float) -> bool:
    """Whether the test sample alone hides the largest difference that endless seeds might show, without a correction.

    The largest difference is the end of the interval over seeds. The correction is left out because other pairs of the
    table may become significant, which leaves none for this pair.
    """
    over_seeds = replace(parts, test_var=np.zeros(1), test_var_with_residual=np.zeros(1))
    endless_seeds = replace(parts, seeds_var=np.zeros(1), test_var_with_residual=parts.test_var)
    return bool((size + half_widths(over_seeds, 1 - level) < half_widths(endless_seeds, 1 - level))[0])


def _detectable_difference(parts: VarianceParts, alpha: float, power: float) -> Floats:
    """Return the smallest difference that is found with this power: half width + normal quantile x standard error."""
    standard_error = np.sqrt(parts.seeds_var + parts.test_var)
    without_residual = replace(parts, test_var_with_residual=parts.test_var)  # the residual shrinks with the seeds
    return np.asarray(half_widths(without_residual, alpha) + special.ndtri(power) * standard_error, dtype=np.float64)

"""Half widths of intervals and p values of differences, with Student's t for each part of a variance.

The half width of the two-sided interval of level 1 - alpha is (Banerjee 1960)

    sqrt(max(t1^2 v1 + t2^2 v2, t2^2 (v2 + r)))

with the seeds' part v1, the test sample's part v2 and the residual r of `variance`; t1 and t2 are the quantiles of t at
1 - alpha / 2 with the degrees of freedom of each part. The second term is the interval of the test sample alone: three
seeds may agree by luck, so the interval is never narrower than that. The p value of a difference is the alpha at which
the half width equals the difference.

The coverage is close to or above the nominal level. Simulations used normal parts, 2 to 5 seeds, 60 examples and six
mixes of the parts, 6,000 runs each. At 95 % the interval covers 94.4 to 99.4 %. Welch and Satterthwaite's pooled
degrees of freedom cover 91.6 % with 3 seeds and 89 % with 2 in the worst mix. The percentiles of Owen's (2007)
pigeonhole bootstrap over seeds and units (1,500 runs) cover 69 % with 3 seeds and 49 % with 2 in the worst mix, because
so few seeds drawn with replacement understate their own variance. The tests repeat the comparison.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.optimize import elementwise

from zoo_leaderboard.stats.variance import Floats, VarianceParts

MIN_P_VALUE = 1e-15  # smallest p value with both parts: below it the quantiles of t lose their digits
BRACKET_MARGIN = 1e-9  # relative widening of the bounds of a root, more than the rounding errors of the bounds
TOLERANCES = {"xatol": 1e-9, "xrtol": 1e-12}  # of log p: nine digits of p


def half_widths(parts: VarianceParts, alpha: float) -> Floats:
    """Return the half widths (n,) of the two-sided intervals of level 1 - alpha."""
    t_seeds = special.stdtrit(np.maximum(parts.seeds_df, 1), alpha / 2)
    t_test = special.stdtrit(np.maximum(parts.test_df, 1), alpha / 2)
    both_parts = t_seeds**2 * parts.seeds_var + t_test**2 * parts.test_var
    test_alone = t_test**2 * parts.test_var_with_residual
    return np.asarray(np.sqrt(np.maximum(both_parts, test_alone)), dtype=np.float64)


def p_values(size: Floats, parts: VarianceParts) -> Floats:
    """Return the two-sided p values (n,) of differences of this absolute size.

    They are 1 for size 0, and nan if neither part of the variance is known.
    """
    result = _student_p_values(size, parts.seeds_var, parts.seeds_df)
    result[parts.seeds_df == 0] = np.nan
    paired = parts.test_df > 0
    if paired.any():
        result[paired] = _paired_p_values(size[paired], _select(parts, paired))
    return result


def _paired_p_values(size: Floats, parts: VarianceParts) -> Floats:
    """Return the larger p value of the two terms of the half width: of both parts, and of the test sample alone."""
    seeds_alone = _student_p_values(size, parts.seeds_var, parts.seeds_df)
    both_parts = np.where(parts.seeds_var > 0, seeds_alone, 0.0)
    mixed = (parts.seeds_var > 0) & (parts.test_var > 0) & (size > 0)
    if mixed.any():
        both_parts[mixed] = _banerjee_p_values(size[mixed], _select(parts, mixed))
    test_alone = _student_p_values(size, parts.test_var_with_residual, parts.test_df)
    return np.maximum(both_parts, test_alone)


def _select(parts: VarianceParts, selected: NDArray[np.bool_]) -> VarianceParts:
    return VarianceParts(**{field.name: getattr(parts, field.name)[selected] for field in fields(parts)})


def _student_p_values(size: Floats, variance: Floats, df: Floats) -> Floats:
    """Return two-sided p values of Student's t; 0 if the variance is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(size > 0, size / np.sqrt(variance), 0.0)
    return np.asarray(2 * special.stdtr(np.maximum(df, 1), -t), dtype=np.float64)


def _banerjee_p_values(size: Floats, parts: VarianceParts) -> Floats:
    """Return the alpha at which t1^2 v1 + t2^2 v2 = size^2.

    It lies between the p values of the whole variance v1 + v2 with the degrees of freedom of either part.
    """

    def excess(log_p: Floats, *constants: Floats) -> Floats:
        size, seeds_var, seeds_df, test_var, test_df = constants
        tail = np.exp(log_p) / 2
        width = special.stdtrit(seeds_df, tail) ** 2 * seeds_var + special.stdtrit(test_df, tail) ** 2 * test_var
        return np.asarray(width / size**2 - 1)

    constants = (size, parts.seeds_var, parts.seeds_df, parts.test_var, parts.test_df)
    whole_var = parts.seeds_var + parts.test_var
    bounds = np.stack([_student_p_values(size, whole_var, df) for df in (parts.seeds_df, parts.test_df)])
    widened = [bounds.min(axis=0) * (1 - BRACKET_MARGIN), bounds.max(axis=0) * (1 + BRACKET_MARGIN)]
    low, high = np.log(np.clip(widened, MIN_P_VALUE, 1))
    above_minimum = excess(low, *constants) > 0
    root = elementwise.find_root(excess, (low, high), args=constants, tolerances=TOLERANCES)
    return np.asarray(np.exp(np.where(above_minimum, root.x, low)), dtype=np.float64)

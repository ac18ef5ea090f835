"""Changes of a score or a time between two runs, with verdicts: regression, improvement, or no change seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from zoo_leaderboard.stats.comparison import Method, difference
from zoo_leaderboard.stats.holm import holm
from zoo_leaderboard.stats.sample import Covers, Sample, check_share, check_values
from zoo_leaderboard.stats.variance import Floats

Verdict: TypeAlias = Literal["regression", "improvement", "no change seen", "unknown"]
NO_CHANGE: Verdict = "no change seen"


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """After minus before, with interval and two-sided p value; None if unknown.

    The change is in the metric's unit. A `relative` change is a share of before: 0.1 is 10 % more.
    """

    change: float
    low: float | None
    high: float | None
    p_value: float | None
    relative: bool
    verdict: Verdict
    method: Method | Literal["Mann-Whitney"]
    covers: Covers


def score_change(
    before: Sample, after: Sample, *, higher_is_better: bool, level: float = 0.95, min_change: float = 0.0
) -> Change:
    """Compute the change of the mean score, in the metric's unit. Changes below `min_change`, same unit, do not count.

    The two are compared like two rows of a board. With one seed before and one after, the verdict is unknown, because
    the variance over seeds is unknown.
    """
    new_minus_old = difference(after, before, level=level)
    change = Change(
        change=new_minus_old.difference,
        low=new_minus_old.low,
        high=new_minus_old.high,
        p_value=new_minus_old.p_value,
        relative=False,
        verdict="unknown",
        method=new_minus_old.method,
        covers=new_minus_old.covers,
    )
    if new_minus_old.covers not in ("seeds", "seeds and test sample"):
        return change
    return _with_verdict(change, higher_is_better=higher_is_better, level=level, min_change=min_change)


def ratio_change(
    before: Sequence[float] | Floats,
    after: Sequence[float] | Floats,
    *,
    higher_is_better: bool = False,
    level: float = 0.95,
    min_change: float = 0.05,
) -> Change:
    """Compute the change of times as a share of before (or of speeds: higher is better).

    Changes below `min_change`, also a share, do not count. Welch's test compares the logarithms, because noise in times
    is multiplicative; the change is that of the geometric mean. If a target was missed (infinite time), Mann and
    Whitney's (1947) test compares the ranks; the change is that of the median, without an interval.

    Raises:
        ValueError: no values, or a value that is not above 0.
    """
    check_share(level, "level")
    new, old = (np.asarray(values, dtype=np.float64) for values in (after, before))
    for values in (new, old):
        check_values(values, "times", infinite=True)
        if values.min() <= 0:
            raise ValueError(f"times hold {values.min()}, which is not above 0")
    finite = bool(np.isfinite(new).all() and np.isfinite(old).all())
    change = _geometric_change(old, new, level) if finite else _rank_change(old, new)
    return _with_verdict(change, higher_is_better=higher_is_better, level=level, min_change=min_change)


def correct_verdicts(changes: Sequence[Change], *, level: float = 0.95) -> list[Change]:
    """Correct the verdicts for the number of changes (Holm 1979): among many, some are significant by chance."""
    adjusted = holm([change.p_value for change in changes])
    return [
        change
        if p_value is None or p_value <= 1 - level or change.verdict == "unknown"
        else replace(change, verdict=NO_CHANGE)
        for change, p_value in zip(changes, adjusted, strict=True)
    ]


def correct_together(groups: Sequence[Mapping[str, Change]]) -> list[dict[str, Change]]:
    """Correct the verdicts of the named changes of all groups for the number of all of them."""
    corrected = iter(correct_verdicts([change for changes in groups for change in changes.values()]))
    return [{name: next(corrected) for name in changes} for changes in groups]


def _geometric_change(before: Floats, after: Floats, level: float) -> Change:
    """Compute the relative change of the geometric mean, without a verdict."""
    log_ratio = difference(Sample(scores=np.log(after)), Sample(scores=np.log(before)), level=level)
    return Change(
        change=float(np.expm1(log_ratio.difference)),
        low=None if log_ratio.low is None else float(np.expm1(log_ratio.low)),
        high=None if log_ratio.high is None else float(np.expm1(log_ratio.high)),
        p_value=log_ratio.p_value,
        relative=True,
        verdict="unknown",
        method=log_ratio.method,
        covers=log_ratio.covers,
    )


def _rank_change(before: Floats, after: Floats) -> Change:
    """Compute the relative change of the median, without a verdict."""
    testable = min(len(after), len(before)) > 1
    return Change(
        change=_median_change(after, before),
        low=None,
        high=None,
        p_value=_mann_whitney(after, before) if testable else None,
        relative=True,
        verdict="unknown",
        method="Mann-Whitney" if testable else "none",
        covers="seeds" if testable else "",
    )


def _median_change(after: Floats, before: Floats) -> float:
    """Return the relative change of the medians. If only after is infinite: infinite; only before: -1; both: 0."""
    new, old = float(np.median(after)), float(np.median(before))
    if np.isinf(old):
        return 0.0 if np.isinf(new) else -1.0
    return new / old - 1


def _mann_whitney(a: Floats, b: Floats) -> float:
    """Return the p value over all permutations of the values (missed targets tie), or over 9,999 random ones."""
    from scipy import stats  # takes 0.5 s to import, and few builds need it

    permutations = stats.PermutationMethod(n_resamples=9_999, rng=np.random.default_rng(0))
    return min(1.0, float(stats.mannwhitneyu(a, b, method=permutations).pvalue))


def _with_verdict(change: Change, *, higher_is_better: bool, level: float, min_change: float) -> Change:
    """Add the verdict; it stays unknown without a p value."""
    if change.p_value is None:
        return change
    if change.p_value > 1 - level or abs(change.change) < min_change:
        return replace(change, verdict=NO_CHANGE)
    worse = change.change < 0 if higher_is_better else change.change > 0
    return replace(change, verdict="regression" if worse else "improvement")

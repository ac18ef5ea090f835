"""Changes of a score or a time between two runs, with verdicts: regression, improvement, or no change seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from zoo_leaderboard.stats.separation import Method, difference
from zoo_leaderboard.stats.statistics import Covers, Sample, check_share, check_values, holm
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
    """The change of the mean score, in the metric's unit. A change smaller than `min_change` does not count.

    The two are compared like two rows of a board. With one seed before and one after, the verdict is unknown, because
    the spread over seeds is unknown.
    """
    found = difference(after, before, level=level)
    seeds_known = found.covers in ("seeds", "seeds and test sample")
    worse = found.difference < 0 if higher_is_better else found.difference > 0
    return Change(
        change=found.difference,
        low=found.low,
        high=found.high,
        p_value=found.p_value,
        relative=False,
        verdict=_verdict(found.p_value if seeds_known else None, abs(found.difference), worse, 1 - level, min_change),
        method=found.method,
        covers=found.covers,
    )


def ratio_change(
    before: Sequence[float] | Floats,
    after: Sequence[float] | Floats,
    *,
    higher_is_better: bool = False,
    level: float = 0.95,
    min_change: float = 0.05,
) -> Change:
    """The change of times as a share of before (or of speeds: higher is better). Below `min_change` it does not count.

    Welch's test compares the logarithms, because noise in times is multiplicative; the change is that of the geometric
    mean. If a target was missed (infinite time), Mann and Whitney's (1947) test compares the ranks; the change is that
    of the median, without an interval.

    Raises:
        ValueError: no values, or a value that is not above 0.
    """
    check_share(level, "level")
    sides = [np.asarray(values, dtype=np.float64) for values in (after, before)]
    for values in sides:
        check_values(values, "times", infinite=True)
        if values.min() <= 0:
            raise ValueError(f"times hold {values.min()}, which is not above 0")
    if not np.isfinite(np.concatenate(sides)).all():
        return _rank_change(*sides, higher_is_better=higher_is_better, level=level, min_change=min_change)
    found = difference(*(Sample(scores=np.log(values)) for values in sides), level=level)
    change = float(np.expm1(found.difference))
    worse = change < 0 if higher_is_better else change > 0
    return Change(
        change=change,
        low=None if found.low is None else float(np.expm1(found.low)),
        high=None if found.high is None else float(np.expm1(found.high)),
        p_value=found.p_value,
        relative=True,
        verdict=_verdict(found.p_value, abs(change), worse, 1 - level, min_change),
        method=found.method,
        covers=found.covers,
    )


def correct_verdicts(changes: Sequence[Change], *, level: float = 0.95) -> list[Change]:
    """The changes with verdicts corrected for their number (Holm 1979): among many, some are significant by chance."""
    adjusted = holm([change.p_value for change in changes])
    return [
        change
        if p_value is None or p_value <= 1 - level or change.verdict == "unknown"
        else replace(change, verdict=NO_CHANGE)
        for change, p_value in zip(changes, adjusted, strict=True)
    ]


def correct_together(groups: Sequence[Mapping[str, Change]]) -> list[dict[str, Change]]:
    """The named changes of all groups, with verdicts corrected for the number of all of them."""
    corrected = iter(correct_verdicts([change for changes in groups for change in changes.values()]))
    return [{name: next(corrected) for name in changes} for changes in groups]


def _rank_change(after: Floats, before: Floats, *, higher_is_better: bool, level: float, min_change: float) -> Change:
    change = _median_change(after, before)
    decidable = min(len(after), len(before)) > 1
    p_value = _mann_whitney(after, before) if decidable else None
    worse = change < 0 if higher_is_better else change > 0
    return Change(
        change=change,
        low=None,
        high=None,
        p_value=p_value,
        relative=True,
        verdict=_verdict(p_value, abs(change), worse, 1 - level, min_change),
        method="Mann-Whitney" if decidable else "none",
        covers="seeds" if decidable else "",
    )


def _median_change(after: Floats, before: Floats) -> float:
    """The relative change of the medians. If only after is infinite: infinite; only before: -1; both: 0."""
    new, old = float(np.median(after)), float(np.median(before))
    if np.isinf(old):
        return 0.0 if np.isinf(new) else -1.0
    return new / old - 1


def _mann_whitney(a: Floats, b: Floats) -> float:
    """The p value over all permutations of the values (missed targets tie), or over 9,999 random ones."""
    from scipy import stats  # takes 0.5 s to import, and few builds need it

    permutations = stats.PermutationMethod(n_resamples=9_999, rng=np.random.default_rng(0))
    return min(1.0, float(stats.mannwhitneyu(a, b, method=permutations).pvalue))


def _verdict(p_value: float | None, size: float, worse: bool, alpha: float, min_change: float) -> Verdict:
    if p_value is None:
        return "unknown"
    if p_value > alpha or size < min_change:
        return NO_CHANGE
    return "regression" if worse else "improvement"

"""Before against after: whether a score or a speed got worse by more than seeds, test sample and machine explain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np

from zoo_leaderboard.stats.separation import Method, difference
from zoo_leaderboard.stats.statistics import Covers, Sample, check_share, check_values, holm
from zoo_leaderboard.stats.variance import Floats

Verdict: TypeAlias = Literal["regression", "improvement", "no change seen", "unknown"]
SAME: Verdict = "no change seen"


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """After less before, with interval and two-sided p value, None where not known.

    In the metric's unit, or, where `relative`, as a share of before: 0.1 is 10 % more.
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
    before: Sample, after: Sample, *, higher_is_better: bool, level: float = 0.95, least: float = 0.0
) -> Change:
    """The change of the mean score, in the metric's unit; `least` is the smallest that counts, in the same unit.

    Compared as two rows of a board are. With one seed on both sides the verdict is unknown: training again from another
    seed changes the score too, and nothing shows by how much.
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
        verdict=_verdict(found.p_value if seeds_known else None, abs(found.difference), worse, 1 - level, least),
        method=found.method,
        covers=found.covers,
    )


def ratio_change(
    before: Sequence[float] | Floats,
    after: Sequence[float] | Floats,
    *,
    higher_is_better: bool = False,
    level: float = 0.95,
    least: float = 0.05,
) -> Change:
    """The change of times (or of speeds: higher is better) as a share of before; below `least` it does not count.

    Welch's test on logarithms, as noise multiplies times; the change is that of the geometric mean. Where a target was
    missed (infinite) Mann and Whitney's (1947) exact test of the order, the change that of the median, no interval.

    Raises:
        ValueError: no values, or one that is not above 0.
    """
    check_share(level, "level")
    sides = [np.asarray(values, dtype=np.float64) for values in (after, before)]
    for values in sides:
        check_values(values, "times", infinite=True)
        if values.min() <= 0:
            raise ValueError(f"times hold {values.min()}, which is not above 0")
    if not np.isfinite(np.concatenate(sides)).all():
        return _rank_change(*sides, higher_is_better=higher_is_better, level=level, least=least)
    found = difference(*(Sample(scores=np.log(values)) for values in sides), level=level)
    change = float(np.expm1(found.difference))
    worse = change < 0 if higher_is_better else change > 0
    return Change(
        change=change,
        low=None if found.low is None else float(np.expm1(found.low)),
        high=None if found.high is None else float(np.expm1(found.high)),
        p_value=found.p_value,
        relative=True,
        verdict=_verdict(found.p_value, abs(change), worse, 1 - level, least),
        method=found.method,
        covers=found.covers,
    )


def among_others(changes: Sequence[Change], *, level: float = 0.95) -> list[Change]:
    """The changes with verdicts that hold for all of them together (Holm 1979): many looks at noise find something."""
    adjusted = holm([change.p_value for change in changes])
    return [
        change
        if p_value is None or p_value <= 1 - level or change.verdict == "unknown"
        else replace(change, verdict=SAME)
        for change, p_value in zip(changes, adjusted, strict=True)
    ]


def correct_together(groups: Sequence[Mapping[str, Change]]) -> list[dict[str, Change]]:
    """The named changes of all groups, with verdicts that hold for all of them together; see `among_others`."""
    corrected = iter(among_others([change for changes in groups for change in changes.values()]))
    return [{name: next(corrected) for name in changes} for changes in groups]


def _rank_change(after: Floats, before: Floats, *, higher_is_better: bool, level: float, least: float) -> Change:
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
        verdict=_verdict(p_value, abs(change), worse, 1 - level, least),
        method="Mann-Whitney" if decidable else "none",
        covers="seeds" if decidable else "",
    )


def _median_change(after: Floats, before: Floats) -> float:
    """After / before - 1 of the medians: infinite where only after is, -1 where only before is, 0 where both are."""
    new, old = float(np.median(after)), float(np.median(before))
    if np.isinf(old):
        return 0.0 if np.isinf(new) else -1.0
    return new / old - 1


def _mann_whitney(a: Floats, b: Floats) -> float:
    """Over all ways to deal the values to the two sides (missed targets tie), or 9,999 of them where there are more."""
    from scipy import stats  # 0.5 s to import, and few builds need it

    dealt = stats.PermutationMethod(n_resamples=9_999, rng=np.random.default_rng(0))
    return min(1.0, float(stats.mannwhitneyu(a, b, method=dealt).pvalue))


def _verdict(p_value: float | None, size: float, worse: bool, alpha: float, least: float) -> Verdict:
    if p_value is None:
        return "unknown"
    if p_value > alpha or size < least:
        return SAME
    return "regression" if worse else "improvement"

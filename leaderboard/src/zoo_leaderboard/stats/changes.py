"""Changes of the scores, times and failures of many models between two runs, with verdicts.

The spread over seeds is pooled over the models (`moderated`), and all tests of a comparison are corrected together
(Holm 1979), whatever tables they belong to: at most 5 % of comparisons in which nothing changed have any mark.

Scores of before and after come from the same test examples, so a change is judged by the seeds alone: if nothing
changed, the examples make no difference.

Times also drift: on another day a machine is a few percent slower for all models, and each model drifts a little by
itself. What all models share (the median of their changes) is taken off each, and reported on its own. What they do not
share is estimated from the spread of the other changes and added to the variance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from scipy import special, stats

from zoo_leaderboard.stats.holm import holm
from zoo_leaderboard.stats.moderated import moderate
from zoo_leaderboard.stats.sample import check_values
from zoo_leaderboard.stats.variance import Floats

Verdict: TypeAlias = Literal["regression", "improvement", "no change seen", "unknown"]
NO_CHANGE: Verdict = "no change seen"
LEVEL = 0.95
MIN_FOR_SHIFT = 3  # models; the median of fewer is not more common than a change of one of them
MIN_FOR_DRIFT = 10  # models, to estimate how far they drift apart; with fewer it is assumed:
ASSUMED_DRIFT, ASSUMED_DF = 0.02, 5.0  # standard deviation of the logarithm of one model's own drift, and its df
CLIP, CLIPPED_SHARE = 3.5, 0.9945  # further from the median is no drift; variance of normal values within / of all
MAX_ROUNDS = 10  # of drawing that limit
DRIFT_DF = 0.3  # degrees of freedom that a clipped spread has of those of all values; simulated
NORMAL_MAD = 1.4826  # standard deviation of normal values / their median absolute deviation


class Pair(NamedTuple):
    """The values of one model before and after, one per seed, each array (seeds,)."""

    before: Floats
    after: Floats


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """After minus before. A score's change is in the metric's unit; a `relative` change is a share: 0.1 is 10 % more.

    `own` is the change without the shift that all models share, `low` to `high` its 95 % interval, and `p_value` its
    two-sided p value; None if unknown. `adjusted` is the p value after Holm's correction. `reason` says in words why
    the verdict is unknown.
    """

    change: float
    own: float
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    adjusted: float | None = None
    relative: bool
    verdict: Verdict = "unknown"
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Shift:
    """The change of a time that `models` models share, as a share of before, with its 95 % interval."""

    change: float
    low: float
    high: float
    models: int

    @property
    def significant(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


class _Estimates(NamedTuple):
    """Changes of models, each array (models,): value, variance over seeds, degrees of freedom (0 is unknown)."""

    value: Floats
    variance: Floats
    df: Floats


def score_changes(pairs: Sequence[Pair], *, higher_is_better: bool, min_change: float = 0.0) -> list[Change]:
    """Compute the changes of the mean scores of the models of one table, with verdicts before any correction.

    Changes below `min_change`, in the metric's unit, do not count. The verdict of a model is unknown if it has one seed
    before and one after, and too few models of its table show the spread over seeds.
    """
    if not pairs:
        return []
    found = _estimates([Pair(*map(_checked, pair)) for pair in pairs])
    changes = _changes(found.value, np.sqrt(found.variance), found.df)
    return [_with_verdict(change, higher_is_better=higher_is_better, min_change=min_change) for change in changes]


def time_changes(pairs: Sequence[Pair], *, min_change: float = 0.05) -> tuple[list[Change], Shift | None]:
    """Compute the changes of times of models on one device, as shares of before, and the shift that all share.

    The logarithms are compared, because noise in times is multiplicative: a change is that of the geometric mean.
    Changes below `min_change`, also a share, do not count. With fewer than `MIN_FOR_SHIFT` models a shift cannot be
    told from a change. Then None is returned for it, and the test is whether the change is larger than `min_change`
    (McCarthy and Smyth 2009), so that a drift of the machine up to this size is no change.

    Raises:
        ValueError: no values, or a value that is not a finite number above 0.
    """
    if not pairs:
        return [], None
    found = _estimates([Pair(*map(_log_times, pair)) for pair in pairs])
    if len(pairs) < MIN_FOR_SHIFT:
        df = _satterthwaite(found, ASSUMED_DRIFT**2, ASSUMED_DF)
        error = np.sqrt(found.variance + ASSUMED_DRIFT**2)
        changes = _changes(found.value, error, df, beyond=float(np.log1p(min_change)))
        return [_time_verdict(change, change.own, min_change) for change in changes], None
    middle = float(np.median(found.value))
    drift, drift_df = _own_drift(found, middle)
    shift_variance = np.pi / 2 * _mean_known(found.variance + drift) / len(pairs)  # of a median of normal values
    df = _satterthwaite(found, drift, drift_df)
    changes = _changes(found.value - middle, np.sqrt(found.variance + drift), df)
    half = float(special.stdtrit(len(pairs) - 1, (1 + LEVEL) / 2) * np.sqrt(shift_variance))
    shift = Shift(
        change=float(np.expm1(middle)),
        low=float(np.expm1(middle - half)),
        high=float(np.expm1(middle + half)),
        models=len(pairs),
    )
    verdicts = [_time_verdict(change, value, min_change) for change, value in zip(changes, found.value, strict=True)]
    return verdicts, shift


def failure_change(before: tuple[int, int], after: tuple[int, int]) -> Change | None:
    """Compare the failed trials (failed, all) before and after by Fisher's exact test; None if nothing failed.

    Where nothing failed the test can find nothing, so it does not enter the correction (Tarone 1990). `change` is that
    of the share of failed trials.
    """
    (failed, trials), (failed_after, trials_after) = before, after
    if not (failed or failed_after) or not trials or not trials_after:
        return None
    table = [[failed, trials - failed], [failed_after, trials_after - failed_after]]
    share = failed_after / trials_after - failed / trials
    p_value = min(1.0, float(stats.fisher_exact(table).pvalue))
    change = Change(change=share, own=share, p_value=p_value, relative=False)
    return _with_verdict(change, higher_is_better=False, min_change=0.0)


def failures_together(counts: Sequence[tuple[tuple[int, int], tuple[int, int]]]) -> Change | None:
    """Compare the failed trials of all models at once, by (failed, all) before and after; None if nothing failed.

    The exact test keeps each model's total of failures (Fisher's test, stratified by model): the number that failed
    after is a sum of hypergeometric ones. The p value is the probability of all sums that are no likelier than the
    observed one.
    """
    known = [(before, after) for before, after in counts if before[1] and after[1]]
    if not any(before[0] or after[0] for before, after in known):
        return None
    likely = np.ones(1)
    for before, after in known:
        failed, trials = before[0] + after[0], before[1] + after[1]
        likely = np.convolve(likely, stats.hypergeom.pmf(np.arange(failed + 1), trials, failed, after[1]))
    observed = likely[sum(after[0] for _, after in known)]
    p_value = min(1.0, float(likely[likely <= observed * (1 + 1e-9)].sum()))
    shares = [_share([before for before, _ in known]), _share([after for _, after in known])]
    change = Change(change=shares[1] - shares[0], own=shares[1] - shares[0], p_value=p_value, relative=False)
    return _with_verdict(change, higher_is_better=False, min_change=0.0)


def _share(counts: Sequence[tuple[int, int]]) -> float:
    """Return the share of failed trials of (failed, all) items."""
    return sum(failed for failed, _ in counts) / sum(trials for _, trials in counts)


def correct_together(groups: Sequence[Mapping[str, Change]], *, level: float = LEVEL) -> list[dict[str, Change]]:
    """Correct the named changes of all groups for the number of all of them (Holm 1979)."""
    changes = [change for named in groups for change in named.values()]
    adjusted = holm([change.p_value for change in changes])
    corrected = iter(
        replace(
            change,
            adjusted=p_value,
            verdict=change.verdict if p_value is None or p_value <= 1 - level else NO_CHANGE,
        )
        for change, p_value in zip(changes, adjusted, strict=True)
    )
    return [{name: next(corrected) for name in named} for named in groups]


def _checked(values: Floats) -> Floats:
    values = np.asarray(values, dtype=np.float64)
    check_values(values, "scores")
    return values


def _log_times(values: Floats) -> Floats:
    values = np.asarray(values, dtype=np.float64)
    check_values(values, "times")
    if values.min() <= 0:
        raise ValueError(f"times hold {values.min()}, which is not above 0")
    return np.asarray(np.log(values))


def _estimates(pairs: Sequence[Pair]) -> _Estimates:
    """Return the differences of the means with moderated variances; an unknown variance is nan with df 0."""
    counts = np.array([(len(pair.before), len(pair.after)) for pair in pairs], dtype=np.float64)
    dfs = counts.sum(axis=1) - 2
    squares = np.array([_squares(pair.before) + _squares(pair.after) for pair in pairs])
    value = np.array([pair.after.mean() - pair.before.mean() for pair in pairs])
    variances, dfs = moderate(np.divide(squares, dfs, out=np.zeros_like(squares), where=dfs > 0), dfs)
    # Runs that repeat exactly show no variance. A step of rounding hides a variance of up to step^2 / 12, and the step
    # is not larger than the change.
    variances = np.where((variances == 0) & (value != 0), value**2 / 12, variances)
    return _Estimates(value, variances * (1 / counts).sum(axis=1), dfs)


def _squares(values: Floats) -> float:
    return float(((values - values.mean()) ** 2).sum())


def _own_drift(found: _Estimates, middle: float) -> tuple[float, float]:
    """Return the variance, and its degrees of freedom, with which the models drift apart beyond their seeds' spread.

    Changes far from the median are left out, because they are no drift; the limit is drawn again until it stays.
    """
    if len(found.value) < MIN_FOR_DRIFT:
        return ASSUMED_DRIFT**2, ASSUMED_DF
    away = np.abs(found.value - middle)
    spread = (NORMAL_MAD * float(np.median(away))) ** 2
    kept = away >= 0
    for _ in range(MAX_ROUNDS):
        kept = away <= CLIP * np.sqrt(spread)
        new = float((away[kept] ** 2).sum()) / max(1, int(kept.sum()) - 1) / CLIPPED_SHARE
        if new <= spread:
            break
        spread = new
    within = _mean_known(found.variance[kept])
    return max(0.0, spread - within), DRIFT_DF * float(kept.sum() - 1)


def _mean_known(values: Floats) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else 0.0


def _satterthwaite(found: _Estimates, drift: float, drift_df: float) -> Floats:
    """Return the degrees of freedom of the sum of the seeds' variance and the drift; 0 where the first is unknown."""
    with np.errstate(divide="ignore", invalid="ignore"):
        df = (found.variance + drift) ** 2 / (found.variance**2 / found.df + drift**2 / drift_df)
    return np.where(found.df > 0, np.where(np.isfinite(df), df, found.df), 0.0)


def _changes(value: Floats, error: Floats, df: Floats, *, beyond: float = 0.0) -> list[Change]:
    """Return changes without verdicts; the p values are those of a change larger than `beyond` in size."""
    known = (df > 0) & ~np.isnan(error)
    scale, safe_df = np.where(known & (error > 0), error, 1.0), np.where(known, df, 1.0)
    half = np.asarray(special.stdtrit(safe_df, (1 + LEVEL) / 2)) * scale
    size = np.abs(value)
    tails = special.stdtr(safe_df, -(size - beyond) / scale) + special.stdtr(safe_df, -(size + beyond) / scale)
    p_values = np.where(size > 0, np.minimum(1.0, tails), 1.0)
    return [
        Change(
            change=float(own),
            own=float(own),
            low=float(own - width),
            high=float(own + width),
            p_value=float(p),
            relative=False,
        )
        if is_known
        else Change(change=float(own), own=float(own), relative=False, reason="too few seeds")
        for own, width, p, is_known in zip(value, half, p_values, known, strict=True)
    ]


def _time_verdict(change: Change, log_change: float, min_change: float) -> Change:
    """Turn logarithms into shares, and add the verdict; `log_change` is with the common shift."""
    low, high = (None if bound is None else float(np.expm1(bound)) for bound in (change.low, change.high))
    shares = replace(
        change, change=float(np.expm1(log_change)), own=float(np.expm1(change.own)), low=low, high=high, relative=True
    )
    return _with_verdict(shares, higher_is_better=False, min_change=min_change)


def _with_verdict(change: Change, *, higher_is_better: bool, min_change: float) -> Change:
    """Add the verdict; it stays unknown without a p value."""
    if change.p_value is None:
        return change
    if change.p_value > 1 - LEVEL or abs(change.own) < min_change:
        return replace(change, verdict=NO_CHANGE)
    worse = change.own < 0 if higher_is_better else change.own > 0
    return replace(change, verdict="regression" if worse else "improvement")

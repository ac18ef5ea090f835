"""Changes along a history, judged at each occasion from what was known then, so that no mark is ever withdrawn.

The test at the t-th tested occasion has the level `alpha / (t (t + 1))`. These levels add up to alpha, however long the
history grows, so a history in which nothing changes gets any mark with a probability of at most alpha.

A score is compared with the mean of all occasions since its last mark; the spread over seeds is pooled over all
occasions so far. A time is compared with the occasion before on the same machine: a machine drifts from day to day, so
the step is held against the size of the earlier steps. Before there are enough of these, a step is assumed to have a
standard deviation of `ASSUMED_STEP`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import special

from zoo_leaderboard.stats.changes import LEVEL, NO_CHANGE, Change, Verdict
from zoo_leaderboard.stats.variance import Floats

ALPHA = 0.025  # for the scores of a history, and again for its times
ASSUMED_STEP, ASSUMED_DF = 0.07, 4.0  # of the logarithm: 5 % an occasion, times sqrt(2) for a difference of two
MIN_STEP = 0.05  # smaller changes of a time, as a share, do not count


@dataclass(slots=True)
class _Spread:
    """A sum of squares with its degrees of freedom."""

    squares: float = 0.0
    df: float = 0.0

    def add(self, values: Floats) -> None:
        """Add the squares of one occasion's values around their mean."""
        self.squares += float(((values - values.mean()) ** 2).sum())
        self.df += len(values) - 1

    @property
    def variance(self) -> float:
        return self.squares / self.df if self.df else 0.0


@dataclass(slots=True)
class _Reference:
    """The scores since the last mark, and the spread over seeds of all occasions that are comparable."""

    values: list[Floats] = field(default_factory=list)
    within: _Spread = field(default_factory=_Spread)


@dataclass(slots=True)
class _Machine:
    """The last times on a machine (logarithms), the spread over seeds, and the squares of the steps without a mark."""

    last: Floats
    within: _Spread = field(default_factory=_Spread)
    steps: _Spread = field(default_factory=lambda: _Spread(ASSUMED_DF * ASSUMED_STEP**2, ASSUMED_DF))


def score_marks(
    occasions: Sequence[Floats], versions: Sequence[Hashable], *, higher_is_better: bool
) -> list[Change | None]:
    """Judge the scores of the occasions, oldest first; each item has the scores of its seeds, (seeds,).

    Only occasions of the same version are compared. None for the first of each version. The verdict is unknown while no
    occasion has shown a spread over seeds, and too few show one together.
    """
    references: dict[Hashable, _Reference] = {}
    changes: list[Change | None] = []
    tested = 0
    for values, version in zip(occasions, versions, strict=True):
        reference = references.setdefault(version, _Reference())
        reference.within.add(values)
        change = _score_change(reference, values) if reference.values else None
        if change is not None and change.p_value is not None:
            tested += 1
            change = _marked(change, tested, worse=(change.own < 0) == higher_is_better)
        if change is not None and change.verdict in ("regression", "improvement"):
            reference.values = []
        reference.values.append(values)
        changes.append(change)
    return changes


def time_marks(occasions: Sequence[Floats | None], machines: Sequence[Hashable | None]) -> list[Change | None]:
    """Judge the times of the occasions, oldest first; each item has the times of its trials, above 0, or None.

    Each is compared with the last one on the same machine. None without times, and for the first on each machine or on
    an unknown one (None).
    """
    states: dict[Hashable, _Machine] = {}
    changes: list[Change | None] = []
    tested = 0
    for times, machine in zip(occasions, machines, strict=True):
        change = None
        if times is not None and machine is not None:
            logs = np.log(times)
            state = states.get(machine)
            if state is None:
                state = states[machine] = _Machine(logs)
                state.within.add(logs)
            else:
                tested += 1
                change = _time_change(state, logs, tested)
        changes.append(change)
    return changes


def _score_change(reference: _Reference, values: Floats) -> Change:
    """Compare the scores with the reference by Student's test, with the spread that is known so far."""
    before = np.concatenate(reference.values)
    own = float(values.mean() - before.mean())
    variance, df = reference.within.variance, reference.within.df
    if not df and len(before) > 1:  # one seed at each occasion: the spread of the earlier occasions
        variance, df = float(before.var(ddof=1)), len(before) - 1.0
    if not df:
        return Change(change=own, own=own, relative=False, reason="one seed before and one after")
    if not variance:
        variance = own**2 / 12  # exact repeats hide the variance of rounding, at most step^2 / 12
    return _tested(own, variance * (1 / len(values) + 1 / len(before)), df)


def _time_change(state: _Machine, logs: Floats, tested: int) -> Change:
    """Compare the times with the last ones on the machine, and take the step into the state."""
    state.within.add(logs)
    step = float(logs.mean() - state.last.mean())
    seeds = state.within.variance * (1 / len(logs) + 1 / len(state.last))
    larger = (seeds, state.within.df) if seeds > state.steps.variance else (state.steps.variance, state.steps.df)
    found = _tested(step, *larger)
    low, high = (None if bound is None else float(np.expm1(bound)) for bound in (found.low, found.high))
    share = float(np.expm1(step))
    change = replace(found, change=share, own=share, low=low, high=high, relative=True)
    change = replace(change, verdict=NO_CHANGE)
    if abs(share) >= MIN_STEP:
        change = _marked(change, tested, worse=step > 0)
    if change.verdict == NO_CHANGE:
        state.steps.squares, state.steps.df = state.steps.squares + step**2, state.steps.df + 1
    state.last = logs
    return change


def _tested(own: float, variance: float, df: float) -> Change:
    """Return a change with its two-sided p value of Student's t and its interval, without a verdict."""
    error = float(np.sqrt(variance))
    p_value = 1.0 if own == 0 else float(2 * special.stdtr(df, -abs(own) / error))
    half = float(special.stdtrit(df, (1 + LEVEL) / 2)) * error
    return Change(change=own, own=own, low=own - half, high=own + half, p_value=p_value, relative=False)


def _marked(change: Change, tested: int, *, worse: bool) -> Change:
    """Add the verdict of the `tested`-th test of a history; `adjusted` is the p value as a share of its level."""
    adjusted = min(1.0, (change.p_value or 0.0) * tested * (tested + 1) * (1 - LEVEL) / ALPHA)
    verdict: Verdict = NO_CHANGE
    if adjusted <= 1 - LEVEL:
        verdict = "regression" if worse else "improvement"
    return replace(change, adjusted=adjusted, verdict=verdict)

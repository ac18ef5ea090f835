"""Regressions that still stand: a score or a train time got significantly worse and is not back since."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from zoo_leaderboard.board.history import ModelHistory, Occasion
from zoo_leaderboard.records.acknowledged import reason_for
from zoo_leaderboard.stats.changes import Change

Quantity: TypeAlias = Literal["score", "train time"]
BACK_SHARE = 0.05  # of a train time: smaller differences do not count, as in `stats.sequence`
ROUNDING = 1e-9  # relative: `before` is computed from a difference


@dataclass(frozen=True, kw_only=True, slots=True)
class StandingRegression:
    """A regression that nothing undid since. `occasion` is the first at which it was seen."""

    history: ModelHistory
    quantity: Quantity
    occasion: Occasion
    change: Change


def standing_regressions(
    histories: Sequence[ModelHistory], current: Collection[str], acknowledged: Mapping[str, str] | None = None
) -> list[StandingRegression]:
    """Return the regressions that still stand, the latest first.

    current: the texts of the rows that are up to date. A history without such a row is of old data or an old version,
    so its regressions concern nobody any more. acknowledged: the reasons as `read_acknowledged`; the regressions of
    their records are left out.
    """
    found = [
        item
        for history in histories
        if history.occasions[-1].last.row_text in current
        for item in _of_history(history)
        if not reason_for((trial.id for trial in item.occasion.trials), acknowledged or {})
    ]
    return sorted(found, key=lambda item: item.occasion.moment, reverse=True)


def _of_history(history: ModelHistory) -> Iterator[StandingRegression]:
    """The marked regressions of the score, and those of the train time on each machine, that are not undone."""
    occasions = comparable_occasions(history)
    for number, occasion in enumerate(occasions):
        changes: list[tuple[Quantity, Change | None]] = [("score", occasion.change), ("train time", occasion.speed)]
        for quantity, change in changes:
            if change is None or change.verdict != "regression":
                continue
            standing = StandingRegression(history=history, quantity=quantity, occasion=occasion, change=change)
            if not any(_is_back(standing, later) for later in occasions[number + 1 :]):
                yield standing


def _is_back(regression: StandingRegression, later: Occasion) -> bool:
    """Return whether a later occasion is as good as before the regression.

    That is a mean that reaches the one before; or a marked improvement after which the difference to the one before is
    within the interval. A smaller improvement leaves the regression standing.
    """
    if regression.quantity == "score":
        return _score_is_back(regression, later)
    first = regression.occasion
    if later.train_s is None or first.train_s is None or later.last.place != first.last.place:
        return False
    before = first.train_s / (1 + regression.change.own)
    improved = later.speed is not None and later.speed.verdict == "improvement"
    return later.train_s <= before * (1 + BACK_SHARE if improved else 1)


def _score_is_back(regression: StandingRegression, later: Occasion) -> bool:
    before = regression.occasion.score - regression.change.own
    sign = 1.0 if regression.history.key.higher_is_better else -1.0
    if sign * (later.score - before) >= -ROUNDING * abs(before):
        return True
    improved = later.change is not None and later.change.verdict == "improvement"
    end = later.high if sign > 0 else later.low
    return improved and end is not None and sign * (end - before) >= 0


def comparable_occasions(history: ModelHistory) -> list[Occasion]:
    """Return the occasions with the latest one's task version: scores of other versions are not comparable."""
    version = history.occasions[-1].last.task_version
    return [occasion for occasion in history.occasions if occasion.last.task_version == version]

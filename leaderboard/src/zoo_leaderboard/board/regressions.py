"""Regressions that still stand: the latest change of a model's score or train time is for the worse."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from zoo_leaderboard.board.history import ModelHistory, Occasion
from zoo_leaderboard.stats.changes import Change

Quantity: TypeAlias = Literal["score", "train time"]


@dataclass(frozen=True, kw_only=True, slots=True)
class StandingRegression:
    """A regression that no later improvement undid. `occasion` is the first at which it was seen."""

    history: ModelHistory
    quantity: Quantity
    occasion: Occasion
    change: Change


def standing_regressions(histories: Sequence[ModelHistory], current: Collection[str]) -> list[StandingRegression]:
    """Return the regressions that still stand, the latest first.

    current: the texts of the rows that are up to date. A history without such a row is of old data or an old version,
    so its regressions concern nobody any more.
    """
    found = [
        item for history in histories if history.occasions[-1].last.row_text in current for item in _of_history(history)
    ]
    return sorted(found, key=lambda item: item.occasion.moment, reverse=True)


def _of_history(history: ModelHistory) -> Iterator[StandingRegression]:
    """The last mark of the score, and that of the train time on each machine, where it is a regression."""
    last: dict[tuple[Quantity, Hashable], tuple[Occasion, Change]] = {}
    for occasion in comparable_occasions(history):
        marks: list[tuple[Quantity, Hashable, Change | None]] = [
            ("score", None, occasion.change),
            ("train time", occasion.last.place, occasion.speed),
        ]
        for quantity, place, change in marks:
            if change is not None and change.verdict in ("regression", "improvement"):
                last[quantity, place] = (occasion, change)
    for (quantity, _), (occasion, change) in last.items():
        if change.verdict == "regression":
            yield StandingRegression(history=history, quantity=quantity, occasion=occasion, change=change)


def comparable_occasions(history: ModelHistory) -> list[Occasion]:
    """Return the occasions with the latest one's task version: scores of other versions are not comparable."""
    version = history.occasions[-1].last.task_version
    return [occasion for occasion in history.occasions if occasion.last.task_version == version]

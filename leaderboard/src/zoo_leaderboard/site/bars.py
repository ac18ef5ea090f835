"""Places of scores on a short horizontal axis: the interval in a table's cell, and the scores of a history as a line.

Right is better on every axis, also where lower scores are better.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from zoo_leaderboard.board.score_range import score_range
from zoo_leaderboard.site.plots import is_wide

WIDTH, EDGE = 150.0, 5.0  # pixels; the edge leaves room for the mark of a score at an end
SPARK_WIDTH, SPARK_HEIGHT, SPARK_EDGE = 64.0, 18.0, 3.0
MAX_OTHERS = 30  # marks of other models on one axis


class Scored(Protocol):
    """A row, or what is kept of it."""

    @property
    def score(self) -> float | None: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


class Scale(NamedTuple):
    """An axis from `low` to `high`."""

    low: float
    high: float
    logarithmic: bool
    higher_is_better: bool

    def x(self, value: float | None) -> float | None:
        """Return the place of a score in pixels, at the nearest end if it lies outside; None if it is unknown."""
        if value is None or not math.isfinite(value):
            return None
        low, high, here = (self._linear(number) for number in (self.low, self.high, value))
        share = min(1.0, max(0.0, (here - low) / (high - low))) if high > low else 0.5
        share = share if self.higher_is_better else 1 - share
        return round(EDGE + share * (WIDTH - 2 * EDGE), 1)

    def _linear(self, value: float) -> float:
        return math.log(max(value, self.low)) if self.logarithmic else value


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """The places of a score, its interval, the chance level and the target, in pixels; None if unknown.

    left, right: the ends of the interval. others: the places of other models.
    """

    at: float
    left: float | None
    right: float | None
    chance: float | None
    target: float | None
    others: Sequence[float]


def scale_of(
    values: Iterable[float | None], *, metric: str, higher_is_better: bool, whole_range: bool = False
) -> Scale | None:
    """Return an axis for these scores, logarithmic for errors of a wide range; None if no score is known.

    whole_range: show all values that the metric can have, where both ends are known.
    """
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return None
    low, high = min(known), max(known)
    ends = score_range(metric, higher_is_better)
    if whole_range and all(map(math.isfinite, ends)):
        low, high = min(low, ends[0]), max(high, ends[1])
        return Scale(low, high, logarithmic=False, higher_is_better=higher_is_better)
    return Scale(low, high, logarithmic=not higher_is_better and is_wide(known), higher_is_better=higher_is_better)


def bar_of(
    row: Scored,
    scale: Scale | None,
    *,
    chance: float | None = None,
    target: float | None = None,
    others: Iterable[float | None] = (),
) -> Bar | None:
    """Return the marks of a row on an axis; None without a score."""
    at = scale.x(row.score) if scale is not None else None
    if scale is None or at is None:
        return None
    ends = sorted(x for x in (scale.x(row.low), scale.x(row.high)) if x is not None)
    places = (scale.x(score) for score in others)
    return Bar(
        at=at,
        left=ends[0] if len(ends) == 2 else None,
        right=ends[1] if len(ends) == 2 else None,
        chance=scale.x(chance),
        target=scale.x(target),
        others=list(dict.fromkeys(x for x in places if x is not None))[:MAX_OTHERS],
    )


def spark_points(scores: Sequence[float], *, higher_is_better: bool) -> str:
    """Return the points of a line through the scores, as SVG writes them; empty with fewer than two."""
    if len(scores) < 2 or not all(map(math.isfinite, scores)):
        return ""
    low, high = min(scores), max(scores)
    spread = (high - low) or 1.0
    points = []
    for number, score in enumerate(scores):
        share = (score - low) / spread if higher_is_better else (high - score) / spread
        x = SPARK_EDGE + number * (SPARK_WIDTH - 2 * SPARK_EDGE) / (len(scores) - 1)
        y = SPARK_HEIGHT - SPARK_EDGE - share * (SPARK_HEIGHT - 2 * SPARK_EDGE)
        points.append(f"{x:.1f},{y:.1f}")
    return " ".join(points)

"""Score against cost or year: which rows are drawn, which are left out and why, the Pareto front, and the plots."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from zoo_leaderboard.board.curves import unique_label
from zoo_leaderboard.board.row_labels import row_label
from zoo_leaderboard.board.rows import Row
from zoo_leaderboard.site.plots import PLAIN_LABELS
from zoo_leaderboard.text.formats import clip, counted

NAMED_ROWS = 12  # the best rows by score have names in the legend, and so have as many of each front
MANY_POINTS = 60  # more are drawn as smaller marks, and only the named ones with their intervals
APART, YEAR_WIDTH = 0.3, 0.8  # years between two points of one year, and between the first and the last, at most
OTHERS = "others"  # the label of the rows without a name


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """What a score is plotted against: the field of a row, the title, and the field that says if it is reliable.

    front: the words for a row on the Pareto front. ticks: Vega's expression for the label of a tick.
    """

    field: str
    title: str
    reliability: str = ""
    front: str = "Pareto-optimal"
    ticks: str = PLAIN_LABELS


COSTS = (
    Axis(field="latency_ms", title="Latency (ms)", reliability="latency_reliable"),
    Axis(field="parameters", title="Parameters"),
    Axis(field="train_s", title="Train time (s)", reliability="times_reliable"),
)
# Its Pareto front: each model that is better than all of its year and before.
YEAR = Axis(
    field="year",
    title="Year of publication",
    front="Best so far",
    ticks="datum.value === floor(datum.value) ? format(datum.value, 'd') : ''",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A row in a plot. `model` is empty if the legend does not name it; `name` is known of every row.

    `front`: the row is Pareto-optimal among those with reliable costs. `reliable` is false if its times are not.
    """

    label: str
    model: str
    x: float
    score: float
    low: float | None
    high: float | None
    front: bool
    reliable: bool = True
    name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class CostView:
    """The points of a plot, and a sentence about each kind of row that is left out, unreliable or without a name."""

    axis: Axis
    points: Sequence[Point]
    note: str


def cost_views(rows: Sequence[Row], *, higher_is_better: bool, axes: Sequence[Axis] = COSTS) -> list[CostView]:
    """Return the plots of a group's rows, best first. A plot has at least two points."""
    current = [row for row in rows if row.current]
    fronts = {axis: _front(current, axis, higher_is_better=higher_is_better) for axis in axes}
    named = {row.row_text for front in (current, *fronts.values()) for row in front[:NAMED_ROWS]}
    taken: set[str] = set()
    labels = {row.row_text: unique_label(row, taken) for row in current if row.row_text in named}
    views = [_view(rows, current, axis, fronts[axis], labels) for axis in axes]
    return [view for view in views if len(view.points) > 1]


def year_views(rows: Sequence[Row], *, higher_is_better: bool) -> list[CostView]:
    """Return the plot against the year of publication; none unless models of at least two years have a score."""
    views = cost_views(rows, higher_is_better=higher_is_better, axes=[YEAR])
    several = (view for view in views if len({point.x for point in view.points}) > 1)
    return [replace(view, points=_side_by_side(view.points)) for view in several]


def _side_by_side(points: Sequence[Point]) -> list[Point]:
    """Move the points of one year apart, so that each interval is seen: the lowest score to the left."""
    moved = []
    for year in sorted({point.x for point in points}):
        same = sorted((point for point in points if point.x == year), key=lambda point: point.score)
        step = min(APART, YEAR_WIDTH / len(same))
        moved += [replace(point, x=year + step * (number - (len(same) - 1) / 2)) for number, point in enumerate(same)]
    return moved


def _value(row: Row, axis: Axis) -> float | None:
    """The row's value; None if it is unknown or cannot be drawn."""
    value = getattr(row, axis.field)
    return float(value) if value is not None and value >= 0 else None


def _is_reliable(row: Row, axis: Axis) -> bool:
    return not axis.reliability or bool(getattr(row, axis.reliability))


def _front(rows: Sequence[Row], axis: Axis, *, higher_is_better: bool) -> list[Row]:
    """The Pareto-optimal ones of the rows with a reliable cost, best score first."""
    known = [
        (row, value, row.score)
        for row in rows
        if row.score is not None and (value := _value(row, axis)) is not None and _is_reliable(row, axis)
    ]
    optimal = pareto_front([(value, score) for _, value, score in known], higher_is_better=higher_is_better)
    return [row for (row, _, _), on_front in zip(known, optimal, strict=True) if on_front]


def _view(
    rows: Sequence[Row], current: Sequence[Row], axis: Axis, front: Sequence[Row], labels: Mapping[str, str]
) -> CostView:
    on_front = {row.row_text for row in front}
    points = [
        Point(
            label=labels.get(row.row_text, OTHERS),
            model=row.model if row.row_text in labels else "",
            x=value,
            score=row.score,
            low=row.low,
            high=row.high,
            front=row.row_text in on_front,
            reliable=_is_reliable(row, axis),
            name=clip(row_label(row), 80),
        )
        for row in current
        if row.score is not None and (value := _value(row, axis)) is not None
    ]
    return CostView(axis=axis, points=points, note=_note(points, _left_out(rows, current, axis), axis.front))


def _left_out(rows: Sequence[Row], current: Sequence[Row], axis: Axis) -> dict[str, int]:
    """The number of rows without a point, by reason."""
    reasons = Counter("no score" for row in rows if row.score is None)
    known = {row.row_text for row in current}
    reasons.update("out of date" for row in rows if row.score is not None and row.row_text not in known)
    unknown = f"unknown {axis.title.partition(' (')[0].lower()}"
    reasons.update(unknown for row in current if _value(row, axis) is None)
    return dict(reasons)


def _note(points: Sequence[Point], left_out: Mapping[str, int], words: str) -> str:
    """Sentences about the points of one plot that the legend does not explain."""
    hollow, grey = sum(not point.reliable for point in points), sum(not point.model for point in points)
    sentences = [f"{counted(len(points), 'model')} drawn."]
    front = [point.label for point in points if point.front]
    if len(front) < 2:  # one point draws no line
        sentences.append(f"{words}: only {front[0]}." if front else f"{words}: none, no times are reliable.")
    if left_out:
        sentences.append(f"Not drawn: {', '.join(f'{n} ({reason})' for reason, n in left_out.items())}.")
    if hollow:
        sentences.append(f"Hollow: {counted(hollow, 'model')} with unreliable times.")
    if grey:
        sentences.append(f"Grey: {counted(grey, 'model')} without a name in the legend.")
        sentences += ["Only named models have bars."] if len(points) > MANY_POINTS else []
    return " ".join(sentences)


def pareto_front(points: Sequence[tuple[float, float]], *, higher_is_better: bool) -> list[bool]:
    """Which of the points (cost, score) are Pareto-optimal: no other costs less or the same and scores as well.

    Of points with equal cost and equal score, all are.
    """
    sign = -1.0 if higher_is_better else 1.0
    order = sorted(range(len(points)), key=lambda index: (points[index][0], sign * points[index][1]))
    on_front, best, best_cost = [False] * len(points), math.inf, math.inf
    for index in order:
        cost, value = points[index][0], sign * points[index][1]
        if value < best or (value, cost) == (best, best_cost):
            best, best_cost = value, cost
            on_front[index] = True
    return on_front

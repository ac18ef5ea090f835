"""Score against cost or year: which rows are drawn, which are left out and why, the Pareto front, and the plots."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from zoo_core.results.records import TaskFacts
from zoo_leaderboard.board.curves import unique_label
from zoo_leaderboard.board.row_labels import row_label
from zoo_leaderboard.board.rows import Row
from zoo_leaderboard.site.legend import Entry
from zoo_leaderboard.site.plotdata import Axis as PlotAxis
from zoo_leaderboard.site.plotdata import DataPoint, PlotData, Series
from zoo_leaderboard.site.plots import (
    GRID,
    INTERVAL,
    PALETTE,
    PLAIN_LABELS,
    SHAPES,
    STEPS,
    Drawing,
    Level,
    Spec,
    Style,
    by_line,
    colour_by_line,
    is_wide,
    level_layers,
    score_axis,
    themed,
)
from zoo_leaderboard.text.formats import clip, counted, printable
from zoo_leaderboard.text.labels import as_label

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


def score_against(
    view: CostView, task: TaskFacts, styles: Mapping[str, Style], references: Sequence[Level] = ()
) -> Drawing:
    """Draw the test scores against a cost, with the Pareto front and the reference scores on the same data."""
    points, title = view.points, view.axis.title
    x = {
        "field": "x",
        "type": "quantitative",
        "title": title,
        **_cost_scale([point.x for point in points], view.axis.ticks),
    }
    scores = [point.score for point in points] + [level.score for level in references]
    logarithmic = not task.higher_is_better and is_wide(scores)
    y = score_axis(task, ["test"], logarithmic=logarithmic)
    front = sorted((point for point in points if point.front), key=lambda point: point.x)
    layers: list[Spec] = [
        {
            "data": {"values": [{"x": point.x, "mean": point.score} for point in front]},
            "mark": {**STEPS, "strokeWidth": 1.5},
            "encoding": {"x": x, "y": y},
        },
        {
            "data": {"values": _intervals(points, logarithmic=logarithmic)},
            "mark": INTERVAL,
            "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
        },
        *(_point_layer(points, x, y, styles, reliable=reliable) for reliable in (True, False)),
    ]
    layers += level_layers(references, y) if references else []
    best = "; ".join(f"{point.label} {point.score:.4g} at {point.x:.4g}" for point in front) or "none"
    metric, cost = printable(as_label(task.metric)), title[:1].lower() + title[1:]
    description = f"{metric} on test (vertical) against {cost} (horizontal). {view.axis.front}: {best}. {view.note}"
    return Drawing(
        spec=themed({"layer": layers}),
        title=f"{metric} against {cost}",
        description=description,
        data=_data(
            view, styles, references, y["title"], logarithmic=(bool(x["scale"].get("type") == "log"), logarithmic)
        ),
        legend=_legend(points, styles),
    )


def _data(
    view: CostView,
    styles: Mapping[str, Style],
    references: Sequence[Level],
    y_title: str,
    *,
    logarithmic: tuple[bool, bool],
) -> PlotData:
    """The numbers of the plot; `logarithmic` says which of its axes are."""
    series = []
    for entry in _legend(view.points, styles):
        own = [point for point in view.points if point.label == entry.label]
        points = [
            DataPoint(point.x, point.score, point.low, point.high, point.name, not point.reliable) for point in own
        ]
        series.append(Series(label=entry.label, colour=entry.colour, shape=entry.shape or SHAPES[0], points=points))
    front = sorted((point.x, point.score) for point in view.points if point.front)
    return PlotData(
        x=PlotAxis(
            title=view.axis.title, logarithmic=logarithmic[0], kind="year" if view.axis.field == "year" else "number"
        ),
        y=PlotAxis(title=y_title, logarithmic=logarithmic[1]),
        series=series,
        levels=[(level.score, level.words) for level in references],
        steps=front,
    )


def _legend(points: Sequence[Point], styles: Mapping[str, Style]) -> list[Entry]:
    """The names of the points, best score first; those without a name share the last entry."""
    entries = {
        point.label: Entry(
            label=point.label, colour=PALETTE[styles[point.model].colour], shape=SHAPES[styles[point.model].dash]
        )
        for point in points
        if point.model
    }
    others = [Entry(label=OTHERS, colour=GRID, shape=SHAPES[0])] if any(not point.model for point in points) else []
    return [*entries.values(), *others]


def _cost_scale(values: Sequence[float], ticks: str) -> Spec:
    """A linear scale; for a wide range a logarithmic one, which near zero is linear if a cost is zero."""
    positive = [value for value in values if value > 0]
    axis: Spec = {"tickCount": 5, "labelExpr": ticks}
    if not positive or not is_wide(positive):
        return {"scale": {"zero": False, "nice": True}, "axis": axis}
    if len(positive) == len(values):
        return {"scale": {"type": "log"}, "axis": axis}
    low, high = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
    marks = [0.0, *(10.0**power for power in range(low, high + 1, 1 + (high - low) // 6))]
    return {"scale": {"type": "symlog", "constant": min(positive)}, "axis": {**axis, "values": marks}}


def _intervals(points: Sequence[Point], *, logarithmic: bool) -> list[dict[str, Any]]:
    """The intervals of the scores; of many points only the named ones, on a logarithmic axis only those above zero."""
    shown = (point for point in points if point.model or len(points) <= MANY_POINTS)
    known = (point for point in shown if point.low is not None and (point.low > 0 or not logarithmic))
    return [{"x": point.x, "low": point.low, "high": point.high} for point in known]


def _point_layer(points: Sequence[Point], x: Spec, y: Spec, styles: Mapping[str, Style], *, reliable: bool) -> Spec:
    """The points with reliable costs as filled marks, or the others as hollow ones."""
    drawn = sorted((point for point in points if point.reliable == reliable), key=lambda point: point.model != "")
    values = [{"line": point.label, "x": point.x, "mean": point.score} for point in drawn]  # named ones on top
    shapes = {point.label: SHAPES[styles[point.model].dash if point.model else 0] for point in points}
    colour = colour_by_line([(point.label, point.model) for point in points], styles)
    size = 90 if len(points) <= MANY_POINTS else 30
    mark: Spec = {"type": "point", "filled": reliable, "size": size, "opacity": 1}
    return {
        "data": {"values": values},
        "mark": mark if reliable else {**mark, "strokeWidth": 2},
        "encoding": {"x": x, "y": y, "color": colour, "shape": by_line(shapes)},
    }


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

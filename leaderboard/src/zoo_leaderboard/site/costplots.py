"""Draws scores against cost or year, with the Pareto front; `costs` says which rows are drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from zoo_core.results.records import TaskFacts
from zoo_leaderboard.site.costs import MANY_POINTS, OTHERS, CostView, Point
from zoo_leaderboard.site.legend import Entry
from zoo_leaderboard.site.plotdata import Axis as PlotAxis
from zoo_leaderboard.site.plotdata import DataPoint, PlotData, Series
from zoo_leaderboard.site.plots import (
    GRID,
    INTERVAL,
    PALETTE,
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
from zoo_leaderboard.text.formats import printable
from zoo_leaderboard.text.labels import as_label


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

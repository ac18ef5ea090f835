"""Plots of sweeps: the score by the values of one recipe key, a line for each training that agrees otherwise."""

from __future__ import annotations

from typing import Any

from zoo_core.results.records import TaskFacts
from zoo_leaderboard.board.sweeps import Sweep
from zoo_leaderboard.site.legend import Entry
from zoo_leaderboard.site.plotdata import Axis, DataPoint, PlotData, Series
from zoo_leaderboard.site.plots import (
    DASHES,
    INTERVAL,
    PALETTE,
    SHAPES,
    Drawing,
    Spec,
    by_line,
    is_wide,
    score_axis,
    themed,
)
from zoo_leaderboard.text.formats import clip, printable
from zoo_leaderboard.text.labels import as_label


def style_of(number: int) -> tuple[int, int]:
    """Return colour and dash of a line, as indices into PALETTE, and into DASHES and SHAPES."""
    return number % len(PALETTE), number // len(PALETTE) % len(DASHES)


def score_by_key(sweep: Sweep, task: TaskFacts) -> Drawing:
    """Draw the mean scores against the key's values, with their intervals."""
    points: list[dict[str, Any]] = [
        {"x": value, "line": line.label, "mean": row.score, "low": row.low, "high": row.high}
        for line in sweep.lines
        for value, row in zip(sweep.values, line.rows, strict=True)
        if row is not None
    ]
    logarithmic = not task.higher_is_better and is_wide([point["mean"] for point in points])
    y = score_axis(task, ["test"], logarithmic=logarithmic)
    key = clip(printable(sweep.key), 40)
    x: Spec = {"field": "x", "type": "nominal", "title": key, "sort": list(sweep.values), "axis": {"labelAngle": -30}}
    styles = [style_of(number) for number in range(len(sweep.lines))]
    labels = [line.label for line in sweep.lines]
    colour = by_line({label: PALETTE[style[0]] for label, style in zip(labels, styles, strict=True)})
    dash = by_line({label: list(DASHES[style[1]]) for label, style in zip(labels, styles, strict=True)})
    shape = by_line({label: SHAPES[style[1]] for label, style in zip(labels, styles, strict=True)})
    bars = [point for point in points if point["low"] is not None and (point["low"] > 0 or not logarithmic)]
    layers: list[Spec] = [
        {
            "data": {"values": bars},
            "mark": {**INTERVAL, "opacity": 0.35},
            "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
        },
        {
            "data": {"values": points},
            "mark": {"type": "line", "strokeWidth": 2},
            "encoding": {"x": x, "y": y, "color": colour, "strokeDash": dash},
        },
        {
            "data": {"values": points},
            "mark": {"type": "point", "filled": True, "size": 70, "opacity": 1},
            "encoding": {"x": x, "y": y, "color": colour, "shape": shape},
        },
    ]
    metric = printable(as_label(task.metric))
    ends = "; ".join(f"{point['line']} with {point['x']}: {point['mean']:.4g}" for point in points[:40])
    legend = [
        Entry(label=label, colour=PALETTE[style[0]], dash=DASHES[style[1]], shape=SHAPES[style[1]])
        for label, style in zip(labels, styles, strict=True)
    ]
    description = f"{metric} on test. {ends}"
    data = PlotData(
        x=Axis(title=key, kind="category", categories=list(sweep.values)),
        y=Axis(title=y["title"], logarithmic=logarithmic),
        series=[
            Series(
                label=line.label,
                colour=PALETTE[style[0]],
                dash=DASHES[style[1]],
                shape=SHAPES[style[1]],
                points=[
                    DataPoint(number, row.score, row.low, row.high)
                    for number, row in enumerate(line.rows)
                    if row is not None and row.score is not None
                ],
            )
            for line, style in zip(sweep.lines, styles, strict=True)
        ],
    )
    title = f"{metric} by {key}"
    return Drawing(spec=themed({"layer": layers}), title=title, description=description, data=data, legend=legend)

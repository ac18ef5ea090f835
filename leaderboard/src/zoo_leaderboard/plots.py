"""Learning curves as SVG: one style a model on every page, readable on light and dark ground."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

import altair as alt

from zoo_core.records import TaskFacts
from zoo_leaderboard.curves import Curves, thin
from zoo_leaderboard.formats import printable
from zoo_leaderboard.names import short_hash

# Told apart with any colour vision (by lightness where hue fails); at least 3:1 on white and on our dark ground.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#aa3377", "#a87b00", "#3d94cc", "#e0607e", "#7c828c")
DASHES: tuple[tuple[int, int], ...] = ((1, 0), (6, 3), (2, 2), (10, 3))
INK, INK_ON_DARK, GRID = "#6b7280", "#b4bac4", "#8a919c"
WIDTH, HEIGHT = 680, 300  # pixels
FEW_POINTS = 40  # with a mark on each; more would hide the line
WIDE_RANGE = 50.0  # largest / smallest score from which an error is drawn on a logarithmic axis


@dataclass(frozen=True, kw_only=True, slots=True)
class Style:
    """How a model is drawn: indices into PALETTE and DASHES."""

    colour: int
    dash: int


def assign_styles(tasks: Iterable[Sequence[str]]) -> dict[str, Style]:
    """A style for every model: its own colour within each task as long as there are colours.

    A model's favourite colour follows from its name, so that builds agree; the next free one is taken on a clash.
    """
    styles: dict[str, Style] = {}
    for models in tasks:
        used = [styles[name] for name in models if name in styles]
        for name in sorted(set(models) - set(styles)):
            favourite = int(short_hash(name), 16)
            order = [(favourite + step) % len(PALETTE) for step in range(len(PALETTE))]
            free = [
                Style(colour=colour, dash=dash)
                for dash in range(len(DASHES))
                for colour in order
                if not any(other.colour == colour and other.dash >= dash for other in used)
            ]
            styles[name] = free[0] if free else Style(colour=order[0], dash=favourite % len(DASHES))
            used.append(styles[name])
    return styles


def learning_curves(curves: Curves, task: TaskFacts, styles: Mapping[str, Style]) -> str:
    """The lines, bands over seeds, and the target, as an SVG document on transparent ground."""
    rows = _rows(curves)
    logarithmic = _is_logarithmic(task, rows)
    scale = alt.Scale(type="log", nice=True) if logarithmic else alt.Scale(zero=False, nice=True)
    chart = alt.layer(*_layers(curves, rows, task, scale, styles))
    buffer = io.StringIO()
    _themed(chart).save(buffer, format="svg")
    return _described(buffer.getvalue(), _title(curves, task), describe(curves, task, logarithmic=logarithmic))


def _themed(chart: Any) -> Any:
    """Size, ink and legend; `configure` comes first because it drops what was configured before."""
    chart = chart.properties(width=WIDTH, height=HEIGHT, background="transparent")
    chart = chart.configure(font="sans-serif", aria=False).configure_view(stroke=None)
    chart = chart.configure_axis(
        labelColor=INK,
        titleColor=INK,
        titlePadding=12,
        titleFontWeight="normal",
        titleFontSize=12,
        labelFontSize=12,
        gridColor=GRID,
        gridOpacity=0.25,
        domainColor=INK,
        tickColor=INK,
    )
    return chart.configure_legend(
        labelColor=INK,
        labelFontSize=12,
        labelLimit=300,
        orient="bottom",
        columns=4,
        symbolType="stroke",
        symbolOpacity=1,
        symbolSize=300,
        symbolStrokeWidth=3,
    )


def describe(curves: Curves, task: TaskFacts, *, logarithmic: bool) -> str:
    """What the plot shows, in words."""
    ends = [
        f"{line.label} ends at {line.points['mean'].iloc[-1]:.4g} after {int(line.points['step'].iloc[-1])} steps"
        for line in curves.lines
    ]
    scale = "logarithmic" if logarithmic else "linear"
    target = f" The target is {task.target:g}." if task.target is not None else ""
    better = "higher" if task.higher_is_better else "lower"
    return f"{printable(task.metric)}, {better} is better, {scale} scale. {'; '.join(ends)}.{target}"


def _title(curves: Curves, task: TaskFacts) -> str:
    return f"{printable(task.metric)} on {' or '.join(curves.splits)} by training step"


def _rows(curves: Curves) -> list[dict[str, Any]]:
    rows = []
    for line in curves.lines:
        points = thin(line.points)
        rows += [
            {**{str(key): value for key, value in row.items()}, "line": line.label} for row in points.to_dict("records")
        ]
    return rows


def _is_logarithmic(task: TaskFacts, rows: Sequence[Mapping[str, Any]]) -> bool:
    """Whether an error spans so much that a linear axis would flatten what matters."""
    lows = [row["low"] for row in rows] + ([task.target] if task.target is not None else [])
    return not task.higher_is_better and min(lows) > 0 and max(row["high"] for row in rows) / min(lows) > WIDE_RANGE


def _layers(
    curves: Curves, rows: list[dict[str, Any]], task: TaskFacts, scale: alt.Scale, styles: Mapping[str, Style]
) -> list[alt.Chart]:
    labels = [line.label for line in curves.lines]
    chosen = [styles[line.model] for line in curves.lines]
    colour = alt.Color("line:N", title=None, scale=alt.Scale(domain=labels, range=[PALETTE[s.colour] for s in chosen]))
    dash = alt.StrokeDash(
        "line:N", title=None, scale=alt.Scale(domain=labels, range=[list(DASHES[s.dash]) for s in chosen])
    )
    steps = alt.X("step:Q", title="training steps", axis=alt.Axis(tickCount=6, format=",d"))
    title = _axis_title(curves, task)
    format_ = "~e" if scale.type == "log" else "~r"
    value = alt.Y("mean:Q", title=title, scale=scale, axis=alt.Axis(tickCount=6, format=format_))
    data = alt.Chart(alt.InlineData(values=rows))
    few = max(len(line.points) for line in curves.lines) <= FEW_POINTS
    layers = [data.mark_line(strokeWidth=2, point={"size": 22} if few else False).encode(steps, value, colour, dash)]
    if any(row["seeds"] > 1 for row in rows):
        low = alt.Y("low:Q", title=title, scale=scale)
        layers.insert(0, data.mark_area(opacity=0.2).encode(steps, low, alt.Y2("high:Q"), colour))
    return layers + ([] if task.target is None else _target_layers(task.target, scale, title))


def _target_layers(target: float, scale: alt.Scale, title: str) -> list[alt.Chart]:
    data = alt.Chart(alt.InlineData(values=[{"target": target, "text": f"target {target:g}"}]))
    value = alt.Y("target:Q", title=title, scale=scale)
    rule = data.mark_rule(color=INK, strokeDash=[4, 4], strokeWidth=1.5).encode(value)
    text = data.mark_text(color=INK, align="right", dx=-4, dy=-8, fontSize=12)
    return [rule, text.encode(value, x=alt.value(WIDTH), text="text:N")]


def _axis_title(curves: Curves, task: TaskFacts) -> str:
    direction = "higher is better" if task.higher_is_better else "lower is better"
    return f"{printable(task.metric)[:40]} on {' or '.join(curves.splits)}, {direction}"


def _described(svg: str, title: str, description: str) -> str:
    """The SVG with a title and a description for those who do not see it, and lighter ink on dark ground."""
    start = svg.index(">", svg.index("<svg")) + 1
    dark = f'[fill="{INK}"]{{fill:{INK_ON_DARK}}}[stroke="{INK}"]{{stroke:{INK_ON_DARK}}}'
    style = f"<style>@media (prefers-color-scheme: dark){{{dark}}}</style>"
    return f"{svg[:start]}<title>{escape(title)}</title><desc>{escape(description)}</desc>{style}{svg[start:]}"

"""Plots as SVG, rendered by vl-convert from Vega-Lite. A model has one style on all pages, in light and dark mode."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from xml.sax.saxutils import escape

from zoo_core.results.records import TaskFacts
from zoo_leaderboard.board.curves import By, Curves, thin
from zoo_leaderboard.site.legend import Entry, Shape, with_legend
from zoo_leaderboard.site.plotdata import Axis as PlotAxis
from zoo_leaderboard.site.plotdata import DataPoint, PlotData, Series
from zoo_leaderboard.text.formats import bare, clip, printable
from zoo_leaderboard.text.labels import as_label
from zoo_leaderboard.text.names import short_hash

# Distinguishable with any colour vision; contrast at least 3:1 on white and on the dark background.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#aa3377", "#a87b00", "#3d94cc", "#e0607e", "#7c828c")
DASHES: tuple[tuple[int, int], ...] = ((1, 0), (6, 3), (2, 2), (10, 3))
# of points; a model has the dash and the shape with the same index
SHAPES: tuple[Shape, ...] = ("circle", "square", "triangle-up", "diamond")
INK, INK_ON_DARK, GRID = "#6b7280", "#b4bac4", "#8a919c"
WIDTH, HEIGHT = 460, 260  # pixels
MAX_MARKED_POINTS = 40  # marks on more points would hide the line
MIN_LOG_RANGE = 50.0  # largest / smallest value; a wider range gets a logarithmic axis
VEGA_LITE = "5.20"
# A tick's label: plain up to a million, without SI prefixes of small numbers ("29.8m" of a millisecond). Labels that
# Vega leaves out stay empty.
PLAIN_LABELS = (
    "datum.label === '' ? '' : datum.value === 0 ? '0' : abs(datum.value) >= 1e6 ? format(datum.value, '.6~s') : "
    "abs(datum.value) >= 1e-6 ? format(datum.value, ',.6~r') : format(datum.value, '.3~e')"
)
CURVE_TITLES: Mapping[By, str] = {"step": "Training steps", "seconds": "Training time (s)"}
MAX_DRAWN_SCORE = 1e300
MAX_REFERENCES = 3  # horizontal lines in a plot; the page lists all

Spec: TypeAlias = dict[str, Any]

STEPS: Spec = {"type": "line", "interpolate": "step-after", "color": INK, "strokeDash": [4, 4]}
INTERVAL: Spec = {"type": "rule", "color": INK, "opacity": 0.6}


@dataclass(frozen=True, kw_only=True, slots=True)
class Style:
    """How a model is drawn: indices into PALETTE, and into DASHES and SHAPES."""

    colour: int
    dash: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Level:
    """A score drawn as a horizontal line: a target or a reference figure."""

    score: float
    words: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Drawing:
    """A plot to be rendered: its specification, with title and description for screen readers, and its legend.

    `data` are its numbers, for the script that draws it again.
    """

    spec: Spec
    title: str
    description: str
    data: PlotData
    legend: Sequence[Entry] = ()


def assign_styles(tasks: Iterable[Sequence[str]], known: Mapping[str, Style] | None = None) -> dict[str, Style]:
    """Assign a style to every model: within a task, models have different colours as far as possible.

    A model keeps its style in `known`. A new model's first choice depends on its name only, so that builds agree; if
    another model of the task has that colour, it gets the next free one.
    """
    styles: dict[str, Style] = dict(known or {})
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


def render(drawing: Drawing) -> str:
    """The SVG document with title, description and legend, and with lighter ink in dark mode.

    Vega would draw the legend too, in twice the time.
    """
    import vl_convert

    svg = with_legend(vl_convert.vegalite_to_svg(drawing.spec, vl_version=VEGA_LITE), drawing.legend, INK)
    start = svg.index(">", svg.index("<svg")) + 1
    dark = f'[fill="{INK}"]{{fill:{INK_ON_DARK}}}[stroke="{INK}"]{{stroke:{INK_ON_DARK}}}'
    style = f"<style>@media (prefers-color-scheme: dark){{{dark}}}</style>"
    words = f"<title>{escape(printable(drawing.title))}</title><desc>{escape(printable(drawing.description))}</desc>"
    return f"{svg[:start]}{words}{style}{svg[start:]}"


def target_level(task: TaskFacts) -> list[Level]:
    """The task's target, a score on val; empty without one."""
    return [] if task.target is None else [Level(score=task.target, words=f"target {task.target:g}")]


def reference_levels(references: Sequence[Mapping[str, Any]]) -> list[Level]:
    """The first reference scores as horizontal lines."""
    values = [(reference, reference.get("value")) for reference in references]
    return [
        Level(score=value, words=f"{clip(reference.get('model') or 'reference', 24)} {value:g} (test)")
        for reference, value in values
        if isinstance(value, int | float) and -MAX_DRAWN_SCORE < value < MAX_DRAWN_SCORE
    ][:MAX_REFERENCES]


def learning_curves(
    curves: Curves, task: TaskFacts, styles: Mapping[str, Style], by: By = "step", across: Sequence[Level] = ()
) -> Drawing:
    """The learning curves by step or second, with bands over seeds. `across`: target and reference scores."""
    rows = [
        {**{str(key): value for key, value in row.items()}, "line": line.label}
        for line in curves.lines
        for row in thin(line.by(by)).to_dict("records")
    ]
    values = [row[name] for row in rows for name in ("low", "high")] + [level.score for level in across]
    logarithmic = not task.higher_is_better and is_wide(values)
    y = score_axis(task, [curves.split], logarithmic=logarithmic)
    layers = _curve_layers(curves, rows, styles, by, y) + (level_layers(across, y) if across else [])
    what = "training step" if by == "step" else "training time"
    title = f"{printable(as_label(task.metric))} on {curves.split} by {what}"
    drawn = [(line.label, styles[line.model]) for line in curves.lines]
    legend = [
        Entry(label=label, colour=PALETTE[style.colour], dash=DASHES[style.dash], shape=SHAPES[style.dash])
        for label, style in drawn
    ]
    return Drawing(
        spec=themed({"layer": layers}),
        title=title,
        description=_describe(curves, task, by, across, logarithmic),
        data=_curve_data(curves, styles, by, across, y["title"], logarithmic=logarithmic),
        legend=legend,
    )


def _curve_data(
    curves: Curves, styles: Mapping[str, Style], by: By, across: Sequence[Level], y_title: str, *, logarithmic: bool
) -> PlotData:
    series = []
    for line in curves.lines:
        style = styles[line.model]
        rows = thin(line.by(by)).to_dict("records")
        series.append(
            Series(
                label=line.label,
                colour=PALETTE[style.colour],
                dash=DASHES[style.dash],
                marked=len(rows) <= MAX_MARKED_POINTS,
                band=any(row["seeds"] > 1 for row in rows),
                points=[DataPoint(row[by], row["mean"], row["low"], row["high"]) for row in rows],
            )
        )
    return PlotData(
        x=PlotAxis(title=CURVE_TITLES[by]),
        y=PlotAxis(title=y_title, logarithmic=logarithmic),
        series=series,
        levels=[(level.score, level.words) for level in across],
    )


def over_time(rows: Sequence[Mapping[str, Any]], title: str, axis: str, styles: Mapping[str, Style]) -> Drawing:
    """One value of a model over time: a point with its interval per occasion, and the best so far as steps.

    A row has moment (ISO time), value, low, high, best and model.
    """
    values = [dict(row) for row in rows]
    x = {"field": "moment", "type": "temporal", "title": None, "axis": {"tickCount": 5}}
    y = {
        "field": "value",
        "type": "quantitative",
        "title": axis,
        "scale": {"zero": False, "nice": True},
        "axis": {"labelExpr": PLAIN_LABELS},
    }
    colour = PALETTE[styles[str(values[0]["model"])].colour]
    layers: list[Spec] = [
        {
            "mark": STEPS,
            "encoding": {"x": x, "y": {**y, "field": "best"}},
        },
        {
            "mark": INTERVAL,
            "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
        },
        {
            "mark": {"type": "line", "point": {"size": 60, "color": colour}, "color": colour, "strokeWidth": 2},
            "encoding": {"x": x, "y": y},
        },
    ]
    ends = f"from {values[0]['value']:.4g} on {values[0]['moment'][:10]} to {values[-1]['value']:.4g}"
    description = f"{axis}, {len(values)} measurements, {ends} on {values[-1]['moment'][:10]}."
    points = [DataPoint(row["moment"], row["value"], row["low"], row["high"]) for row in values]
    data = PlotData(
        x=PlotAxis(title="Date", kind="time"),
        y=PlotAxis(title=axis),
        series=[Series(label=clip(bare(str(values[0]["model"])), 40), colour=colour, dash=DASHES[0], points=points)],
        steps=[(row["moment"], row["best"]) for row in values],
    )
    spec = themed({"data": {"values": values}, "layer": layers})
    return Drawing(spec=spec, title=title, description=description, data=data)


def is_wide(values: Sequence[float]) -> bool:
    """Whether all numbers are positive and span a range that needs a logarithmic axis."""
    return min(values) > 0 and max(values) / min(values) > MIN_LOG_RANGE


def themed(spec: Spec) -> Spec:
    axis: Spec = {"labelColor": INK, "titleColor": INK, "domainColor": INK, "tickColor": INK, "gridColor": GRID}
    axis |= {"titlePadding": 10, "titleFontWeight": "normal", "titleFontSize": 12, "labelFontSize": 12}
    config = {"font": "sans-serif", "aria": False, "view": {"stroke": None}, "axis": {**axis, "gridOpacity": 0.25}}
    return {**spec, "width": WIDTH, "height": HEIGHT, "background": "transparent", "config": config}


def _describe(curves: Curves, task: TaskFacts, by: By, across: Sequence[Level], logarithmic: bool) -> str:
    """A description of the learning curves."""
    ends = [
        f"{line.label} ends at {line.by(by)['mean'].iloc[-1]:.4g} after {line.by(by)[by].iloc[-1]:.4g} "
        + ("steps" if by == "step" else "seconds")
        for line in curves.lines
    ]
    scale = "logarithmic" if logarithmic else "linear"
    target = "".join(f" Horizontal line: {level.words}." for level in across)
    better = "higher" if task.higher_is_better else "lower"
    return f"{printable(as_label(task.metric))}, {better} is better, {scale} scale. {'; '.join(ends)}.{target}"


def score_axis(task: TaskFacts, splits: Sequence[str], *, logarithmic: bool) -> Spec:
    better = "higher is better" if task.higher_is_better else "lower is better"
    return {
        "field": "mean",
        "type": "quantitative",
        "title": f"{clip(printable(as_label(task.metric)), 40)} on {' or '.join(splits)}, {better}",
        "scale": {"type": "log", "nice": True} if logarithmic else {"zero": False, "nice": True},
        "axis": {"tickCount": 6, "labelExpr": PLAIN_LABELS},
    }


def _curve_layers(
    curves: Curves, rows: list[dict[str, Any]], styles: Mapping[str, Style], by: By, y: Spec
) -> list[Spec]:
    colour = colour_by_line([(line.label, line.model) for line in curves.lines], styles)
    dash = by_line({line.label: list(DASHES[styles[line.model].dash]) for line in curves.lines})
    ticks: Spec = {"tickCount": 6, "labelExpr": PLAIN_LABELS}
    x = {"field": by, "type": "quantitative", "title": CURVE_TITLES[by], "axis": ticks}
    few = max(len(line.by(by)) for line in curves.lines) <= MAX_MARKED_POINTS
    mark = {"type": "line", "strokeWidth": 2, "point": {"size": 22} if few else False}
    line = {"data": {"values": rows}, "mark": mark, "encoding": {"x": x, "y": y, "color": colour, "strokeDash": dash}}
    if not any(row["seeds"] > 1 for row in rows):
        return [line]
    encoding = {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": colour}
    return [{"data": {"values": rows}, "mark": {"type": "area", "opacity": 0.2}, "encoding": encoding}, line]


def colour_by_line(lines: Sequence[tuple[str, str]], styles: Mapping[str, Style]) -> Spec:
    """The colour of each (label, model); grey if the model is empty."""
    return by_line({label: PALETTE[styles[model].colour] if model else GRID for label, model in lines})


def by_line(values: Mapping[str, Any]) -> Spec:
    """A property by label, without a legend: `render` adds one."""
    scale = {"domain": list(values), "range": list(values.values())}
    return {"field": "line", "type": "nominal", "scale": scale, "legend": None}


def level_layers(levels: Sequence[Level], y: Spec) -> list[Spec]:
    """Horizontal lines, each with its label above the right end."""
    data = {"values": [{"mean": level.score, "text": clip(level.words, 40)} for level in levels]}
    rule = {"type": "rule", "color": INK, "strokeDash": [4, 4], "strokeWidth": 1.5}
    text = {"type": "text", "color": INK, "align": "right", "dx": -4, "dy": -8, "fontSize": 12}
    where = {"x": {"value": WIDTH}, "y": y, "text": {"field": "text", "type": "nominal"}}
    return [{"data": data, "mark": rule, "encoding": {"y": y}}, {"data": data, "mark": text, "encoding": where}]

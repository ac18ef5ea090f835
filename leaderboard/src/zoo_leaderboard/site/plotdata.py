"""The numbers of a plot for the site's script, which draws the plot again: with values, toggles, zoom and log axes.

Without scripts a page shows the SVG file, which is drawn from the same numbers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

from zoo_leaderboard.text.documents import as_script, six_digits

Kind: TypeAlias = Literal["number", "year", "time", "category"]


class DataPoint(NamedTuple):
    """A point with its interval, None if unknown. x: a number, an ISO time, or the number of a category.

    name: in the words for the point, if it differs from that of the series. hollow: its cost is unreliable.
    """

    x: float | str
    y: float
    low: float | None = None
    high: float | None = None
    name: str = ""
    hollow: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Series:
    """Points in one colour. dash: of the line that joins them, None without a line. band: intervals are an area."""

    label: str
    colour: str
    points: Sequence[DataPoint]
    dash: tuple[int, int] | None = None
    shape: str = "circle"
    marked: bool = True
    band: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Axis:
    """An axis: what it shows, and whether it is logarithmic at first. categories: the names of a category's numbers."""

    title: str
    logarithmic: bool = False
    kind: Kind = "number"
    categories: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class PlotData:
    """A plot. levels: horizontal lines with their words. steps: points of a dashed line of steps, by x."""

    x: Axis
    y: Axis
    series: Sequence[Series]
    levels: Sequence[tuple[float, str]] = ()
    steps: Sequence[tuple[float | str, float]] = ()


def plots_script(slug: str, plots: Mapping[str, tuple[str, PlotData]]) -> str:
    """All plots of a task as one script file: title and numbers by the name of the SVG file."""
    return as_script("plots", slug, {file: {"title": title, **_value(data)} for file, (title, data) in plots.items()})


def _value(data: PlotData) -> dict[str, Any]:
    return {
        "x": _axis(data.x),
        "y": _axis(data.y),
        "series": [_series(series) for series in data.series],
        "levels": [[_short(score), words] for score, words in data.levels],
        "steps": [[_short(x), _short(y)] for x, y in data.steps],
    }


def _axis(axis: Axis) -> dict[str, Any]:
    return {"title": axis.title, "log": axis.logarithmic, "kind": axis.kind, "names": list(axis.categories)}


def _series(series: Series) -> dict[str, Any]:
    return {
        "label": series.label,
        "colour": series.colour,
        "dash": list(series.dash) if series.dash else None,
        "shape": series.shape,
        "marked": series.marked,
        "band": series.band,
        "points": [_point(point) for point in series.points if math.isfinite(point.y)],
    }


def _point(point: DataPoint) -> list[Any]:
    """[x, y, low, high, name, hollow] without the empty values at the end."""
    values: list[Any] = [*map(_short, (point.x, point.y, point.low, point.high)), point.name, int(point.hollow)]
    while values[-1] in (None, "", 0) and len(values) > 2:
        values.pop()
    return values


def _short(value: float | str | None) -> Any:
    """Six digits of a finite number; a time as it is."""
    return value if isinstance(value, str) else six_digits(value)

"""Learning curves as numbers: the mean over seeds at each step or second, with the lowest and the highest seed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import pandas as pd

from zoo_core.results.records import CurvePoint, Record
from zoo_leaderboard.board.tables import Group
from zoo_leaderboard.records.entries import Entry
from zoo_leaderboard.text.formats import bare, printable

MOST_MODELS = 12  # more lines than this cannot be told apart
MOST_POINTS = 200  # of a line: more than its pixels can show
LONGEST_LABEL = 48

By: TypeAlias = Literal["step", "seconds"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Curve:
    """One model's line. `split` is what was scored; the tables have step or seconds, mean, low, high and seeds."""

    row: str
    model: str
    label: str
    split: str
    points: pd.DataFrame
    timed: pd.DataFrame

    def by(self, by: By) -> pd.DataFrame:
        """The points against steps or against seconds of training."""
        return self.points if by == "step" else self.timed


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Curves:
    """A group's lines, best model first; `left_out` counts the models beyond the limit."""

    lines: Sequence[Curve]
    left_out: int

    @property
    def splits(self) -> list[str]:
        return list(dict.fromkeys(line.split for line in self.lines))


def group_curves(group: Group, read: Callable[[Entry], Record]) -> Curves:
    """The curves of the group's models that have a score and recorded any; `read` opens a trial's record."""
    rows = group.models[group.models["score"].notna() & (group.models["stale"] == group.stale)]
    with_curves = {entry.row for entry in group.trials if entry.curve and entry.status == "ok"}
    drawn = [row for row in rows.itertuples() if row.row in with_curves]
    found = [(row, *_lines([read(entry) for entry in group.ok(str(row.row))])) for row in drawn[:MOST_MODELS]]
    found = [line for line in found if not line[2].empty]
    mixed = len({split for _, split, _, _ in found}) > 1
    labels: set[str] = set()
    lines = []
    for row, split, points, timed in found:
        variant = ", ".join(filter(None, [str(row.variant), f"on {split}" if mixed else ""]))
        label = unique_label(str(row.model), variant, labels)
        line = Curve(row=str(row.row), model=str(row.model), label=label, split=split, points=points, timed=timed)
        lines.append(line)
    return Curves(lines=lines, left_out=max(0, len(drawn) - MOST_MODELS))


def _lines(records: Sequence[Record]) -> tuple[str, pd.DataFrame, pd.DataFrame]:
    split, points = model_curve(records)
    return split, points, model_curve(records, "seconds")[1]


def model_curve(records: Sequence[Record], by: By = "step") -> tuple[str, pd.DataFrame]:
    """The scores on val, or on train where no val was held out, as mean, low and high over the seeds by step or second.

    Seeds evaluated at different steps are joined by straight lines; none is drawn beyond its own last evaluation.
    """
    split = "val" if any(point.val_score is not None for record in records for point in record.curve) else "train"
    seeds = [_seed_curve(record, split, by) for record in records]
    seeds = [seed for seed in seeds if not seed.empty]
    if not seeds:
        return split, pd.DataFrame(columns=[by, "mean", "low", "high", "seeds"])
    wide = pd.concat(seeds, axis=1).sort_index().interpolate(method="index", limit_area="inside")
    points = pd.DataFrame(
        {
            "mean": wide.mean(axis=1),
            "low": wide.min(axis=1),
            "high": wide.max(axis=1),
            "seeds": wide.notna().sum(axis=1),
        }
    )
    return split, points.rename_axis(by).reset_index()


def _seed_curve(record: Record, split: str, by: By) -> pd.Series[Any]:
    def score(point: CurvePoint) -> float | None:
        return point.val_score if split == "val" else point.train_score

    values = {getattr(point, by): score(point) for point in record.curve if score(point) is not None}
    return pd.Series(values, dtype="float64", name=record.id)


def thin(points: pd.DataFrame, most: int = MOST_POINTS) -> pd.DataFrame:
    """At most `most` rows, evenly spaced, the first and the last among them."""
    if len(points) <= most:
        return points
    chosen = [round(index * (len(points) - 1) / (most - 1)) for index in range(most)]
    return points.iloc[chosen]


def unique_label(model: str, variant: str, taken: set[str]) -> str:
    """A line's name for the legend: short, printable, and no other's; adds it to `taken`."""
    text = " ".join(printable(f"{bare(model)} ({variant})" if variant else bare(model)).split())
    label = text if len(text) <= LONGEST_LABEL else text[: LONGEST_LABEL - 1] + "…"
    if label in taken:  # two plugins' models of one name
        label = printable(model)[: LONGEST_LABEL - 1]
    number = 2
    while label in taken:
        label, number = f"{text[: LONGEST_LABEL - 6]} ({number})", number + 1
    taken.add(label)
    return label


def json_curves(curves: Curves) -> list[dict[str, Any]]:
    """The drawn points as JSON values."""
    return [
        {
            "model": line.model,
            "label": line.label,
            "split": line.split,
            "points": _plain(thin(line.points)),
            "timed": _plain(thin(line.timed)),
        }
        for line in curves.lines
    ]


def _plain(points: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in points.to_dict("records")]


def table_points(curves: Curves, most: int = 20) -> pd.DataFrame:
    """The plot as numbers for the page: fewer points a line than are drawn."""
    parts = [thin(line.points, most).assign(label=line.label, split=line.split) for line in curves.lines]
    return pd.concat(parts, ignore_index=True)

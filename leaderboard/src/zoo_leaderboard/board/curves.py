"""Learning curves as numbers: mean, lowest and highest seed at each step or second."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, cast

import pandas as pd

from zoo_core.results.records import CurvePoint, Record
from zoo_leaderboard.board.row_labels import Labelled, row_label
from zoo_leaderboard.board.tables import Group
from zoo_leaderboard.records.trials import TrialSummary
from zoo_leaderboard.text.formats import printable

MAX_LINES = 12  # more lines cannot be distinguished
MAX_POINTS_PER_LINE = 200  # about what the pixels can show
MAX_LABEL_CHARS = 48

By: TypeAlias = Literal["step", "seconds"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Curve:
    """One model's line on the split `split`: frames with the columns step or seconds, mean, low, high and seeds."""

    model: str
    label: str
    split: str
    by_step: pd.DataFrame
    by_seconds: pd.DataFrame

    def by(self, by: By) -> pd.DataFrame:
        """The points against steps or against seconds of training."""
        return self.by_step if by == "step" else self.by_seconds


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Curves:
    """A group's lines, best model first, all on the split `split`: val, or train if no model has scores on val.

    `left_out` is the number of models beyond `MAX_LINES`. `train_only` is the number of models that have only train
    scores and are left out, because those are no val scores.
    """

    lines: Sequence[Curve]
    split: str
    left_out: int
    train_only: int

    @property
    def thinned(self) -> bool:
        """Whether some line has more points than are drawn."""
        return any(len(line.by_step) > MAX_POINTS_PER_LINE for line in self.lines)


def group_curves(group: Group, read: Callable[[TrialSummary], Record]) -> Curves:
    """Compute the curves of the group's rows with a score that are up to date; `read` opens a trial's record.

    If any row has val scores, rows with only train scores are left out: the two are not comparable.
    """
    ok = [trial for trial in group.trials if trial.has_curve and trial.status == "ok"]
    recorded, on_val = {trial.row_text for trial in ok}, {trial.row_text for trial in ok if trial.has_val_curve}
    rows = [row for row in group.ranked.itertuples() if row.row_text in recorded]
    drawn = [row for row in rows if row.row_text in on_val] or rows
    labels: set[str] = set()
    lines = []
    for row in drawn[:MAX_LINES]:
        split, by_step, by_seconds = _curve_by_step_and_seconds([read(trial) for trial in group.ok(str(row.row_text))])
        label = unique_label(cast(Labelled, row), labels)
        lines.append(Curve(model=str(row.model), label=label, split=split, by_step=by_step, by_seconds=by_seconds))
    return Curves(
        lines=lines,
        split=lines[0].split if lines else "val",
        left_out=max(0, len(drawn) - MAX_LINES),
        train_only=len(rows) - len(drawn),
    )


def _curve_by_step_and_seconds(records: Sequence[Record]) -> tuple[str, pd.DataFrame, pd.DataFrame]:
    split, points = model_curve(records)
    return split, points, model_curve(records, "seconds")[1]


def model_curve(records: Sequence[Record], by: By = "step") -> tuple[str, pd.DataFrame]:
    """Return the split, and the mean, low and high score over the seeds, by step or second.

    The split is val, or train if no val split was held out. A seed is interpolated linearly between its evaluations and
    not extrapolated beyond its last one.
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


def thin(points: pd.DataFrame, max_points: int = MAX_POINTS_PER_LINE) -> pd.DataFrame:
    """Select at most `max_points` lines of the frame, evenly spaced, including the first and the last."""
    if len(points) <= max_points:
        return points
    chosen = [round(index * (len(points) - 1) / (max_points - 1)) for index in range(max_points)]
    return points.iloc[chosen]


def unique_label(row: Labelled, taken: set[str]) -> str:
    """Return a short, printable and unique name for the legend, and add it to `taken`."""
    text = " ".join(printable(row_label(row)).split())
    label = text if len(text) <= MAX_LABEL_CHARS else text[: MAX_LABEL_CHARS - 1] + "…"
    if label in taken:  # two plugins have models of the same name
        label = printable(row.model)[: MAX_LABEL_CHARS - 1]
    number = 2
    while label in taken:
        label, number = f"{text[: MAX_LABEL_CHARS - 6]} ({number})", number + 1
    taken.add(label)
    return label


def json_curves(curves: Curves) -> list[dict[str, Any]]:
    """Return the drawn points as JSON values."""
    return [
        {
            "model": line.model,
            "label": line.label,
            "split": line.split,
            "points": _records(thin(line.by_step)),
            "timed": _records(thin(line.by_seconds)),
        }
        for line in curves.lines
    ]


def _records(points: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in points.to_dict("records")]


def table_points(curves: Curves, max_points: int = 20) -> pd.DataFrame:
    """Return the points for the page's table: fewer per line than in the plot."""
    parts = [thin(line.by_step, max_points).assign(label=line.label, split=line.split) for line in curves.lines]
    return pd.concat(parts, ignore_index=True)

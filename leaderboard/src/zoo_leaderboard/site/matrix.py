"""Models across the tasks of one kind: how well each does in each, and an overall order.

A score is shown as a share of the way from the chance level (0) to the table's best mean (1). A blank was not run, and
nothing is put in its place.

The order is by mean win rate: in each task, the share of the other models of the matrix with a worse mean, where a tie
counts half; then the mean over the model's tasks. A difference that the table's test leaves open could go either way.
`low` and `high` are the mean win rates if all of these went against the model, or for it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from zoo_leaderboard.site.bars import Bar, Scale, bar_of
from zoo_leaderboard.site.summary import GroupSummary, Place, TaskSummary

MAX_LINES, MAX_COLUMNS = 30, 16  # shown of one matrix
MIN_SHARE = 0.5  # of the tasks: a model that ran on fewer has no place in the order
LEVELS = 9  # of colour

ModelName: TypeAlias = tuple[str, str]  # the model, and what it was pretrained on


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Column:
    """A task with the group whose rows are shown: the up-to-date `rows`, best mean first."""

    task: TaskSummary
    group: GroupSummary
    rows: Sequence[Place]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Cell:
    """A model in one task: its row, the share of the way from chance to the best, and the level of its colour.

    The share is None without a chance level below the best mean.
    """

    place: Place
    share: float | None
    level: int


class WinRate(NamedTuple):
    """A mean win rate, and the lowest and the highest that the tests leave open."""

    score: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Line:
    """A model with a cell for each shown column, None where it did not run; `ran` counts all columns.

    `wins` is None if the model ran on too few tasks.
    """

    model: str
    pretrained_on: str
    cells: Sequence[Cell | None]
    ran: int
    wins: WinRate | None
    bar: Bar | None


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Matrix:
    """The models that ran on two or more tasks of one kind on one device class, best mean win rate first.

    tasks, models: the number of all columns and lines; at most `MAX_COLUMNS` and `MAX_LINES` of them are shown.
    """

    kind: str
    device: str
    columns: Sequence[Column]
    lines: Sequence[Line]
    tasks: int
    models: int


def matrices(tasks: Sequence[TaskSummary]) -> list[Matrix]:
    """Return the matrices with at least two models, by kind and device class."""
    columns: dict[tuple[str, str], list[Column]] = {}
    for task in tasks:
        for device in sorted({group.device_class for group in task.groups}):
            group = task.shown_group(device)
            if group is not None:
                columns.setdefault((task.kind, device), []).append(Column(task=task, group=group, rows=group.current))
    found = (_matrix(kind, device, some) for (kind, device), some in sorted(columns.items()))
    return [matrix for matrix in found if matrix is not None]


def _matrix(kind: str, device: str, columns: Sequence[Column]) -> Matrix | None:
    rows = [_best_rows(column.rows) for column in columns]
    ran = Counter(name for row in rows for name in row)
    names = {name for name, count in ran.items() if count > 1}
    if len(names) < 2:
        return None
    kept = [
        (column, own)
        for column, row in zip(columns, rows, strict=True)
        if (own := {name: place for name, place in row.items() if name in names})
    ]
    rates = _win_rates(kept)
    order = sorted(names, key=lambda name: (name not in rates, -rates[name].score if name in rates else 0.0, name))
    shown = sorted(kept, key=lambda item: -len(item[1]))[:MAX_COLUMNS]  # the sort keeps the order of equal ones
    return Matrix(
        kind=kind,
        device=device,
        columns=[column for column, _ in shown],
        lines=[_line(name, shown, ran[name], rates.get(name)) for name in order[:MAX_LINES]],
        tasks=len(kept),
        models=len(names),
    )


def _best_rows(places: Sequence[Place]) -> dict[ModelName, Place]:
    """The row with the best mean of each model."""
    rows: dict[ModelName, Place] = {}
    for place in places:
        rows.setdefault((place.model, place.pretrained_on), place)
    return rows


def _line(
    name: ModelName, columns: Sequence[tuple[Column, Mapping[ModelName, Place]]], ran: int, wins: WinRate | None
) -> Line:
    return Line(
        model=name[0],
        pretrained_on=name[1],
        cells=[_cell(column, rows[name]) if name in rows else None for column, rows in columns],
        ran=ran,
        wins=wins,
        bar=bar_of(wins, Scale(0.0, 1.0, logarithmic=False, higher_is_better=True)) if wins else None,
    )


def _cell(column: Column, place: Place) -> Cell:
    best, chance = column.rows[0].score, column.group.chance
    share = None
    if chance is not None and best is not None and place.score is not None and best != chance:
        above = (best > chance) == column.task.higher_is_better
        share = (place.score - chance) / (best - chance) if above else None
    level = 0 if share is None else round(LEVELS * min(1.0, max(0.0, share)))
    return Cell(place=place, share=share, level=level)


def _win_rates(columns: Sequence[tuple[Column, Mapping[ModelName, Place]]]) -> dict[ModelName, WinRate]:
    """The mean win rate of each model that ran on enough tasks, among those in which another model ran."""
    by_model: dict[ModelName, list[WinRate]] = {}
    compared = [(column, rows) for column, rows in columns if len(rows) > 1]
    for column, rows in compared:
        for name, rate in _rates_in(rows, higher_is_better=column.task.higher_is_better).items():
            by_model.setdefault(name, []).append(rate)
    return {
        name: WinRate(*(sum(values) / len(values) for values in zip(*rates, strict=True)))
        for name, rates in by_model.items()
        if len(rates) > 1 and len(rates) >= MIN_SHARE * len(columns)
    }


def _rates_in(rows: Mapping[ModelName, Place], *, higher_is_better: bool) -> dict[ModelName, WinRate]:
    """The win rates in one task: by the means, and by what the ranks say for certain."""
    sign = 1.0 if higher_is_better else -1.0
    means = {name: sign * (place.score or 0.0) for name, place in rows.items()}
    ordered = sorted(means.values())
    ranked = {name: place for name, place in rows.items() if place.rank is not None and not place.not_ranked}
    best_ranks = sorted(place.rank or 0 for place in ranked.values())
    worst_ranks = sorted(_worst_rank(place) for place in ranked.values())
    others = len(rows) - 1
    rates = {}
    for name, mean in means.items():
        worse = bisect_left(ordered, mean)
        tied = bisect_right(ordered, mean) - worse - 1
        beaten, beaten_by = 0, 0
        if name in ranked:
            beaten = len(best_ranks) - bisect_right(best_ranks, _worst_rank(ranked[name]))
            beaten_by = bisect_left(worst_ranks, ranked[name].rank or 0)
        rates[name] = WinRate((worse + tied / 2) / others, beaten / others, (others - beaten_by) / others)
    return rates


def _worst_rank(place: Place) -> int:
    return place.rank_high or place.rank or 0

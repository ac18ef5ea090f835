"""Sweeps: trainings that differ in one recipe key alone, such as the optimizer, arranged by the key's values."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from zoo_leaderboard.board.rows import Row
from zoo_leaderboard.board.tables import Group
from zoo_leaderboard.records.keys import GroupKey, RowKey
from zoo_leaderboard.text.formats import bare, clip
from zoo_leaderboard.text.names import short_hash

MAX_KEYS, MAX_VALUES, MAX_LINES = 6, 24, 12  # of one data set and device; of a key; of a key
MAX_ROWS = 1000  # of a data set and device that are looked at
MAX_RECIPE_KEYS = 200  # of a row that is looked at: a record of thousands of keys is no sweep


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """Trainings that agree in everything but the key: `label` names them, `rows` has one for each value, or None."""

    label: str
    rows: Sequence[Row | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sweep:
    """The scores by one recipe key, on one data set and device class; of all recipe classes.

    key, values: the key and its values as text, numbers in ascending order. lines: the trainings, most values first.
    means: for each value, the mean score of the lines that have every value; None if no line has. complete: how many
    have. left_out: the number of lines that are not shown.
    """

    group: Group
    key: str
    values: Sequence[str]
    lines: Sequence[Line]
    means: Sequence[float | None]
    complete: int
    left_out: int

    @property
    def anchor(self) -> str:
        """The HTML id of its section."""
        return f"k-{short_hash(self.group.key.text + self.key)}"


def sweeps(groups: Sequence[Group], rows_by_group: Mapping[GroupKey, Sequence[Row]]) -> list[Sweep]:
    """Find the sweeps of a task, by data set and device; keys with the most trainings first."""
    together: dict[str, list[Group]] = {}
    for group in groups:
        if not group.stale:
            key = msgspec.structs.replace(group.key, recipe_class="")
            together.setdefault(key.text, []).append(group)
    return [
        found
        for same in together.values()
        for found in _sweeps_of(same[0], [row for group in same for row in rows_by_group[group.key]])
    ]


def _sweeps_of(group: Group, rows: Sequence[Row]) -> list[Sweep]:
    scored = {row.training: row for row in rows if row.current and row.score is not None}
    parsed = [(row, RowKey.parse(row.row_text).model) for row in list(scored.values())[:MAX_ROWS]]
    parsed = [(row, model) for row, model in parsed if len(model.recipe) <= MAX_RECIPE_KEYS]
    trainings = [(row, msgspec.structs.replace(model, recipe={}).text, model.recipe) for row, model in parsed]
    keys = dict.fromkeys(key for _, _, recipe in trainings for key in recipe)
    varied = [key for key in keys if len({_text(recipe.get(key)) for _, _, recipe in trainings}) > 1]
    found = [sweep for key in varied if (sweep := _sweep(group, key, trainings)) is not None]
    found.sort(key=lambda sweep: -sum(row is not None for line in sweep.lines for row in line.rows))
    return found[:MAX_KEYS]


def _sweep(group: Group, key: str, trainings: Iterable[tuple[Row, str, Mapping[str, Any]]]) -> Sweep | None:
    """Arrange the trainings that have the key; None unless two of them differ in nothing else."""
    families: dict[str, dict[str, Row]] = {}
    seen: dict[str, Any] = {}
    for row, model, recipe in trainings:
        if key in recipe:
            rest = {name: value for name, value in recipe.items() if name != key}
            families.setdefault(model + _text(rest), {})[_text(recipe[key])] = row
            seen[_text(recipe[key])] = recipe[key]
    compared = sorted((family for family in families.values() if len(family) > 1), key=len, reverse=True)
    used = [text for text in seen if any(text in family for family in compared)]
    if not compared or len(used) > MAX_VALUES:
        return None
    values = sorted(used, key=lambda text: _order(seen[text]))
    complete = [family for family in compared if len(family) == len(values)]
    labels = _labels([next(iter(family.values())) for family in compared[:MAX_LINES]], key)
    return Sweep(
        group=group,
        key=key,
        values=[clip(seen[text] if isinstance(seen[text], str) else text, 40) for text in values],
        lines=[
            Line(label=label, rows=[family.get(text) for text in values])
            for label, family in zip(labels, compared, strict=False)
        ],
        means=[_mean([family[text] for family in complete]) for text in values],
        complete=len(complete),
        left_out=max(0, len(compared) - MAX_LINES),
    )


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _order(value: Any) -> tuple[int, float, str]:
    """Numbers in ascending order, then everything else by its text."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (0, float(value), "")
    return (1, 0.0, _text(value))


def _labels(rows: Sequence[Row], key: str) -> list[str]:
    """Name the lines by model, and by the other settings in which lines of this model differ."""
    labels = []
    for row in rows:
        others = [other.recipe for other in rows if other.model == row.model]
        words = [
            f"{name}={value}"
            for name, value in row.recipe.items()
            if name != key and any(other.get(name, ...) != value for other in others)
        ]
        labels.append(clip(" ".join([bare(row.model), *words]), 60))
    return [label if labels.count(label) == 1 else f"{label} ({number + 1})" for number, label in enumerate(labels)]


def _mean(rows: Sequence[Row]) -> float | None:
    scores = [row.score for row in rows if row.score is not None]
    return math.fsum(scores) / len(scores) if scores else None

"""Names of rows in lists, legends, sentences and copied tables: the model, and how its settings differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Protocol

from zoo_leaderboard.text.formats import bare, clip

MAX_LABEL_CHARS = 80


class Labelled(Protocol):
    """A row, or what is kept of it."""

    @property
    def model(self) -> str: ...
    @property
    def variant(self) -> str: ...


class Named(Labelled, Protocol):
    """A row with everything that can tell it from another row of its table."""

    @property
    def row_text(self) -> str: ...
    @property
    def model_version(self) -> int: ...
    @property
    def pretrained_on(self) -> str: ...


def row_label(row: Labelled, *, qualified: bool = False) -> str:
    """Return `cnn (lr=0.1)`, or just `cnn` for a row with the default settings; qualified: `zoo-mnist:cnn`."""
    name = row.model if qualified else bare(row.model)
    return f"{name} ({row.variant})" if row.variant else name


def row_labels(tables: Sequence[Sequence[Named]]) -> dict[str, str]:
    """Return the labels of a task's rows by their texts: different within each table.

    Where models of two plugins have one bare name, all tables of the task give their full names.
    """
    models = {row.model for rows in tables for row in rows}
    repeated = {name for name, count in Counter(map(bare, models)).items() if count > 1}
    labels: dict[str, str] = {}
    for rows in tables:
        plain = [clip(row_label(row, qualified=bare(row.model) in repeated), MAX_LABEL_CHARS) for row in rows]
        told_apart = _with_versions(rows, plain)
        labels |= zip((row.row_text for row in rows), numbered(told_apart), strict=True)
    return labels


def _with_versions(rows: Sequence[Named], labels: Sequence[str]) -> list[str]:
    """Add version and weights to labels that occur twice."""
    counts = Counter(labels)
    found = []
    for row, label in zip(rows, labels, strict=True):
        weights = f", pretrained on {clip(row.pretrained_on, 40)}" if row.pretrained_on else ""
        found.append(label if counts[label] == 1 else f"{label}, v{row.model_version}{weights}")
    return found


def numbered(labels: Iterable[str]) -> list[str]:
    """Add a number to a label that occurred before: `cnn`, `cnn (2)`."""
    taken: set[str] = set()
    found = []
    for label in labels:
        number, unique = 2, label
        while unique in taken:
            number, unique = number + 1, f"{label} ({number})"
        taken.add(unique)
        found.append(unique)
    return found

"""An evaluation as JSON values: numbers of numpy and torch become Python's, and what is not finite becomes None."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from zoo_core.protocols import Table
from zoo_core.results.records import TableFacts


def finite(value: float | None) -> float | None:
    """Return `value`, or None if it is not finite, which JSON cannot hold."""
    return value if value is not None and math.isfinite(value) else None


def finite_scores(scores: Mapping[str, float]) -> dict[str, float | None]:
    return {name: finite(float(value)) for name, value in scores.items()}


def table_facts(tables: Mapping[str, Table]) -> dict[str, TableFacts]:
    return {
        name: TableFacts(columns=[str(column) for column in table.columns], rows=[*map(_json_row, table.rows)])
        for name, table in tables.items()
    }


def _json_row(row: Sequence[Any]) -> list[Any]:
    return [cell.item() if hasattr(cell, "item") else cell for cell in row]

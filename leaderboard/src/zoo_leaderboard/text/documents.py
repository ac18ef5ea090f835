"""Values as JSON and CSV documents."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from zoo_core.ui.formats import spreadsheet_cell


def as_json(value: Any) -> bytes:
    """A JSON document, indented; numpy numbers become Python numbers."""
    return msgspec.json.format(msgspec.json.encode(value, enc_hook=python_number), indent=1) + b"\n"


def as_csv(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    """A CSV document with a header; each row has all the columns."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: csv_cell(value) for name, value in row.items()} for row in rows)
    return buffer.getvalue().encode("utf-8", "replace")


def csv_cell(value: Any) -> Any:
    """A CSV cell: an object as JSON, and no text that a spreadsheet would run as a formula."""
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=python_number)
    return spreadsheet_cell(value)


def python_number(value: Any) -> Any:
    """A numpy number as a Python number. Raises AttributeError for anything else."""
    return value.item()

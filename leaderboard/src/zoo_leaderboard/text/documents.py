"""Values as JSON, CSV and Parquet documents, and as script files."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from zoo_core.errors import UsageError
from zoo_core.ui.formats import spreadsheet_cell
from zoo_leaderboard.text.formats import known


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


def as_parquet(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> bytes:
    """A Parquet document; objects are JSON texts, because their keys differ. Whole scores stay doubles, so that the
    documents of all tasks have one schema.

    Raises:
        UsageError: pyarrow is not installed.
    """
    require_pyarrow()
    import pandas as pd

    rows, buffer = list(rows), io.BytesIO()
    cells = {name: [_plain_cell(row[name]) for row in rows] for name in columns}
    types: dict[str, Any] = {name: _parquet_type(values) for name, values in cells.items()}
    frame = pd.DataFrame(cells, columns=list(columns), dtype=object).astype(types)
    frame.to_parquet(buffer, engine="pyarrow", index=False)
    return buffer.getvalue()


def _parquet_type(values: Sequence[Any]) -> str:
    """The type of a column, with missing values; a text if nothing is known of it."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return "boolean"
    if kinds == {int}:
        return "Int64" if all(value is None or abs(value) < 2**63 for value in values) else "Float64"
    return "Float64" if kinds and kinds <= {int, float} else "string"


def require_pyarrow() -> None:
    """Raise UsageError with the command that installs pyarrow, if it is missing."""
    if importlib.util.find_spec("pyarrow") is None:
        raise UsageError("Parquet files need pyarrow: pip install 'zoo-leaderboard[parquet]'")


def _plain_cell(value: Any) -> Any:
    """A cell of one type for each column; a text that is not Unicode gets replacement characters."""
    if isinstance(value, dict | list | tuple):
        value = json.dumps(value, ensure_ascii=False, default=python_number)
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    return python_number(value) if hasattr(value, "item") else value


def csv_cell(value: Any) -> Any:
    """A CSV cell: an object as JSON, and no text that a spreadsheet would run as a formula."""
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=python_number)
    return spreadsheet_cell(value)


def as_script(kind: str, slug: str, value: Any) -> str:
    """A script file that gives a page one JSON value. It is ASCII, whatever the names contain.

    A page opened from disk can load nothing else.
    """
    text = json.dumps(value, allow_nan=False, default=python_number, separators=(",", ":"))
    return f'(self.zooData = self.zooData || {{}})["{kind}/{slug}"] = {text};\n'


def six_digits(value: Any) -> Any:
    """A number with six digits; None if unknown or not finite."""
    if not known(value) or not math.isfinite(value):
        return None
    return int(value) if float(value).is_integer() and abs(value) < 1e15 else float(f"{value:.6g}")


def python_number(value: Any) -> Any:
    """A numpy number as a Python number. Raises AttributeError for anything else."""
    return value.item()

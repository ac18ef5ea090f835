"""Text of single values and tables: numbers, scores, seconds, cells. Every command and the notebook use these."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

UNKNOWN = "-"
SMALL_SCORE = 0.001  # below this, a score has an exponent
# A spreadsheet reads a text that begins so as a formula, the last four in some languages.
FORMULA_STARTS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def format_number(value: float | None, digits: int = 4) -> str:
    """Format a measured number with this many significant digits."""
    return UNKNOWN if value is None else f"{value:.{digits}g}"


def format_score(value: float | None) -> str:
    """Format a score with four decimals, or with an exponent if it is small."""
    if value is None:
        return UNKNOWN
    return f"{value:.4f}" if value == 0 or abs(value) >= SMALL_SCORE else f"{value:.2e}"


def format_seconds(value: float | None) -> str:
    """Format seconds as `2.5 s`, `3 min 20 s` or `1 h 05 min`."""
    if value is None:
        return UNKNOWN
    if value < 100:
        return f"{value:.3g} s"
    minutes, seconds = divmod(round(value), 60)
    return f"{minutes} min {seconds:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def format_count(count: int, noun: str) -> str:
    """Format a count with its noun: `1 trial`, `2 trials`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def format_value(value: Any) -> str:
    """Format a JSON value: list items with commas, mappings as `key: value; ...` without their empty values."""
    if isinstance(value, Mapping):
        parts = (f"{key}: {format_value(item)}" for key, item in value.items() if not is_empty(item))
        return "; ".join(parts) or UNKNOWN
    if isinstance(value, list | tuple):
        return ", ".join(map(format_value, value)) or UNKNOWN
    return UNKNOWN if is_empty(value) else str(value)


def format_cell(value: Any) -> str:
    """Format a cell of a table of measurements: floats with five digits, other values as `format_value` does."""
    return format_number(value, 5) if isinstance(value, float) else format_value(value)


def spreadsheet_cell(value: Any) -> Any:
    """Return a CSV cell: a text that a spreadsheet would run as a formula gets a leading apostrophe.

    >>> spreadsheet_cell("=1+1"), spreadsheet_cell(-0.5)
    ("'=1+1", -0.5)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value


def is_empty(value: Any) -> bool:
    """Return whether a JSON value is null, empty text, an empty list or an empty object."""
    return value in (None, "", [], {})


def bare_name(name: str) -> str:
    """Return a qualified name without its plugin."""
    return name.partition(":")[2] or name


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Return the text of each qualified name: without its plugin, unless another of the names would look the same."""
    names = set(names)
    counts = Counter(map(bare_name, names))
    return {name: bare_name(name) if counts[bare_name(name)] == 1 else name for name in names}


def align_rows(rows: Sequence[Sequence[str]]) -> list[str]:
    """Join the cells of each row so that the columns align."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def html_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Build an HTML table. Escapes every cell, because names come from plugins and files."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

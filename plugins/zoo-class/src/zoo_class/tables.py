"""Tables that people keep, as CSV files: reads any usual encoding and delimiter, and writes what spreadsheets open."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo_core.errors import UsageError
from zoo_core.files import read_regular
from zoo_core.ui.formats import spreadsheet_cell

MAX_BYTES = 16 << 20
BYTE_ORDER_MARKS = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def decode_text(content: bytes, encoding: str) -> str:
    """Decode a text in UTF-8, in what its byte order mark says, or else in `encoding`. Raises UnicodeDecodeError."""
    for mark, named in BYTE_ORDER_MARKS.items():
        if content.startswith(mark):
            return content.decode(named)
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return content.decode(encoding)


def fold(name: str) -> str:
    """Return a name in the form in which two spellings of it are equal: composed, in lower case, one space each.

    >>> fold("  Anna  MARIA ")
    'anna maria'
    """
    return " ".join(unicodedata.normalize("NFC", name).casefold().split())


def read_table(path: Path, *, encoding: str, needs: Iterable[str]) -> list[dict[str, str]]:
    """Read a CSV file with a header; column names are folded, and cells without spaces around them.

    needs: the columns that must be there. Raises UsageError.
    """
    try:
        text = decode_text(read_regular(path, MAX_BYTES), encoding)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}): give a CSV file") from None
    except UnicodeError:
        raise UsageError(f"{path} is neither UTF-8 nor {encoding}: save it as UTF-8") from None
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    try:
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(line)]
    except csv.Error as error:
        raise UsageError(f"{path} is no CSV file: {error}") from None
    header = [fold(cell) for cell in lines[0]] if lines else []
    if missing := [name for name in needs if name not in header]:
        raise UsageError(f"{path} has no column {missing[0]}: its first line is {first[:80]!r}")
    return [
        {name: cell.strip() for name, cell in zip(header, [*line, *[""] * len(header)], strict=False)}
        for line in lines[1:]
    ]


def as_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Return a CSV document that spreadsheets open as UTF-8, without a text that they would run as a formula."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows({name: spreadsheet_cell(value) for name, value in row.items()} for row in rows)
    return buffer.getvalue().encode("utf-8-sig", "replace")

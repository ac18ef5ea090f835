"""Limits of what a record may hold. Records come from anyone, so a value beyond them is refused or put right.

A number that no table can hold, or a name of megabytes, makes the record unreadable, by name and with the reason. What
only one part of a page needs, such as an odd table, is left out of the record, and the rest of it stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeAlias

import msgspec

from zoo_core.quote import brief

MAX_RECORD_BYTES = 16 * 2**20
MAX_NAME_CHARS = 2**15
MAX_PARTS = 10_000  # metrics, pictures, phases and the like of one record; a page lists them
MAX_VALUES = 20_000  # in a recipe, an environment or the references of a task, with all that they nest
MAX_CELLS = 2**22  # of a table
MAX_DEPTH = 32
YEARS = range(1970, 2200)  # of a start time; beyond them, a record would always be the oldest or the newest
FAST_CLOCK = timedelta(days=1)  # how far another machine's clock may be ahead of ours

Count: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]  # the range of an integer column in a table
Integer: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Name: TypeAlias = Annotated[str, msgspec.Meta(max_length=MAX_NAME_CHARS)]
Few = msgspec.Meta(max_length=MAX_PARTS)

_LEAST_INTEGER, _MOST_INTEGER = -(2**63), 2**64 - 1  # of JSON in msgspec and of MessagePack
_LEAVES = frozenset({str, int, float, bool, type(None)})


def utc_time(text: str) -> str:
    """Return an ISO time in UTC with microseconds, as the runner writes it; a time without a zone counts as UTC.

    Raises ValueError for any other text and for a year out of `YEARS`.
    """
    try:
        time = datetime.fromisoformat(text)
        time = time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{brief(text, 40)!r} is not an ISO time") from error
    if time.year not in YEARS:
        raise ValueError(f"the time {brief(text, 40)!r} is not between {YEARS[0]} and {YEARS[-1]}")
    is_so_already = (
        len(text) == 32 and text[10] + text[19] == "T." and text.endswith("+00:00")
    )  # as all that the runner writes
    return text if is_so_already else time.isoformat(timespec="microseconds")


def latest_time() -> str:
    """Return now plus `FAST_CLOCK`, as `utc_time` writes it: a start after that lies in the future."""
    return (datetime.now(UTC) + FAST_CLOCK).isoformat(timespec="microseconds")


def plain_values(value: Any, what: str, max_values: int = MAX_VALUES) -> Any:
    """Return JSON values as they are, but integers of more than 64 bits as floats, which every reader of JSON has.

    Raises ValueError, with `what` it is, if they nest deeper than `MAX_DEPTH` or are more than `max_values`.
    """
    counted = _count(value, 0)
    if counted > max_values:
        raise ValueError(f"{what} holds more than {max_values:,} values, or nests them deeper than {MAX_DEPTH}")
    try:
        msgspec.msgpack.encode(value)
    except OverflowError:
        return _with_floats(value)
    return value


def _count(value: Any, depth: int) -> float:
    """Return the number of values; infinity if they nest too deep."""
    items: Iterable[Any]
    if isinstance(value, Mapping):
        items, size = value.values(), len(value)
    elif isinstance(value, list):
        items, size = value, len(value)
    else:
        return 1
    if depth >= MAX_DEPTH:
        return float("inf")
    if set(map(type, items)) <= _LEAVES:  # as nearly all are; it takes a tenth of the time
        return size
    return sum(_count(item, depth + 1) for item in items)


def _with_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_floats(item) for item in value]
    return portable_number(value) if isinstance(value, int) else value


def portable_number(value: int) -> int | float | None:
    """Return an integer as it is if it has 64 bits at most, else as a float; None if it is too large for one."""
    if _LEAST_INTEGER <= value <= _MOST_INTEGER:
        return value
    try:
        return float(value)
    except OverflowError:
        return None


def why_no_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Say why a table cannot be shown; "" if it can."""
    ragged = next((row for row in rows if len(row) != len(columns)), None)
    return "" if ragged is None else f"a row of {len(ragged)} values in a table of {len(columns)} columns"

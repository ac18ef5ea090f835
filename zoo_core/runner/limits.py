"""Limits the size of what a trial can put into its record; what was cut is noted in its place or in `left_out`.

Reasons, tracebacks, names and options come from plugins, and may have any length.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from zoo_core.results.records import CurvePoint, LeftOut, Measured, PhaseFacts, Record

MAX_TEXT_CHARS = 4_000  # of a reason, a title, an option
MAX_LONG_TEXT_CHARS = 40_000  # of a traceback or a command
MAX_NAME_CHARS = 100  # of a table, a picture, a phase
MAX_POINTS = 2_000  # of a curve
MAX_PHASES = 100
MAX_REASONS = 100  # why files of the data set were left out
MAX_ITEMS = 10_000  # of one mapping or list
MAX_ALL = 2_000_000  # characters and items of a whole record, without its tables and its curve
MAX_DEPTH = 50
OTHER_PHASES = "other phases"

T = TypeVar("T")


def cut(text: str, max_chars: int = MAX_TEXT_CHARS) -> str:
    """Cut a text to its first `max_chars` characters, and say how many follow.

    >>> cut("x" * 12, 2)
    'xx ... 10 more characters'
    """
    return text if len(text) <= max_chars else f"{text[:max_chars]} ... {len(text) - max_chars:,} more characters"


def cut_middle(text: str, max_chars: int = MAX_LONG_TEXT_CHARS) -> str:
    """Cut the middle of a text, such as a traceback, whose end tells most; say how many characters were there."""
    if len(text) <= max_chars:
        return text
    half = max_chars // 2
    return f"{text[:half]}\n... {len(text) - 2 * half:,} more characters ...\n{text[-half:]}"


def name_problem(name: object) -> str:
    """Return why a plugin's name for a table or a picture cannot be in a record; "" if it can."""
    if not isinstance(name, str) or not name.strip():
        return f"its name is {cut(ascii(name), MAX_NAME_CHARS)}, not a text"
    if len(name) > MAX_NAME_CHARS:
        return f"its name has {len(name):,} characters, over the limit of {MAX_NAME_CHARS}"
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in name):
        return "its name has characters that do not print"
    return ""


def shown(name: object) -> str:
    """Return a name for a note on what was left out, whatever the name is."""
    return name if isinstance(name, str) and not name_problem(name) else cut(ascii(name), MAX_NAME_CHARS // 2)


def limit_measured(measured: Measured) -> Measured:
    """Limit everything that a plugin named or said, except tables: their size is limited when they are made."""
    tables, bare = measured.tables, replace(measured, tables={})
    return replace(_Limiter().limited(bare), tables=tables)


def limit_record(record: Record) -> Record:
    """Limit a record to some megabytes. Of a long curve evenly spaced points are kept."""
    notes = dict(record.measured.left_out)
    every = math.ceil(len(record.curve) / MAX_POINTS)
    curve = [*record.curve[:-1:every], record.curve[-1]] if every > 1 else record.curve
    if every > 1:
        notes["curve"] = f"{len(curve):,} of {len(record.curve):,} points are kept"
    tables, traceback = record.measured.tables, cut_middle(record.traceback)
    empty: list[CurvePoint] = []
    bare = replace(
        record,
        curve=empty,
        traceback="",
        command="",
        dataset=replace(record.dataset, left_out=_limit_left_out(record.dataset.left_out)),
        phases=_limit_phases(record.phases),
        measured=replace(record.measured, tables={}, left_out=notes),
    )
    limited = _Limiter().limited(bare)
    return replace(
        limited,
        curve=curve,
        traceback=traceback,
        command=cut(record.command, MAX_LONG_TEXT_CHARS),
        measured=replace(limited.measured, tables=tables),
    )


def _limit_phases(phases: list[PhaseFacts]) -> list[PhaseFacts]:
    """Join the phases over the limit to one, so that the seconds still add up."""
    kept = [replace(phase, name=cut(phase.name, MAX_NAME_CHARS)) for phase in phases[:MAX_PHASES]]
    if others := phases[MAX_PHASES:]:
        kept.append(PhaseFacts(name=OTHER_PHASES, seconds=sum(phase.seconds for phase in others)))
    return kept


def _limit_left_out(left_out: list[LeftOut]) -> list[LeftOut]:
    """Join the reasons over the limit to one, so that the numbers of files still add up."""
    others = left_out[MAX_REASONS:]
    if not others:
        return left_out
    reason = f"{len(others):,} more reasons"
    joined = LeftOut(reason=reason, count=sum(item.count for item in others), example=others[0].example)
    return [*left_out[:MAX_REASONS], joined]


class _Limiter:
    """Copies a value with shorter texts, mappings and lists. `_left`: characters and items that may follow."""

    def __init__(self) -> None:
        self._left = MAX_ALL

    def limited(self, value: T, depth: int = 0) -> T:
        copy: Any = value
        if isinstance(value, str):
            copy = cut(value)
            self._left -= len(copy)
        elif isinstance(value, msgspec.Struct):
            fields = {name: self.limited(getattr(value, name), depth + 1) for name in value.__struct_fields__}
            copy = replace(value, **fields)
        elif isinstance(value, dict | list | tuple) and depth > MAX_DEPTH:
            copy = "... more levels"
        elif isinstance(value, dict):
            copy = self._mapping(value, depth)
        elif isinstance(value, list | tuple):
            copy = self._list(value, depth)
        return copy  # type: ignore[no-any-return]

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> dict[Any, Any]:
        copy: dict[Any, Any] = {}
        for number, (key, item) in enumerate(value.items()):
            if self._is_full(number):
                copy[_more(len(value) - number)] = "" if isinstance(item, str) else None  # of the items' type
                break
            copy[self.limited(key, depth + 1)] = self.limited(item, depth + 1)
        return copy

    def _list(self, value: Sequence[Any], depth: int) -> list[Any]:
        copy: list[Any] = []
        for number, item in enumerate(value):
            if self._is_full(number):
                more = _more(len(value) - number)
                copy.append({more: None} if isinstance(item, dict) else more)
                break
            copy.append(self.limited(item, depth + 1))
        return copy

    def _is_full(self, number: int) -> bool:
        self._left -= 1
        return number >= MAX_ITEMS or self._left <= 0


def _more(count: int) -> str:
    return f"... {count:,} more"

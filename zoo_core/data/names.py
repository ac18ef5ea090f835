"""Compares and sorts file names: numbers by value, accented letters in either of their two forms."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path

from zoo_core.errors import DamagedDataError

NUMBER = re.compile(r"([0-9]+)")


def natural_key(name: str) -> tuple[str | int, ...]:
    """Return a key that sorts numbers in names by value: `frame2` before `frame10`.

    Text and numbers alternate. Names with different texts, such as `a_2` and `b_1`, are sorted by text first.

    >>> sorted(["frame10.json", "frame2.json", "frame1.json"], key=natural_key)
    ['frame1.json', 'frame2.json', 'frame10.json']
    """
    parts = NUMBER.split(composed(name).lower())  # every second one is a number
    return tuple(int(part) if place % 2 else part for place, part in enumerate(parts))


def sort_frames(paths: Iterable[Path]) -> list[Path]:
    """Sort the frames of a sequence by the numbers in their names, padded with zeros or not.

    Raises DamagedDataError if two names differ only in padding or case, such as `1.json` and `01.json`: their order
    would be unknown.
    """
    found: dict[tuple[str | int, ...], Path] = {}
    for path in sorted(paths):
        first = found.setdefault(natural_key(path.name), path)
        if first != path:
            raise DamagedDataError(f"{first} and {path.name} have the same frame number: remove one")
    return [found[key] for key in sorted(found)]


def composed(name: str) -> str:
    """Return a name in the composed form of Unicode (NFC); macOS writes names in the decomposed form (NFD).

    >>> composed("cafe\\u0301") == "caf\\u00e9"
    True
    """
    return unicodedata.normalize("NFC", name)


def require_utf8(path: Path) -> None:
    """Raise DamagedDataError for a path that is not valid UTF-8, such as a name from an old Windows archive."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(path).decode("utf-8", "backslashreplace")
        raise DamagedDataError(
            f"the name of {shown} is not UTF-8: rename it, for instance with `convmv -f cp1251 -t utf8 --notest`"
        ) from error

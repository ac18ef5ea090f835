"""File names and anchors from names that are not trusted."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from zoo_core.files import portable

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")


def is_plain(name: str) -> bool:
    """Whether a record's word for a file is a name within its own folder, and no path."""
    return _PLAIN.fullmatch(name) is not None


def short_hash(text: str, digits: int = 8) -> str:
    """Hexadecimal digits that tell texts apart."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:digits]


def files_digest(paths: Iterable[Path]) -> str:
    """32 hexadecimal digits that change with the content of any of the files."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()[:32]


def file_name(name: str) -> str:
    """A file name without its ending: readable, inside its folder, and different for every name.

    The hash is what tells `a:b` and `a/b` apart, also where the file system ignores case.
    """
    return f"{portable(name.replace(':', '--'), 60)}-{short_hash(name)}"

"""Safe file names and hashes from untrusted names."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from zoo_core.files import portable

_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")


def is_plain_name(name: str) -> bool:
    """Whether a file name from a record is a plain name and not a path."""
    return _PLAIN.fullmatch(name) is not None


def short_hash(text: str, digits: int = 8) -> str:
    """The first hexadecimal digits of the text's SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:digits]


def files_digest(paths: Iterable[Path]) -> str:
    """32 hexadecimal digits that change with the content of any of the files."""
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in paths)).hexdigest()[:32]


def file_name(name: str) -> str:
    """A file name without suffix: readable, safe, and different for every name.

    The hash distinguishes `a:b` from `a/b`, also on a file system that ignores case.
    """
    return f"{portable(name.replace(':', '--'), 60)}-{short_hash(name)}"

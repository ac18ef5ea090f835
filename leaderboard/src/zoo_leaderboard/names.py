"""File names and anchors from names that are not trusted."""

from __future__ import annotations

import hashlib

from zoo_core.data.cache import portable


def short_hash(text: str, digits: int = 8) -> str:
    """Hexadecimal digits that tell texts apart."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:digits]


def file_name(name: str) -> str:
    """A file name without its ending: readable, inside its folder, and different for every name.

    The hash is what tells `a:b` and `a/b` apart, also where the file system ignores case.
    """
    return f"{portable(name.replace(':', '--'), 60)}-{short_hash(name)}"

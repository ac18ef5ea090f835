"""Hashes the code of an entry, so that a change in any of its files invalidates cached results.

The files are the entry's own, the files of the same package that it imports, the files that those import, and so on.
Imports are found in the source text, without importing anything. Imports of computed names are not found.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from zoo_core.entries import source_file
from zoo_core.entries.unpackaged import PICKLE

IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([.\w]+)[ \t]+import[ \t]*(\([^)]*\)|[^\n#;]+)|import[ \t]+([^\n#;]+))", re.M)
COMMENT = re.compile(r"#[^\n]*")


def code_sha256(entry: str) -> str:
    """Hash the files of an entry's code, ignoring differences in line ends; "" if there is no file."""
    path = source_file(entry) if entry else None
    if path is not None and path.suffix == PICKLE:
        return path.stem  # the hash of its source, see zoo_core/entries/notebook.py
    if path is None or not path.is_file():
        return ""
    texts = [file.read_bytes().replace(b"\r\n", b"\n") for file in code_files(entry, path)]
    if len(texts) == 1:
        return hashlib.sha256(texts[0]).hexdigest()
    return hashlib.sha256("".join(hashlib.sha256(text).hexdigest() for text in texts).encode()).hexdigest()


def code_files(entry: str, path: Path) -> list[Path]:
    """List the entry's own file, then the other files sorted by module name."""
    module = path.stem if Path(entry).is_absolute() else entry.partition(":")[0]
    folder = path.parents[module.count(".") + (path.name == "__init__.py")]
    # The neighbours of a single file may have any name.
    top = "" if Path(entry).is_absolute() else module.partition(".")[0]
    found, left = {module: path}, [module]
    while left:
        for name in imported(found[left[-1]], left.pop()):
            inside = name not in found and top in ("", name.partition(".")[0])
            file = _module_file(folder, name) if inside else None
            if file is not None:
                found[name] = file
                left.append(name)
    return [found.pop(module), *(found[name] for name in sorted(found))]


def _module_file(folder: Path, module: str) -> Path | None:
    place = folder.joinpath(*module.split("."))
    return next((file for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()), None)


def imported(path: Path, module: str) -> Iterator[str]:
    """Yield the names of the modules that a file imports. Some names may be of objects inside a module."""
    text = path.read_text(encoding="utf-8", errors="replace").replace("\\\n", " ")
    package = module.split(".") if path.name == "__init__.py" else module.split(".")[:-1]
    for source, names, modules in IMPORT.findall(text):
        yield from _names(modules)
        if source:
            dots = len(source) - len(source.lstrip("."))
            base = [*package[: len(package) - dots + 1], *filter(None, [source[dots:]])] if dots else [source]
            yield from filter(None, [".".join(base)])
            yield from (".".join([*base, name]) for name in _names(names))


def _names(text: str) -> list[str]:
    """Return the imported names: `(a as b, c)` gives a and c."""
    words = (part.split() for part in COMMENT.sub("", text).strip("() \t").split(","))
    return [word[0] for word in words if word and re.fullmatch(r"[\w.]+", word[0])]

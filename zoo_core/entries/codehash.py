"""Hashes the code of an entry, so that a change in any of its files invalidates cached results.

The files are the entry's own, the files of the same package that it imports, the `__init__.py` of the packages around
them, the files that those import, and so on. Imports are found by parsing the source, without importing anything.
Imports of computed names are not found here: `zoo_core.entries.loaded` reports these when they happen.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from pathlib import Path

from zoo_core.entries import source_file
from zoo_core.entries.loaded import content_sha256
from zoo_core.entries.unpackaged import PICKLE

SUFFIXES = (*EXTENSION_SUFFIXES, *SOURCE_SUFFIXES, *BYTECODE_SUFFIXES)  # in the order in which Python looks for them
SETTLED_AFTER_NS = 2_000_000_000  # a file that changed later than this may change again without a new time stamp
IMPORTERS = ("import_module", "__import__")
MAX_KEPT_FILES = 8192


@dataclass(frozen=True, slots=True)
class Code:
    """The code of an entry.

    sha256: of all its files; "" without a file. files: path -> SHA-256 of each, with line ends as on Linux.
    """

    sha256: str = ""
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Import:
    """An import as written: `from ..a import b, c` has 2 dots, the module `a` and the names b and c."""

    dots: int
    module: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Source:
    """A file's hash and its imports. exported: the names in `__all__`, which may be modules of a package."""

    sha256: str
    imports: tuple[_Import, ...] = ()
    exported: tuple[str, ...] = ()


def code_sha256(entry: str) -> str:
    """Hash the files of an entry's code, ignoring differences in line ends; "" if there is no file."""
    return code_of(entry).sha256


def code_of(entry: str) -> Code:
    """Read the code of an entry. A file that does not parse counts with its content; Python cannot import it either."""
    path = source_file(entry) if entry else None
    if path is not None and path.suffix == PICKLE:
        return Code(path.stem)  # the hash of its source, see zoo_core/entries/notebook.py
    if path is None or not path.is_file():
        return Code()
    files = {str(file.absolute()): _source(file).sha256 for file in code_files(entry, path)}
    hashes = [*files.values()]
    whole = hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
    return Code(whole, files)


def code_files(entry: str, path: Path) -> list[Path]:
    """List the entry's own file, then the other files sorted by module name."""
    module = path.stem if Path(entry).is_absolute() else entry.partition(":")[0]
    # The neighbours of a single file may have any name, except those of Python's own modules, which come first.
    top = "" if Path(entry).is_absolute() else module.partition(".")[0]
    folders = [path.parents[module.count(".") + (path.name == "__init__.py")], *(_portions(top) if top else ())]
    found, left = {module: path}, [*_with_parents([module])]
    while left:
        name = left.pop()
        if name not in found:
            inside = name.partition(".")[0] == top if top else name.partition(".")[0] not in sys.stdlib_module_names
            file = _module_file(folders, name) if inside else None
            if file is None:
                continue
            found[name] = file
        elif name != module:
            continue  # followed already
        left += [other for other in _with_parents(imported(found[name], name)) if other not in found]
    return [found.pop(module), *(found[name] for name in sorted(found))]


def _portions(top: str) -> list[Path]:
    """Return the folders that hold parts of a namespace package, a package without `__init__.py`."""
    spec = importlib.util.find_spec(top)
    if spec is None or spec.origin is not None:
        return []
    return [Path(place).parent for place in spec.submodule_search_locations or ()]


def _with_parents(names: Iterable[str]) -> Iterator[str]:
    """Yield each module and the packages around it, which Python imports first."""
    for name in names:
        parts = name.split(".")
        yield from (".".join(parts[:count]) for count in range(1, len(parts) + 1))


def _module_file(folders: list[Path], module: str) -> Path | None:
    """Return the file that Python loads for a module: a package comes before a file of the same name."""
    for folder in folders:
        place = folder.joinpath(*module.split("."))
        for stem in ([place / "__init__"] if place.is_dir() else []) + [place]:
            for suffix in SUFFIXES:
                file = stem.with_name(stem.name + suffix)
                if file.is_file():
                    return file
    return None


def imported(path: Path, module: str) -> Iterator[str]:
    """Yield the names of the modules that a file imports. Some names may be of objects inside a module."""
    source = _source(path)
    is_package = path.name.partition(".")[0] == "__init__"
    package = module.split(".") if is_package else module.split(".")[:-1]
    for item in source.imports:
        base = [*package[: len(package) - item.dots + 1]] if item.dots else []
        base += [item.module] if item.module else []
        yield from filter(None, [".".join(base)])
        yield from (".".join([*base, name]) for name in item.names)
    if is_package:  # `from package import *` imports the modules that `__all__` names
        yield from (f"{module}.{name}" for name in source.exported)


def _source(path: Path) -> _Source:
    """Read a file, or return what was read before if the file has not changed since."""
    stat = path.stat()
    stamp = (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino)
    if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) < SETTLED_AFTER_NS:
        return _read(path)
    return _kept(path, stamp)


@functools.lru_cache(maxsize=MAX_KEPT_FILES)
def _kept(path: Path, _stamp: tuple[int, ...]) -> _Source:
    return _read(path)


def _read(path: Path) -> _Source:
    content = path.read_bytes()
    sha256 = content_sha256(content)
    if path.suffix not in SOURCE_SUFFIXES:
        return _Source(sha256)
    try:
        with warnings.catch_warnings(action="ignore"):  # Python warns about doubtful syntax when the file runs
            tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return _Source(sha256)
    nodes = [*ast.walk(tree)]
    return _Source(sha256, tuple(item for node in nodes for item in _imports(node)), tuple(_exported(tree.body, path)))


def _imports(node: ast.AST) -> Iterator[_Import]:
    if isinstance(node, ast.Import):
        yield from (_Import(0, alias.name) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        names = tuple(alias.name for alias in node.names if alias.name != "*")
        yield _Import(node.level, node.module or "", names)
    elif isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        arguments = [*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg == "name")]
        if called in IMPORTERS and arguments and isinstance(arguments[0], ast.Constant):
            name = arguments[0].value
            if isinstance(name, str) and name.strip("."):
                bare = name.lstrip(".")
                yield _Import(len(name) - len(bare), bare)


def _exported(body: list[ast.stmt], path: Path) -> Iterator[str]:
    """Yield the literal names in the `__all__` of a package."""
    if path.stem != "__init__":
        return
    for node in body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            yield from (
                item.value
                for item in ast.walk(node)
                if isinstance(item, ast.Constant) and isinstance(item.value, str) and item.value.isidentifier()
            )

"""Reports which code a process loads: each file that it imports, with the hash of the content that runs.

The files on the disk may change between the plan of a trial and their import, or after it, and Python's bytecode cache
misses changes. So the loader here reads the source itself, hashes it and compiles exactly that.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from zoo_core.errors import ChangedFileError
from zoo_core.files import open_regular
from zoo_core.reasons import INSTALLED

_OWN = Path(__file__).parents[1]
_STDLIB = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}

MAX_CODE_BYTES = 2**28  # compiled libraries have tens of megabytes

OnLoad = Callable[[str, str], None]


def content_sha256(content: bytes) -> str:
    """Hash the content of a source file, with line ends as on Linux."""
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()


def file_sha256(path: Path) -> str:
    """Hash a source file, with line ends as on Linux, or the ZIP archive that holds it; "" if it cannot be read.

    The path may be out of a record of anyone, so only regular files are read, and none that is too large for code.
    """
    try:
        file = next((place for place in (path, *path.parents) if place.is_file()), None)
        if file is None:
            return ""
        with open_regular(file) as opened:
            content = opened.read(MAX_CODE_BYTES + 1)
        return content_sha256(content) if len(content) <= MAX_CODE_BYTES else ""
    except OSError:
        return ""


def stdlib_first(paths: Sequence[str]) -> list[str]:
    """Sort search paths so that Python's own modules come first: no file such as `random.py` can replace them."""
    own = {str(Path(folder, inside)) for folder in _STDLIB for inside in ("", "lib-dynload")}
    return sorted(paths, key=lambda path: os.path.normpath(path) not in own)  # four times for a trial: no `Path` each


def add_neighbours(folder: Path) -> None:
    """Let imports find the files of a folder: before installed packages, but after Python's own modules."""
    if str(folder) in sys.path:
        sys.path.remove(str(folder))
    sys.path[:] = stdlib_first([str(folder), *sys.path])


class ImportWatch(MetaPathFinder):
    """Finds modules like Python does, and calls `on_load(path, sha256)` for each watched file that is loaded.

    planned: path -> SHA-256 of the files that the process should load; another content raises ChangedFileError.
    watch_others: whether to watch also other files, except those of Python, of installed packages and of zoo-core.
    """

    def __init__(self, planned: Mapping[str, str], on_load: OnLoad) -> None:
        self._planned, self._on_load = dict(planned), on_load
        self.watch_others = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Ask the other finders, and give a watched file a loader that reports it."""
        for finder in sys.meta_path:
            if finder is self or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                break
        else:
            return None
        origin = spec.origin if spec.has_location else None
        if origin and self._is_watched(origin):
            if type(spec.loader) is SourceFileLoader:
                spec.loader = ReportingLoader(fullname, origin)
            else:  # compiled code
                self.report(origin, file_sha256(Path(origin)))
        return spec

    def report(self, path: str, sha256: str) -> None:
        """Report a file that is about to run. Raises ChangedFileError if the plan states another hash."""
        path = str(Path(path).absolute())
        self._on_load(path, sha256)
        if self._planned.get(path, sha256) != sha256:
            raise changed_file_error(path)

    def _is_watched(self, origin: str) -> bool:
        path = Path(origin).absolute()
        return str(path) in self._planned or (self.watch_others and is_users_own(path))


class ReportingLoader(SourceFileLoader):
    """Compiles the current source, not the bytecode cache, and reports it to the process's ImportWatch, if any."""

    def get_code(self, fullname: str) -> CodeType:
        """Read, report and compile the source."""
        content = self.get_data(self.path)
        watch = current_watch()
        if watch is not None:
            watch.report(self.path, content_sha256(content))
        code: Any = self.source_to_code(content, self.path)
        return code  # type: ignore[no-any-return]


@contextlib.contextmanager
def watching_imports(planned: Mapping[str, str], on_load: OnLoad) -> Iterator[ImportWatch]:
    """Watch the imports of this process during the block."""
    watch = ImportWatch(planned, on_load)
    sys.meta_path.insert(0, watch)
    try:
        yield watch
    finally:
        sys.meta_path.remove(watch)


def current_watch() -> ImportWatch | None:
    """Return the watch of this process, or None."""
    return next((finder for finder in sys.meta_path if isinstance(finder, ImportWatch)), None)


def is_users_own(path: Path) -> bool:
    """Return whether a file is neither Python's, nor of an installed package, nor of zoo-core."""
    if any(part in INSTALLED for part in path.parts):
        return False
    return not any(path.is_relative_to(folder) for folder in (_OWN, *_STDLIB))


def changed_file_error(path: str) -> ChangedFileError:
    """Make the error for a file whose content is no longer the planned one."""
    return ChangedFileError(
        f"{path} changed after the run was planned, so this trial would be recorded under other content than it used: "
        "run the command again"
    )

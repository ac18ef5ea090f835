"""A data set's files: where they are, whether they are the published ones, and their fingerprint.

Fingerprints: published downloads by version and checksums (no data needed); a person's files by the sha256 over the
sorted (relative path, sha256) pairs, the same for a folder and an archive of it; generated data by version alone.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from zoo_core.data import archives
from zoo_core.data.downloads import digest_of, fetch
from zoo_core.errors import DataError, DataUnavailableError
from zoo_core.files import cache_dir, portable, write_atomically
from zoo_core.specs import DatasetSpec


def own_root(spec: DatasetSpec, data_root: Path | None, *, several: bool = False) -> Path | None:
    """A data set's own root: `data_root/<name>` where that is there, else `data_root`; None where no files are needed.

    With `several` data sets at once `data_root` is a parent of their folders, never one of them.
    Raises DataUnavailableError if the path does not exist.
    """
    if data_root is None or spec.offline:
        return None
    root = data_root.expanduser().absolute()
    if not root.exists():
        raise DataUnavailableError(f"data root {root} is not there; {_what_to_do(spec)}")
    own = root / spec.name
    if own.is_dir():
        return own
    return None if several else root


def fingerprint(spec: DatasetSpec, root: Path | None) -> str:
    """The identity of the data below `root`, 32 hexadecimal digits. Raises DataUnavailableError, DataError."""
    if root is not None:
        sums = _sums(root)
        if not sums:
            raise DataUnavailableError(f"data root {root} is empty; {_what_to_do(spec)}")
        if not _holds_published(spec, sums.values()):
            return _digest(f"{name}\0{digest}" for name, digest in sorted(sums.items()))
    if spec.downloads:
        return _digest([f"version {spec.version}", *sorted(item.sha256 or item.md5 for item in spec.downloads)])
    if spec.offline:
        return _digest([spec.origin, spec.qualified, f"version {spec.version}"])
    raise DataUnavailableError(f"dataset {spec.qualified} has to be brought along; {_what_to_do(spec)}")


def _holds_published(spec: DatasetSpec, sums: Iterable[str]) -> bool:
    return bool(spec.downloads) and {item.sha256 for item in spec.downloads} <= set(sums)  # md5 alone: not known


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _sums(root: Path) -> dict[str, str]:
    """Relative path -> sha256 of every file below a folder or in an archive, a single outer folder left away."""
    try:
        if archives.is_archive(root):
            with archives.reading(root):
                sums = _archive_sums(root)
        elif root.is_file():
            raise DataUnavailableError(f"data root {root} is neither a folder nor a zip or tar archive")
        else:
            sums = _folder_sums(root)
    except PermissionError as error:
        raise DataError(f"{error.filename} may not be read: change its permissions") from error
    sums = {name: digest for name, digest in sums.items() if not _is_litter(name)}
    while sums and len(tops := {name.partition("/")[0] for name in sums}) == 1 and all("/" in name for name in sums):
        outer = len(tops.pop()) + 1
        sums = {name[outer:]: digest for name, digest in sums.items()}
    return sums


def _is_litter(name: str) -> bool:
    """Whether a file is one that systems leave behind (`.DS_Store`, `__MACOSX/`): no part of the data."""
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def _memory(file: Path) -> dict[str, Any]:
    """What was remembered, nothing where the file cannot be read."""
    try:
        memory = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return memory if isinstance(memory, dict) else {}


def _archive_sums(root: Path) -> dict[str, str]:
    """Of every member, remembered by the archive's (path, size, time of change)."""
    memory_file = cache_dir() / "archives.json"
    memory, state = _memory(memory_file), root.stat()
    known = memory.get(str(root))
    if not isinstance(known, list) or known[:2] != [state.st_size, state.st_mtime_ns]:
        sums = {PurePosixPath(name).as_posix(): digest_of(content) for name, content in archives.members(root)}
        known = memory[str(root)] = [state.st_size, state.st_mtime_ns, sums]
        write_atomically(memory_file, json.dumps(memory).encode())
    return dict(known[2])


def _files_below(root: Path) -> Iterator[Path]:
    """As `root.rglob`, which passes over folders that may not be read."""

    def refuse(error: OSError) -> None:
        raise error

    for folder, _, names in os.walk(root, onerror=refuse, followlinks=False):
        yield from (path for name in names if (path := Path(folder, name)).is_file())


def _folder_sums(root: Path) -> dict[str, str]:
    """As `_sums`, remembering digests by (path, size, time of change) so that a second call reads no content."""
    memory_file = cache_dir() / "checksums.json"
    memory = _memory(memory_file)
    sums, fresh = {}, False
    for path in _files_below(root):
        state = path.stat()
        known = memory.get(str(path))
        if not isinstance(known, list) or known[:2] != [state.st_size, state.st_mtime_ns]:
            with path.open("rb") as content:
                known = memory[str(path)] = [state.st_size, state.st_mtime_ns, digest_of(content)]
            fresh = True
        sums[path.relative_to(root).as_posix()] = str(known[2])
    if fresh:
        write_atomically(memory_file, json.dumps(memory).encode())
    return sums


def _what_to_do(spec: DatasetSpec) -> str:
    layout = f" holding {spec.layout}" if spec.layout else ""
    home = f" (from {spec.homepage})" if spec.homepage else ""
    return f"give --data-root with a folder{layout}{home}"


class DatasetFiles:
    """Finds the files of a data set: below a person's folder or archive `root`, else downloaded and checked."""

    def __init__(self, spec: DatasetSpec, root: Path | None, *, offline: bool) -> None:
        self._spec, self._root, self._offline = spec, root, offline

    def folder(self, archive: str = "") -> Path:
        """See `Context.folder`."""
        spec, root = self._spec, self._root
        if root is None and archive:
            root = self.file(archive)
        if root is None:
            raise DataUnavailableError(f"dataset {spec.qualified} has to be brought along; {_what_to_do(spec)}")
        if not archives.is_archive(root):
            return root
        state = root.stat()
        name = hashlib.sha256(f"{root}\0{state.st_size}\0{state.st_mtime_ns}".encode()).hexdigest()[:16]
        folder = cache_dir() / "unpacked" / f"{portable(root.stem)}-{name}"
        if not folder.is_dir():
            archives.extract(root, folder)
        return folder

    def file(self, name: str) -> Path:
        """See `Context.file`. Below a root, `name` may also lie unpacked (without `.gz`), at any depth."""
        if self._root is None:
            return self._downloaded(name)
        folder = self.folder()
        for wanted in (name, name.removesuffix(".gz")):
            found = sorted(path for path in folder.rglob(wanted) if path.is_file())
            if found:
                return found[0]
        raise DataUnavailableError(f"{name} is not below {folder}; {_what_to_do(self._spec)}")

    def _downloaded(self, name: str) -> Path:
        spec = self._spec
        download = next((item for item in spec.downloads if item.name == name), None)
        if download is None:
            raise DataError(f"dataset {spec.qualified} declares no download {name!r}")
        owner = f"dataset {spec.qualified}"
        return fetch(download, download_folder(spec), offline=self._offline, owner=owner, remedy=_what_to_do(spec))


def download_folder(spec: DatasetSpec) -> Path:
    """Where the data set's downloads are kept."""
    return cache_dir() / "downloads" / portable(spec.qualified)


def state(spec: DatasetSpec, root: Path | None) -> str:
    """In words, whether the data can be used now."""
    if root is not None:
        return f"in {root}"
    if spec.offline:
        return "ready"
    if spec.downloads:
        here = all((download_folder(spec) / item.name).is_file() for item in spec.downloads)
        return "downloaded" if here else f"to be downloaded: zoo data fetch {spec.name}"
    return "needs --data-root"

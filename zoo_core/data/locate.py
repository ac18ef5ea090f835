"""Finds a data set's files and computes their fingerprint, which identifies the data by content.

Published downloads: a hash of version and checksums, which needs no data. The user's own files: a hash of the sorted
(relative path, sha256) pairs, the same for a folder and an archive of it. Generated data: a hash of name and version.
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
from zoo_core.data.names import require_utf8
from zoo_core.errors import DataError, DataUnavailableError
from zoo_core.files import cache_dir, portable, write_atomically
from zoo_core.specs import DatasetSpec

ARCHIVE_FORMAT = 2  # of what is cached about archives; raise it when `archives` reads names or members differently


def dataset_root(spec: DatasetSpec, data_root: Path | None, *, several: bool = False) -> Path | None:
    """Return the root of one data set: `data_root/<name>` if that exists, else `data_root`; None if it needs no files.

    several: for several data sets at once, `data_root` is the parent of their folders and never itself a root.
    Raises DataUnavailableError if `data_root` does not exist.
    """
    if data_root is None or spec.offline:
        return None
    root = data_root.expanduser().absolute()
    if not root.exists():
        raise DataUnavailableError(f"data root {root} is not there; {_how_to_provide(spec)}")
    folder = root / spec.name
    if folder.is_dir():
        return folder
    return None if several else root


def fingerprint(spec: DatasetSpec, root: Path | None) -> str:
    """Return the identity of the data below `root`, 32 hexadecimal digits. Raises DataUnavailableError, DataError."""
    if root is not None:
        sums = _sums(root)
        if not sums:
            raise DataUnavailableError(f"data root {root} is empty; {_how_to_provide(spec)}")
        if not _contains_published(spec, sums.values()):
            return _digest(f"{name}\0{digest}" for name, digest in sorted(sums.items()))
    if spec.downloads:
        return _digest([f"version {spec.version}", *sorted(item.sha256 or item.md5 for item in spec.downloads)])
    if spec.offline:
        return _digest([spec.origin, spec.qualified, f"version {spec.version}"])
    raise DataUnavailableError(f"dataset {spec.qualified} cannot be downloaded; {_how_to_provide(spec)}")


def _contains_published(spec: DatasetSpec, sums: Iterable[str]) -> bool:
    return bool(spec.downloads) and {item.sha256 for item in spec.downloads} <= set(sums)  # False with md5 alone


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _sums(root: Path) -> dict[str, str]:
    """Map relative path to sha256 for every file in a folder or archive, without a single outer folder."""
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
    for name in sums:
        require_utf8(root / name)
    while sums and len(tops := {name.partition("/")[0] for name in sums}) == 1 and all("/" in name for name in sums):
        outer = len(tops.pop()) + 1
        sums = {name[outer:]: digest for name, digest in sums.items()}
    return sums


def _is_litter(name: str) -> bool:
    """Return whether a file is one that operating systems leave behind, such as `.DS_Store` or `__MACOSX/`."""
    return any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))


def _read_cache(file: Path) -> dict[str, Any]:
    """Read cached digests; a file that cannot be read counts as empty."""
    try:
        cached = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}
    return cached if isinstance(cached, dict) else {}


def _archive_sums(root: Path) -> dict[str, str]:
    """Hash every member of an archive; cached by the archive's path, size and modification time."""
    cache_file = cache_dir() / "archives.json"
    cached, state = _read_cache(cache_file), root.stat()
    known, now = cached.get(str(root)), [ARCHIVE_FORMAT, state.st_size, state.st_mtime_ns]
    if not isinstance(known, list) or known[:3] != now:
        sums = {PurePosixPath(name).as_posix(): digest_of(content) for name, content in archives.members(root)}
        known = cached[str(root)] = [*now, sums]
        write_atomically(cache_file, json.dumps(cached).encode())
    return dict(known[3])


def _files_below(root: Path) -> Iterator[Path]:
    """Yield all files below a folder. Raises PermissionError for an unreadable folder, which `rglob` skips."""

    def raise_it(error: OSError) -> None:
        raise error

    for folder, _, names in os.walk(root, onerror=raise_it, followlinks=False):
        yield from (path for name in names if (path := Path(folder, name)).is_file())


def _folder_sums(root: Path) -> dict[str, str]:
    """Hash every file of a folder; cached by path, size and modification time, so a second call reads no content."""
    cache_file = cache_dir() / "checksums.json"
    cached = _read_cache(cache_file)
    sums, has_new = {}, False
    for path in _files_below(root):
        state = path.stat()
        known = cached.get(str(path))
        if not isinstance(known, list) or known[:2] != [state.st_size, state.st_mtime_ns]:
            with path.open("rb") as content:
                known = cached[str(path)] = [state.st_size, state.st_mtime_ns, digest_of(content)]
            has_new = True
        sums[path.relative_to(root).as_posix()] = str(known[2])
    if has_new:
        write_atomically(cache_file, json.dumps(cached).encode())
    return sums


def _how_to_provide(spec: DatasetSpec) -> str:
    layout = f" holding {spec.layout}" if spec.layout else ""
    home = f" (from {spec.homepage})" if spec.homepage else ""
    return f"give --data-root with a folder{layout}{home}"


class DatasetFiles:
    """Finds the files of a data set below the user's folder or archive `root`, or else downloads and verifies them."""

    def __init__(self, spec: DatasetSpec, root: Path | None, *, offline: bool) -> None:
        self._spec, self._root, self._offline = spec, root, offline

    def folder(self, archive: str = "") -> Path:
        """See `Context.folder`."""
        spec, root = self._spec, self._root
        if root is None and archive:
            root = self.file(archive)
        if root is None:
            raise DataUnavailableError(f"dataset {spec.qualified} cannot be downloaded; {_how_to_provide(spec)}")
        if not archives.is_archive(root):
            return root
        state = root.stat()
        text = f"{ARCHIVE_FORMAT}\0{root}\0{state.st_size}\0{state.st_mtime_ns}"
        name = hashlib.sha256(text.encode()).hexdigest()[:16]
        folder = cache_dir() / "unpacked" / f"{portable(root.stem)}-{name}"
        if not folder.is_dir():
            archives.extract(root, folder)
        return folder

    def file(self, name: str) -> Path:
        """See `Context.file`. Below a root, `name` is found at any depth, also unpacked (without `.gz`)."""
        if self._root is None:
            return self._fetch_declared(name)
        folder = self.folder()
        for wanted in (name, name.removesuffix(".gz")):
            paths = sorted(path for path in folder.rglob(wanted) if path.is_file())
            if paths:
                return paths[0]
        raise DataUnavailableError(f"{name} is not below {folder}; {_how_to_provide(self._spec)}")

    def _fetch_declared(self, name: str) -> Path:
        spec = self._spec
        download = next((item for item in spec.downloads if item.name == name), None)
        if download is None:
            raise DataError(f"dataset {spec.qualified} declares no download {name!r}")
        owner = f"dataset {spec.qualified}"
        return fetch(download, download_folder(spec), offline=self._offline, owner=owner, remedy=_how_to_provide(spec))


def download_folder(spec: DatasetSpec) -> Path:
    """Return the folder that keeps the data set's downloads."""
    return cache_dir() / "downloads" / portable(spec.qualified)


def state(spec: DatasetSpec, root: Path | None) -> str:
    """Describe in words whether the data can be used now."""
    if root is not None:
        return f"in {root}"
    if spec.offline:
        return "ready"
    if spec.downloads:
        here = all((download_folder(spec) / item.name).is_file() for item in spec.downloads)
        return "downloaded" if here else f"to be downloaded: zoo data fetch {spec.name}"
    return "needs --data-root"

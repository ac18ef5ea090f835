"""Finds a data set's files and computes their fingerprint, which identifies the data by content.

Published downloads: a hash of version and checksums, which needs no data. The user's own files: a hash of the sorted
(relative path, sha256) pairs, the same for a folder and an archive of it and for both forms of Unicode. Generated
data: a hash of name and version.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from zoo_core.cached import (
    MAX_LIST_BYTES,
    is_settled,
    is_whole,
    new_cached_folder,
    stamp_of,
    with_checksum,
    without_checksum,
)
from zoo_core.data import archives
from zoo_core.data.downloads import digest_of, fetch, is_published
from zoo_core.data.names import composed, require_utf8
from zoo_core.data.walk import Tree, refuse_second, walk
from zoo_core.errors import DataError, DataUnavailableError
from zoo_core.files import cache_dir, is_files_fault, open_regular, portable, read_regular, write_to_cache
from zoo_core.quote import shorten
from zoo_core.specs import DatasetSpec

SINGLE = (".txt", ".text")  # files that can be a data root: they are all of their data
UNPACKED = "files"  # the folder with the content of an archive
ARCHIVE_FORMAT = 4  # of what is cached about archives; raise it when `archives` reads names or members differently


def dataset_root(spec: DatasetSpec, data_root: Path | None, *, several: bool = False) -> Path | None:
    """Return the root of one data set: `data_root/<name>` if that exists, else `data_root`; None if it needs no files.

    several: for several data sets at once, `data_root` is the parent of their folders and never itself a root.
    Raises DataUnavailableError if `data_root` does not exist.
    """
    if data_root is None or spec.offline:
        return None
    root = data_root.expanduser().absolute()
    try:
        is_there = root.exists()
    except OSError as error:
        if not is_files_fault(error):
            raise
        is_there = False  # no system takes such a name
    if not is_there:
        raise DataUnavailableError(f"data root {shorten(str(root))} is not there; {_how_to_provide(spec)}")
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
            return _digest(sorted(f"{composed(name)}\0{digest}" for name, digest in sums.items()))
    if spec.downloads:
        return _digest([f"version {spec.version}", *sorted(item.sha256 or item.md5 for item in spec.downloads)])
    if spec.offline:
        return _digest([spec.origin, spec.qualified, f"version {spec.version}"])
    raise DataUnavailableError(f"dataset {spec.qualified} cannot be downloaded; {_how_to_provide(spec)}")


def _contains_published(spec: DatasetSpec, sums: Iterable[str]) -> bool:
    return bool(spec.downloads) and {item.sha256 for item in spec.downloads} <= set(sums)  # False with md5 alone


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def list_root(root: Path) -> Tree:
    """List the files of a folder or archive, and what is left out of it; a text file is the only file of its data.

    Raises DataUnavailableError, DataError.
    """
    if archives.is_archive(root):
        return _read_archive(root)[1]
    if not root.is_file():
        return walk(root)
    if root.suffix.lower() not in SINGLE:
        raise _no_root(root)
    return Tree([root.name], {})


def _no_root(root: Path) -> DataUnavailableError:
    return DataUnavailableError(f"data root {root} is neither a folder nor a zip or tar archive")


def _sums(root: Path) -> dict[str, str]:
    """Map relative path to sha256 for every file in a folder or archive, without a single outer folder."""
    try:
        sums = _read_archive(root)[0] if archives.is_archive(root) else _folder_sums(*_home_and_tree(root))
    except PermissionError as error:
        raise DataError(f"{error.filename} may not be read: change its permissions") from error
    except OSError as error:
        if not is_files_fault(error):
            raise  # of the machine
        raise DataError(f"{error.filename or root} cannot be read ({error.strerror})") from error
    for name in sums:
        require_utf8(root / name)
    while sums and len(tops := {name.partition("/")[0] for name in sums}) == 1 and all("/" in name for name in sums):
        outer = len(tops.pop()) + 1
        sums = {name[outer:]: digest for name, digest in sums.items()}
    return sums


def _home_and_tree(root: Path) -> tuple[Path, Tree]:
    return root.parent if root.is_file() else root, list_root(root)


def _read_cache(file: Path) -> dict[str, Any]:
    """Read cached digests; a file that cannot be read, or was changed, counts as empty."""
    try:
        cached = json.loads(without_checksum(read_regular(file, MAX_LIST_BYTES)))
    except (OSError, ValueError):
        return {}
    return cached if isinstance(cached, dict) else {}


def _read_archive(root: Path) -> tuple[dict[str, str], Tree]:
    """Hash every member of an archive; cached by the archive's path and stamp."""
    cache_file = cache_dir() / "archives.json"
    cached, now = _read_cache(cache_file), time.time_ns()
    stamp = [ARCHIVE_FORMAT, *stamp_of(root.stat())]
    known = cached.get(str(root))
    if not isinstance(known, list) or known[:5] != stamp or len(known) != 7:
        left_out: dict[str, str] = {}
        with archives.reading(root):
            members = archives.members(root, left_out)
            sums = {PurePosixPath(name).as_posix(): digest_of(content) for name, content in members}
        known = [*stamp, sums, left_out]
        if is_settled(stamp[1:], now):
            write_to_cache(cache_file, with_checksum(json.dumps({**cached, str(root): known}).encode()))
    return dict(known[5]), Tree(sorted(known[5]), dict(sorted(known[6].items())))


def _folder_sums(root: Path, tree: Tree) -> dict[str, str]:
    """Hash every file of a folder; cached by path and stamp, so a second call reads no content."""
    cache_file = cache_dir() / "stamps.json"  # an older zoo would misread these entries in its `checksums.json`
    cached = _read_cache(cache_file)
    sums, has_new = {}, False
    for name in tree.files:
        path = f"{root}/{name}"
        known, stamp = cached.get(path), stamp_of(os.stat(path))  # noqa: PTH116 (a Path for each file takes longer)
        if not isinstance(known, list) or known[:4] != stamp or len(known) != 5:
            now = time.time_ns()
            with open_regular(path) as content:
                known = [*stamp, digest_of(content)]
            if is_settled(stamp, now):
                cached[path], has_new = known, True
        sums[name] = str(known[4])
    if has_new:
        write_to_cache(cache_file, with_checksum(json.dumps(cached).encode()))
    return sums


def _how_to_provide(spec: DatasetSpec) -> str:
    layout = f" holding {spec.layout}" if spec.layout else ""
    home = f" (from {spec.homepage})" if spec.homepage else ""
    return f"give --data-root with a folder{layout}{home}"


class DatasetFiles:
    """Finds the files of a data set below the user's folder or archive `root`, or else downloads and verifies them.

    left_out: files and folders that the loader leaves out, with the reason. read: files that it read by other means
    than Python's `open`. unpacked: the folder in the cache of an archive that was asked for.
    """

    def __init__(self, spec: DatasetSpec, root: Path | None, *, offline: bool) -> None:
        self._spec, self._root, self._offline = spec, root, offline
        self.left_out: dict[Path, str] = {}
        self.read: set[Path] = set()
        self.unpacked: Path | None = None
        self._whole: set[Path] = set()  # unpacked folders that were checked

    def folder(self, archive: str = "") -> Path:
        """See `Context.folder`."""
        spec, root = self._spec, self._root
        if root is None and archive:
            root = self.file(archive)
        if root is None:
            raise DataUnavailableError(f"dataset {spec.qualified} cannot be downloaded; {_how_to_provide(spec)}")
        if archives.is_archive(root):
            root = self._unpack(root)
        elif root.is_file():
            raise _no_root(root)
        published = self._find_published(root, archive) if archive and self._root is not None else None
        return root if published is None else self._unpack(published)

    def _unpack(self, archive: Path) -> Path:
        text = "\0".join(map(str, [ARCHIVE_FORMAT, archive, *stamp_of(archive.stat())]))
        name = hashlib.sha256(text.encode()).hexdigest()[:16]
        home = cache_dir() / "unpacked" / f"{portable(archive.stem)}-{name}"
        if home not in self._whole and not is_whole(home):
            # Of thousands of files, each would take some milliseconds to reach the disk. The list shows a loss, too.
            with new_cached_folder(home, archives.UNPACKING, durable=False) as inside:
                archives.extract(archive, inside / UNPACKED)
        self._whole.add(home)
        self.unpacked = home / UNPACKED  # beside it lies the list of its contents, which is no part of the data
        return self.unpacked

    def _find_published(self, root: Path, name: str) -> Path | None:
        """Find the published archive below a folder: it gives the fingerprint, whatever else lies there."""
        download = next((item for item in self._spec.downloads if item.name == name and item.sha256), None)
        if download is None:
            return None
        paths = (root / path for path in walk(root).files if path.rpartition("/")[2] == name)
        return next((path for path in paths if is_published(path, download)), None)

    def file(self, name: str) -> Path:
        """See `Context.file`. Below a root, `name` is found at any depth, also unpacked (without `.gz`)."""
        found = self._fetch_declared(name) if self._root is None else self._find(name)
        self.read.add(found)
        return found

    def _find(self, name: str) -> Path:
        folder, plain = self.folder(), name.removesuffix(".gz")
        wanted = (f"/{name}", f"/{plain}")
        tree = walk(folder)
        paths = [folder / path for path in tree.files if f"/{path}".endswith(wanted)]
        if not paths:
            not_searched = "".join(f", and {path} is left out ({why})" for path, why in [*tree.left_out.items()][:1])
            raise DataUnavailableError(f"{name} is not below {folder}{not_searched}; {_how_to_provide(self._spec)}")
        # Some distributions put each file into a folder of its own name; in one folder, a packed file goes first.
        homes = {path.parent.parent if path.parent.name.startswith(plain) else path.parent: path for path in paths}
        refuse_second(folder, homes.values(), "the same file twice")
        return next((path for path in paths if path.name == name), paths[0])

    def leave_out(self, path: Path, reason: str) -> None:
        """See `Context.leave_out`."""
        self.left_out.setdefault(path, reason)

    def count_as_read(self, path: Path) -> None:
        """See `Context.count_as_read`."""
        self.read.add(path)

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


def columns_home() -> Path:
    """Return the folder with a folder for each data set that has been decoded."""
    return cache_dir() / "columns"


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

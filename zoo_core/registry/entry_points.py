"""The entry points of installed packages. Each folder of `sys.path` is read once, and again when it has changed.

Reading them takes 20 ms, mostly of packages without a plugin. The fork server reads them before a fork, so that no
worker has to, although its `sys.path` has the folders in another order.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions

Stamp = tuple[int, int, int]  # device, inode and time of the last change of a folder; installing a package changes it


@dataclass(frozen=True, slots=True)
class _Folder:
    """What a folder held. points: with the name of their package, the key that `names` has."""

    stamp: Stamp
    names: frozenset[str]
    points: tuple[tuple[str, EntryPoint], ...]


_folders: dict[tuple[str, str], _Folder] = {}  # by the path and the group


def entry_points(*, group: str) -> list[EntryPoint]:
    """List the entry points of a group. Of a package that is installed in two folders, the first one counts."""
    before: list[frozenset[str]] = []
    found = []
    for path in dict.fromkeys(sys.path):
        if (folder := _read(path, group)) is not None:
            found += [point for name, point in folder.points if not any(name in names for names in before)]
            before.append(folder.names)
    return found


def _read(path: str, group: str) -> _Folder | None:
    """Return what a folder or archive of `sys.path` holds; None if it does not exist."""
    try:
        state = os.stat(path or os.curdir)  # noqa: PTH116 - a `Path` for each folder takes as long as the rest
    except OSError:
        return None
    stamp = (state.st_dev, state.st_ino, state.st_mtime_ns)
    known = _folders.get((path, group))
    if known is None or known.stamp != stamp:
        packages: dict[str, Distribution] = {}
        for package in distributions(path=[path]):
            packages.setdefault(_normalized_name(package), package)
        points = [(name, point) for name, package in packages.items() for point in _points_of(package, group)]
        known = _folders[path, group] = _Folder(stamp, frozenset(packages), tuple(points))
    return known


def _points_of(package: Distribution, group: str) -> list[EntryPoint]:
    """Return a package's entry points of a group. Few have any, and only their lists are parsed."""
    if f"[{group}]" not in (package.read_text("entry_points.txt") or ""):
        return []
    return [point for point in package.entry_points if point.group == group]


def _normalized_name(package: Distribution) -> str:
    """Return the name in the form in which it identifies a package; it is in the name of the package's folder."""
    return str(getattr(package, "_normalized_name", None) or package.name)

"""Accounts for every file of a data set: the loader reads it, or it is counted as left out, with the reason.

What a loader reads is known from the files that Python opens meanwhile, so no loader can leave files out in silence.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import stat
import sys
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from zoo_core.data.walk import Tree
from zoo_core.results.records import LeftOut

LOG = logging.getLogger("zoo")
OTHER_FOLDER = "in a folder of which the loader reads no file"
OTHER_KIND = "of another kind than the files that the loader reads in its folder"
NOT_READ = "not read by the loader"
NOT_PUBLISHED = "not a file of the published data"
MAX_EXAMPLE = 200  # characters

# The open blocks of `recording`. An audit hook cannot be removed and serves the whole process, so there is one.
_recordings: list[set[str]] = []


@contextlib.contextmanager
def recording() -> Iterator[set[str]]:
    """Yield a set that gets the name of every file that Python opens inside the block, in any thread.

    Libraries that open files in C, such as h5py and OpenCV, are not seen.
    """
    _install_hook()
    opened: set[str] = set()
    _recordings.append(opened)
    try:
        yield opened
    finally:
        _recordings[:] = [other for other in _recordings if other is not opened]


@functools.cache
def _install_hook() -> None:
    sys.addaudithook(_audit)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _recordings and isinstance(arguments[0], str | bytes):
        name = os.fsdecode(arguments[0])
        for opened in _recordings:
            opened.add(name)


def left_out_of_tree(tree: Tree) -> list[LeftOut]:
    """Count what the enumerator leaves out, by reason."""
    return _count(tree.left_out)


def left_out_by_loader(
    home: Path, tree: Tree, opened: Collection[str], stated: Mapping[Path, str], read: Collection[Path]
) -> list[LeftOut]:
    """Count the files of `tree`, which lie in `home`, that a loader did not read, by reason.

    opened: names of files that were opened. stated: files and folders with the loader's own reasons. read: files that
    were read though Python did not open them. If the loader opened no file at all, only what it states is counted: it
    may read with a library in C.
    """
    by_name = {_relative(path, home): reason for path, reason in stated.items()}
    start = f"{Path.cwd()}{os.sep}"
    used_paths = {path if path[:1] == os.sep else str(Path(start, path)) for path in (*opened, *map(str, read))}
    unread = set(tree.files) - _names_below(home, used_paths)
    if unread:  # a file may have been opened by another path, through a link
        names = sorted(unread)
        real, used_real = _real_paths([f"{home}/{name}" for name in names]), {*_real_paths(used_paths)}
        unread = {name for name, path in zip(names, real, strict=True) if path not in used_real}
    if len(unread) == len(tree.files):
        unread = set()
    reasons, used, explain = dict[str, str](), set[str](), _Explainer(tree.files, unread)
    for name in tree.files if by_name or unread else ():
        parts = (name, *map(str, PurePosixPath(name).parents)) if by_name else ()
        stated_for = next((part for part in parts if part in by_name), None)
        if stated_for is not None:
            reasons[name] = by_name[stated_for]
            used.add(stated_for)
        elif name in unread:
            reasons[name] = explain(name)
    return _count(reasons | {name: reason for name, reason in by_name.items() if name not in used})


class _Explainer:
    """Finds a reason for a file that was not read, from the files that were."""

    def __init__(self, files: Collection[str], unread: Collection[str]) -> None:
        self._kinds: dict[str, set[str]] = {}  # folder -> suffixes of the files that are read in it
        for name in files if unread else ():
            if name not in unread:
                folder, _, last = name.rpartition("/")
                self._kinds.setdefault(folder, set()).add(_suffix(last))

    def __call__(self, name: str) -> str:
        folder, _, last = name.rpartition("/")
        if folder not in self._kinds:
            return OTHER_FOLDER
        return NOT_READ if _suffix(last) in self._kinds[folder] else OTHER_KIND


def left_out_of_published(tree: Tree, published: Collection[str]) -> list[LeftOut]:
    """Count the files beside published ones, which a loader finds by name, packed or not."""
    known = {*published, *(name.removesuffix(".gz") for name in published)}
    return _count({name: NOT_PUBLISHED for name in tree.files if name.rpartition("/")[2] not in known})


def _suffix(name: str) -> str:
    return name.rpartition(".")[2].lower()


def _names_below(home: Path, paths: Collection[str]) -> set[str]:
    """Return those of the absolute paths that lie in `home`, relative to it, with `/`."""
    start = str(home) + os.sep
    return {path[len(start) :].replace(os.sep, "/") for path in paths if path.startswith(start)}


def _real_paths(paths: Collection[str]) -> list[str]:
    """Return each path without symbolic links; each folder is resolved once, since that takes a call per parent."""
    resolve = functools.cache(os.path.realpath)
    parts = (os.path.split(path) for path in paths)
    plain = (f"{resolve(folder)}{os.sep}{name}" for folder, name in parts)
    return [os.path.realpath(path) if _is_link(path) else path for path in plain]


def _is_link(path: str) -> bool:
    try:
        return stat.S_ISLNK(os.lstat(path).st_mode)
    except OSError:  # a file that was opened may be gone
        return False


def _relative(path: Path, home: Path) -> str:
    return path.relative_to(home).as_posix() if path.is_relative_to(home) else path.as_posix()


def _count(reasons: Mapping[str, str]) -> list[LeftOut]:
    """Count names by reason, the most frequent first, with the first name of each as an example."""
    names: dict[str, list[str]] = {}
    for name in sorted(reasons):
        names.setdefault(reasons[name], []).append(name)
    found = [LeftOut(reason=why, count=len(all_), example=_short(all_[0])) for why, all_ in names.items()]
    return sorted(found, key=lambda item: (-item.count, item.reason))


def _short(name: str) -> str:
    shown = os.fsencode(name).decode("utf-8", "backslashreplace")
    return shown if len(shown) <= MAX_EXAMPLE else f"...{shown[-MAX_EXAMPLE:]}"


def describe(dataset: str, left_out: Collection[LeftOut]) -> list[str]:
    """Describe in one line per reason what a data set leaves out.

    >>> describe("shapes", [LeftOut(reason="link whose target is missing", count=6, example="train/red/90.png")])
    ['shapes leaves out 6 files, such as train/red/90.png: link whose target is missing']
    """
    return [
        f"{dataset} leaves out {item.count} files, such as {item.example}: {item.reason}"
        if item.count > 1
        else f"{dataset} leaves out {item.example}: {item.reason}"
        for item in left_out
    ]


def warn_of_left_out(left_out: Mapping[str, Collection[LeftOut]]) -> None:
    """Log what data sets, by name, leave out: a warning for each reason."""
    for dataset, found in left_out.items():
        for line in describe(dataset, found):
            LOG.warning("warning: %s", line)

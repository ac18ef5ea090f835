"""Lists the files of a data set: the one enumerator, for the fingerprint and for every loader.

Symbolic links are followed, also out of the root, except to a folder that the link lies in, or that many others lead
to: folders that link to each other would otherwise be listed by every path through them. Hidden and system files
are left out, and so are links whose target is missing; each is listed with the reason. Names are sorted as text, in
Unicode's composed form, so that every system has the same order.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from zoo_core.data.names import composed, require_utf8
from zoo_core.errors import DamagedDataError, DataError, DataUnavailableError
from zoo_core.files import is_files_fault

# Files and folders that macOS, Windows, Linux and network drives add, in lower case.
SYSTEM_NAMES = frozenset(
    {
        *("__macosx", "icon\r", "thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin"),
        *("system volume information", "lost+found", "@eadir"),
    }
)
HIDDEN = "hidden or system file"
DANGLING = "link whose target is missing"
CIRCULAR = "link to a folder that it lies in"
MAX_VISITS = 64  # of a folder through links, by the shortest paths
MANY_LINKS = f"link to a folder to which {MAX_VISITS} other links lead"
SPECIAL = "neither a file nor a folder"
# A link to itself, below a file, or to a path that is too long.
LEADS_NOWHERE = (errno.ELOOP, errno.ENOTDIR, errno.ENAMETOOLONG)


@dataclass(frozen=True, slots=True)
class Listing:
    """The files and folders in one folder, sorted, and what is left out, with the reason."""

    files: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    left_out: dict[Path, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tree:
    """All files below a root, as sorted paths relative to it, with `/`; and what is left out, with the reason.

    A folder that is left out counts as one.
    """

    files: list[str]
    left_out: dict[str, str]


def is_hidden(name: str) -> bool:
    """Return whether a file or folder of this name is never part of the data: hidden, or the system's own.

    >>> [is_hidden(name) for name in (".git", "._a.png", "Thumbs.db", "__MACOSX", "a.png")]
    [True, True, True, True, False]
    """
    return name.startswith(".") or name.lower() in SYSTEM_NAMES


def hidden_part(name: str) -> str:
    """Return the path up to the first hidden file or folder in it, "" if there is none.

    >>> hidden_part("train/.cache/a.png"), hidden_part("train/a.png")
    ('train/.cache', '')
    """
    parts = name.split("/")
    place = next((place for place, part in enumerate(parts, 1) if is_hidden(part)), 0)
    return "/".join(parts[:place])


def list_folder(folder: Path) -> Listing:
    """List what is in one folder.

    Raises DataUnavailableError if `folder` is not a folder, DataError if it may not be read, DamagedDataError for a
    name that is not UTF-8.
    """
    listing = Listing()
    for entry, kind in _scan(str(folder.absolute())):
        path = folder / entry.name
        if kind == "file":
            listing.files.append(path)
        elif kind == "folder":
            listing.folders.append(path)
        else:
            listing.left_out[path] = kind
    return listing


def folders(folder: Path) -> list[Path]:
    """List the folders in `folder`, sorted by name. Raises as `list_folder` does."""
    return list_folder(folder).folders


def folders_below(root: Path) -> list[Path]:
    """List `root` and all folders below it, level by level. Raises as `list_folder` does."""
    return list(_by_level(root))


class _Visits:
    """Counts how often links led to a folder, so that a search through folders that link to each other ends."""

    def __init__(self) -> None:
        self._counts: dict[tuple[int, int], int] = {}

    def allows(self, path: str) -> bool:
        """Count a visit of a folder. Return whether it may be searched: always, unless `path` is a link."""
        if not os.path.islink(path):  # noqa: PTH114 (a Path for each folder takes longer)
            return True
        state = os.stat(path)  # noqa: PTH116
        key = state.st_dev, state.st_ino
        self._counts[key] = self._counts.get(key, 0) + 1
        return self._counts[key] <= MAX_VISITS


def _by_level(root: Path, *, without: str = "") -> Iterator[Path]:
    """Yield `root` and the folders below it, level by level, except those called `without`, and too many links."""
    visits, waiting = _Visits(), deque([root])
    while waiting:
        folder = waiting.popleft()
        yield folder
        hidden = find_named(folder, without) if without else None
        waiting += [inside for inside in folders(folder) if inside != hidden and visits.allows(str(inside))]


def walk(root: Path) -> Tree:
    """List all files below `root`. Raises as `list_folder` does."""
    files: list[str] = []
    left_out: dict[str, str] = {}
    visits, waiting = _Visits(), deque([(str(root.absolute()), "")])
    while waiting:
        folder, prefix = waiting.popleft()  # level by level, so that the shortest paths of links come first
        for entry, kind in _scan(folder):
            name = prefix + entry.name
            if kind == "file":
                files.append(name)
            elif kind != "folder":
                left_out[name] = kind
            elif visits.allows(entry.path):
                waiting.append((entry.path, f"{name}/"))
            else:
                left_out[name] = MANY_LINKS
    return Tree(sorted(files, key=composed), dict(sorted(left_out.items())))


def inner_root(root: Path, names: Collection[str]) -> Path:
    """Return the folder that holds the data: `root`, or the only folder in it, and so on, as archives have them.

    names: in lower case. A folder with one of these names belongs to the data.
    """
    while True:
        here = list_folder(root)
        if here.files or len(here.folders) != 1 or here.folders[0].name.lower() in names:
            return root
        root = here.folders[0]


def find_one(root: Path, name: str, needs: str) -> Path:
    """Find the one file or folder called `name` in `root` or below it.

    A folder of that name is not searched. A second one that is a link to the first does not count. Raises
    DamagedDataError if there are several, which may be of two data sets. Raises DataUnavailableError if there is none;
    its message ends with `needs`: what `root` must hold.
    """
    places = (find_named(folder, name) for folder in _by_level(root, without=name))
    found = [place for place in places if place is not None]
    if not found:
        raise DataUnavailableError(f"{root} holds no {name} at any depth; {needs}")
    refuse_second(root, found)
    return found[0]


def refuse_second(root: Path, found: Iterable[Path], what: str = "two data sets") -> None:
    """Raise DamagedDataError if the paths are of several files or folders; links to the first do not count.

    what: what `root` then holds, for the message.
    """
    first, *others = found
    second = next((path for path in others if not path.samefile(first)), None)
    if second is not None:
        raise DamagedDataError(
            f"{root} holds {what}, {first} and {second}: give --data-root the folder of one of them, or remove one"
        )


def find_named(folder: Path, name: str) -> Path | None:
    """Return the file or folder `name`, a relative path, in `folder`; its name may have the other form of Unicode.

    None if there is none, also if the enumerator leaves it out.
    """
    if hidden_part(name):
        return None
    try:
        if (folder / name).exists():
            return folder / name
    except OSError as error:
        if not is_files_fault(error):
            raise
        return None  # no system takes such a name
    path = folder
    for part in () if name.isascii() else Path(name).parts:
        listing = list_folder(path) if path.is_dir() else Listing()
        same = [other for other in (*listing.files, *listing.folders) if composed(other.name) == composed(part)]
        if not same:
            return None
        path = same[0]
    return None if name.isascii() else path


def _scan(folder: str) -> list[tuple[os.DirEntry[str], str]]:
    """List the entries of a folder, sorted, each with "file", "folder", or the reason to leave it out."""
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: (composed(entry.name), entry.name))
        lineage = _Lineage(folder)
        kinds = [(entry, _kind(entry, lineage)) for entry in found]
    except PermissionError as error:
        raise DataError(f"{error.filename or folder} may not be read: change its permissions") from error
    except OSError as error:
        if not is_files_fault(error):
            raise
        raise DataUnavailableError(f"{folder} cannot be read as a folder ({error.strerror})") from error
    for entry, kind in kinds:
        if not entry.name.isascii() and kind != HIDDEN:
            require_utf8(Path(entry.path))
    return kinds


class _Lineage:
    """A folder and all that it lies in, by device and inode; looked up once, when the first link needs it."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._keys: set[tuple[int, int]] | None = None

    def __contains__(self, state: os.stat_result) -> bool:
        if self._keys is None:
            folder = Path(self._folder)
            states = [path.stat() for path in (folder, *folder.parents)]
            self._keys = {(parent.st_dev, parent.st_ino) for parent in states}
        return (state.st_dev, state.st_ino) in self._keys


def _kind(entry: os.DirEntry[str], lineage: _Lineage) -> str:
    if is_hidden(entry.name):
        return HIDDEN
    try:
        if entry.is_file():
            return "file"
        if entry.is_dir():
            # Each circle has a link to a folder on its own path, at the latest in its second round.
            return CIRCULAR if entry.is_symlink() and entry.stat() in lineage else "folder"
    except OSError as error:
        if error.errno not in LEADS_NOWHERE:
            raise
    is_dangling = entry.is_symlink() and not os.path.exists(entry.path)  # noqa: PTH110
    return DANGLING if is_dangling else SPECIAL

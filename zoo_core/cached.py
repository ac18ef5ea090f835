"""Folders of the cache that are checked before use: each lists its files with size and SHA-256.

The list holds its own checksum, too. A full check reads every file. It then notes the files' stamps, so that the next
check only compares stamps: a change of a file also changes its ctime, which no program can set back.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import secrets
import time
from collections.abc import Iterator
from pathlib import Path

from zoo_core.files import (
    is_files_fault,
    new_folder,
    open_regular,
    read_regular,
    write_atomically,
)

LOG = logging.getLogger("zoo")
CONTENTS = "contents.json"  # relative path with `/` -> size in bytes and SHA-256
CHECKED = "checked.json"  # relative path -> the stamp that the file had when it was read and found right
DAMAGED = ".damaged-"
MAX_LIST_BYTES = 1 << 30
FINE_TICK_NS, COARSE_TICK_NS = 100_000_000, 2_000_000_000  # of a file system's clock; FAT counts in two seconds
OWN_SUFFIXES = (".npy", ".json")  # of the files that the zoo itself writes into its cached folders

Stamp = list[int]


def with_checksum(content: bytes) -> bytes:
    """Return the content below a line with its SHA-256, so that a later change of either is noticed.

    >>> without_checksum(with_checksum(b"[1]"))
    b'[1]'
    """
    return hashlib.sha256(content).hexdigest().encode() + b"\n" + content


def without_checksum(stored: bytes) -> bytes:
    """Return the content that `with_checksum` got. Raises ValueError if it was changed."""
    digest, _, content = stored.partition(b"\n")
    if digest != hashlib.sha256(content).hexdigest().encode():
        raise ValueError("the checksum in the first line is of another content")
    return content


def stamp_of(state: os.stat_result) -> Stamp:
    """Return what changes when a file is replaced or rewritten, even by one of the same size and modification time."""
    return [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino]


def is_settled(stamp: Stamp, now_ns: int) -> bool:
    """Return whether a change of the file from now on will change its stamp.

    Clocks of file systems tick, some only every two seconds; a second change in one tick leaves the stamp as it is.
    """
    changed_ns = max(stamp[1:3])
    tick_ns = FINE_TICK_NS if changed_ns % 1_000_000_000 else COARSE_TICK_NS
    return now_ns - changed_ns > tick_ns


@contextlib.contextmanager
def new_cached_folder(folder: Path, prefix: str, *, durable: bool = True) -> Iterator[Path]:
    """Do as `zoo_core.files.new_folder`, and list the contents at the end of the block, for `is_whole`."""
    with new_folder(folder, prefix, durable=durable) as inside:
        yield inside
        contents = {name: _measure(inside / name) for name in _files(inside)}
        (inside / CONTENTS).write_bytes(with_checksum(json.dumps(contents).encode()))


def contents_with(folder: Path, replaced: Path) -> bytes:
    """Return the list of contents of a cached folder for the case that the files below `replaced` take the places of
    its own of the same names.

    Raises ValueError for a list that is missing or was changed, OSError.
    """
    contents = _read_contents(folder) | {name: _measure(replaced / name) for name in _files(replaced)}
    return with_checksum(json.dumps(contents).encode())


def _measure(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        return os.fstat(file.fileno()).st_size, hashlib.file_digest(file, "sha256").hexdigest()


def _files(folder: Path) -> list[str]:
    """List the files of a cached folder, without the zoo's own lists and hidden files, which a system may add."""
    found = []
    for home, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        start = "" if home == str(folder) else f"{os.path.relpath(home, folder)}/".replace(os.sep, "/")
        found += [f"{start}{name}" for name in names if not name.startswith(".")]
    return sorted(set(found) - {CONTENTS, CHECKED})


def is_whole(folder: Path) -> bool:
    """Return whether a cached folder has exactly the files with which it was made.

    A damaged folder is removed with a warning, so that the caller makes it anew; files that the zoo did not write are
    kept beside it. Raises OSError for a fault of the machine.
    """
    if not os.path.lexists(folder):
        return False
    identity = _identity(folder)
    problem = find_problem(folder)
    if problem:
        kept = _set_aside(folder, identity)
        beside = f"; files that the zoo did not write are now in {kept}" if kept else ""
        LOG.warning("warning: the cached %s is damaged (%s) and is made anew%s", folder, problem, beside)
    return not problem


def find_problem(folder: Path) -> str:
    """Return the first difference between a cached folder and its list of contents, "" if there is none."""
    try:
        contents = _read_contents(folder)
    except ValueError:
        return f"{CONTENTS} is missing or was changed"
    known, stamps = _read_checked(folder), dict[str, Stamp]()
    for name, (size, digest) in contents.items():
        try:
            stamp = stamp_of((folder / name).stat())
            if stamp[0] == size and known.get(name) == stamp:
                stamps[name] = stamp
                continue
            with open_regular(folder / name) as file:
                stamps[name] = stamp_of(os.fstat(file.fileno()))
                if stamps[name][0] != size:
                    return f"{name} has {stamps[name][0]} bytes instead of {size}"
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    return f"{name} has another content"
        except OSError as error:
            if not is_files_fault(error):
                raise
            return f"{name}: {error.strerror}"
    added = set(_files(folder)) - contents.keys()
    if added:
        return f"{min(added)} was added"
    _note_checked(folder, known, stamps)
    return ""


def stamps_of(folder: Path) -> dict[str, Stamp]:
    """Return the stamps of a folder's files by relative path. Raises OSError."""
    return {name: stamp_of((folder / name).stat()) for name in _files(folder)}


def _read_contents(folder: Path) -> dict[str, tuple[int, str]]:
    """Raises ValueError for a list that is missing or was changed, OSError for a fault of the machine."""
    try:
        contents = json.loads(without_checksum(read_regular(folder / CONTENTS, MAX_LIST_BYTES)))
        return {str(name): (int(size), str(digest)) for name, (size, digest) in contents.items()}
    except OSError as error:
        if not is_files_fault(error):
            raise
        raise ValueError(str(error)) from error
    except (TypeError, AttributeError) as error:
        raise ValueError(str(error)) from error


def _read_checked(folder: Path) -> dict[str, Stamp]:
    """Return the stamps of the last full check; none if they cannot be read: the files are then read again."""
    try:
        noted = json.loads(without_checksum(read_regular(folder / CHECKED, MAX_LIST_BYTES)))
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}


def _note_checked(folder: Path, known: dict[str, Stamp], stamps: dict[str, Stamp]) -> None:
    now_ns = time.time_ns()
    settled = {name: stamp for name, stamp in stamps.items() if is_settled(stamp, now_ns)}
    if settled != known:
        with contextlib.suppress(OSError):  # then the next check reads the files again
            write_atomically(folder / CHECKED, with_checksum(json.dumps(settled).encode()))


def _identity(folder: Path) -> tuple[int, int]:
    state = os.lstat(folder)
    return state.st_dev, state.st_ino


def _set_aside(folder: Path, identity: tuple[int, int]) -> Path | None:
    """Remove a damaged folder. Return where files are kept that the zoo did not write, None if there are none.

    Another process may have replaced the folder by a whole one meanwhile: that one is put back.
    """
    for left in folder.parent.glob(f"{DAMAGED}*"):  # of a process that was killed while it removed its own
        _remove_own(left)
    aside = folder.with_name(f"{DAMAGED}{secrets.token_hex(4)}")
    try:
        folder.rename(aside)
    except FileNotFoundError:  # another process removed it first
        return None
    if _identity(aside) != identity:
        with contextlib.suppress(OSError):  # there is a third one already
            aside.rename(folder)
            return None
    return _remove_own(aside)


def _remove_own(aside: Path) -> Path | None:
    """Remove the files that the zoo wrote, and then the empty folders."""
    if not aside.is_dir() or aside.is_symlink():
        return aside
    try:
        listed = {*_read_contents(aside)}
    except ValueError:
        listed = set()
    for home, _, names in os.walk(aside, topdown=False):
        for name in names:
            path = Path(home, name)
            if path.relative_to(aside).as_posix() in listed or name.endswith(OWN_SUFFIXES):
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # it holds other files
            Path(home).rmdir()
    return aside if aside.exists() else None

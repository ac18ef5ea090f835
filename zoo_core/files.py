"""The zoo's cache folder, reads that never wait, and atomic writes: nobody sees half a file or half a folder."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from io import BufferedReader, BufferedWriter
from pathlib import Path
from typing import IO

from zoo_core.errors import MachineError, UsageError

ABANDONED_AFTER_S = 86_400.0  # where a lock cannot tell: a temporary folder may be filled for hours
ALIVE = "alive"  # in a temporary folder: a file that its process keeps locked
MIB = 1 << 20
BLOCK = 1 << 16  # bytes that are read at once from a file that states too few
# Opening must not wait, and must not make a terminal the controlling one. Windows has only the last one.
_READ = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_BINARY"))
# The faults of a file itself. All others, such as EIO, EMFILE and ENOSPC, are the machine's.
FILE_FAULTS = frozenset(
    {
        *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EACCES, errno.EPERM, errno.ELOOP, errno.ENAMETOOLONG),
        *(errno.EINVAL, errno.EOVERFLOW, errno.ENXIO),
    }
)
SET_CACHE = "set ZOO_CACHE to a folder that you may write to, on a disk with free space"
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)", re.IGNORECASE)  # devices on Windows, also con.txt


def cache_dir() -> Path:
    """Return `ZOO_CACHE`, or the operating system's cache folder for the user; does not create it.

    Raises UsageError if the user has no home folder, as in a container with an unknown user.
    """
    named = os.environ.get("ZOO_CACHE")
    try:
        if named:
            return Path(named).expanduser().absolute()
        from platformdirs import user_cache_path

        return user_cache_path("zoo").absolute()
    except RuntimeError as error:  # neither HOME nor the list of users gives a home folder
        raise UsageError(f"there is no home folder for the cache: {SET_CACHE}") from error


def hide_home(text: str) -> str:
    """Replace the user's home folder in `text` by `~`, because records are published."""
    home = str(user_home() or "")
    return text.replace(home, "~") if len(home) > 1 else text


def user_home() -> Path | None:
    """Return the user's home folder; None if the user has none."""
    try:
        return Path.home()
    except RuntimeError:
        return None


@contextlib.contextmanager
def writing_cache() -> Iterator[None]:
    """Turn an error of the file system inside the block into a MachineError that names the cache folder."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise MachineError(f"the cache folder {cache_dir()} cannot be written ({reason}): {SET_CACHE}") from error


def require_writable_cache() -> None:
    """Raise MachineError if the cache folder cannot be created or written."""
    with writing_cache():
        cache_dir().mkdir(parents=True, exist_ok=True)
        probe = cache_dir() / f".probe.{secrets.token_hex(4)}.tmp"
        probe.touch()
        probe.unlink()


def write_to_cache(path: Path, content: bytes) -> None:
    """Write a file of the cache, atomically. Raises MachineError if the cache folder cannot be written."""
    with writing_cache():
        write_atomically(path, content)


def own_cache(qualified: str) -> Path:
    """Create and return the folder where a data set or task may keep files between runs. Raises MachineError."""
    folder = cache_dir() / "kept" / portable(qualified)
    with writing_cache():
        folder.mkdir(parents=True, exist_ok=True)
    return folder


def portable(name: str, max_chars: int = 80) -> str:
    """Turn `name` into a file name that is valid on every system and cannot lead out of its folder.

    Two names may get one file name, also names that differ in upper and lower case only.

    >>> portable("a b/c:d."), portable("con.txt"), portable("..")
    ('a-b-c-d', '_con.txt', '_')
    """
    safe = _UNSAFE.sub("-", name).strip(".-")
    safe = f"_{safe}" if _RESERVED.match(safe) else safe
    return safe[:max_chars].rstrip(".-") or "_"


def open_regular(path: Path | str, *, max_bytes: int | None = None, follow_links: bool = True) -> BufferedReader:
    """Open a regular file to read. This never waits, as opening a FIFO does, and never touches a device.

    max_bytes: a larger file is refused. follow_links: whether the path may be a symbolic link.
    Raises OSError: EINVAL for a FIFO, socket or device, EISDIR for a folder, ELOOP for a link, EOVERFLOW for a large
    file.
    """
    return os.fdopen(_open(os.fspath(path), max_bytes, follow_links)[0], "rb")


def read_regular(path: Path | str, max_bytes: int, *, follow_links: bool = True) -> bytes:
    """Read a regular file of up to `max_bytes`, whatever size the system states. Raises OSError as `open_regular`.

    This takes six system calls, and memory only for the content: 100,000 records are read so.
    """
    name = os.fspath(path)
    descriptor, size = _open(name, max_bytes, follow_links)
    parts, held = [], 0
    try:
        # A file of /proc states no size, and another one may grow meanwhile: one byte more than stated is asked for.
        while part := os.read(descriptor, size + 1 - held if held <= size else BLOCK):
            parts.append(part)
            held += len(part)
            if held > max_bytes:
                raise _too_large(name, max_bytes)
            if held == size:
                break
    finally:
        os.close(descriptor)
    return b"".join(parts)


def _open(name: str, max_bytes: int | None, follow_links: bool) -> tuple[int, int]:
    """Open a regular file to read, and return its descriptor and its size in bytes."""
    try:
        # Before it is opened, because opening a device can change it. A `Path` takes seconds for 100,000 files.
        _require_regular(os.stat(name, follow_symlinks=follow_links), name, max_bytes)  # noqa: PTH116
    except ValueError as error:
        raise OSError(errno.EINVAL, f"it is no name of a file: {error}", name) from error
    descriptor = os.open(name, _READ if follow_links else _READ | getattr(os, "O_NOFOLLOW", 0))
    try:
        state = os.fstat(descriptor)
        _require_regular(state, name, max_bytes)  # it may have been replaced
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, state.st_size


def _require_regular(state: os.stat_result, name: str, max_bytes: int | None) -> None:
    if stat.S_ISDIR(state.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), name)
    if stat.S_ISLNK(state.st_mode):
        raise OSError(errno.ELOOP, "it is a link", name)
    if not stat.S_ISREG(state.st_mode):
        raise OSError(errno.EINVAL, "it is not a regular file, but a FIFO, a socket or a device", name)
    if max_bytes is not None and state.st_size > max_bytes:
        raise _too_large(name, max_bytes)


def _too_large(name: str, max_bytes: int) -> OSError:
    limit = f"{max_bytes >> 20} MiB" if max_bytes >= MIB else f"{max_bytes} bytes"
    return OSError(errno.EOVERFLOW, f"it is larger than {limit}", name)


def is_files_fault(error: OSError) -> bool:
    """Return whether an error is of the file itself, such as a missing one, and not of the machine, as a full disk is.

    >>> is_files_fault(FileNotFoundError(2, "")), is_files_fault(OSError(errno.ENOSPC, ""))
    (True, False)
    """
    return error.errno in FILE_FAULTS


def remove_abandoned(folder: Path, pattern: str) -> None:
    """Remove what killed processes left in `folder`: temporary folders, and files that `locked_file` made.

    pattern: a glob pattern of their names. What another process fills now stays: it holds a lock, which ends with it.
    Without a lock, only what is more than a day old is removed.
    """
    for path in folder.glob(pattern):
        with contextlib.suppress(OSError):  # another process removed it first
            if path.is_symlink() or not _is_abandoned(path):
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()


def _is_abandoned(path: Path) -> bool:
    is_old = time.time() - path.stat().st_mtime > ABANDONED_AFTER_S
    try:
        with open_regular(path / ALIVE if path.is_dir() else path) as file:
            locked = _lock(file)
    except OSError:
        return is_old
    return is_old if locked is None else locked


def _lock(file: IO[bytes]) -> bool | None:
    """Lock a file until it is closed, also by the end of the process. False if another has the lock, None if no lock
    is possible."""
    if sys.platform == "win32":
        return None
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return None
    return True


def locked_file(path: Path) -> BufferedWriter:
    """Create and lock a file to write. `remove_abandoned` removes it only after its process has ended."""
    unnamed = path.with_name(f"{path.name}.new")  # under its name it is locked from the start
    file = unnamed.open("xb")
    try:
        _lock(file)
        unnamed.rename(path)
    except BaseException:
        file.close()
        unnamed.unlink(missing_ok=True)
        raise
    return file


@contextlib.contextmanager
def new_folder(path: Path, prefix: str, *, durable: bool = True) -> Iterator[Path]:
    """Yield an empty folder to fill, and rename it to `path` at the end of the block; an error leaves nothing behind.

    durable: write the files to the disk before that, so that after a power failure `path` is whole or not there; each
    file takes some milliseconds. If another process creates `path` first, its folder stays and this one is dropped. The
    empty folder is inside a temporary folder `prefix...` next to `path`. Temporary folders of killed processes are
    removed first.
    """
    import tempfile  # not needed by `zoo list`

    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path.parent, f"{prefix}*")
    with (
        tempfile.TemporaryDirectory(dir=path.parent, prefix=prefix) as temporary,
        locked_file(Path(temporary) / ALIVE),
    ):
        inside = Path(temporary) / "content"
        inside.mkdir()
        yield inside
        if durable:
            _sync_tree(inside)
        try:
            inside.rename(path)
        except OSError:
            if not path.is_dir():
                raise
        if durable:
            _sync(path.parent)


def _sync_tree(folder: Path) -> None:
    """Write a folder's files and names to the disk."""
    for home, _, names in os.walk(folder, topdown=False):
        for name in names:
            _sync(Path(home, name))
        _sync(Path(home))


def _sync(path: Path) -> None:
    if sys.platform == "win32" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that cannot do this for folders
            raise
    finally:
        os.close(descriptor)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it always holds either its old content or all of the new content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def system_start() -> str:
    """Name this start of this system, where it has a name: on Linux. Containers of one machine have the same."""
    with contextlib.suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text()[:8]
    return "here"

"""Lets one build at a time write into a site's folder. The lock ends with its process, however that ends."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from zoo_core.errors import UsageError

MAX_WAIT_S = 120.0
RETRY_AFTER_S = 0.1
LOCK = ".zoo-leaderboard.lock"  # only where a folder itself cannot be locked
NOT_FOR_FOLDERS = (errno.EBADF, errno.EINVAL, errno.EISDIR, errno.ENOLCK, errno.ENOTSUP)  # flock of a folder on NFS


@contextlib.contextmanager
def locked(folder: Path, waiting: Callable[[], None], max_wait_s: float = MAX_WAIT_S) -> Iterator[None]:
    """Create the folder if needed, and hold its lock; `waiting` is called once if another build holds it.

    After an error a folder that was created here is removed, if it is empty.

    Raises:
        UsageError: another build still held the lock after `max_wait_s`.
    """
    created = _create(folder)
    try:
        descriptor = _wait_for(folder, waiting, max_wait_s)
        try:
            yield
        finally:
            os.close(descriptor)
    except BaseException:
        with contextlib.suppress(OSError):  # not empty, or another process removed it
            for made in reversed(created):
                made.rmdir()
        raise


def _create(folder: Path) -> list[Path]:
    """Create the folder with its parents; returns the created folders."""
    missing = [path for path in (*reversed(folder.parents), folder) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing


def _wait_for(folder: Path, waiting: Callable[[], None], max_wait_s: float) -> int:
    end = time.monotonic() + max_wait_s
    told = False
    while (descriptor := _try_to_lock(folder)) is None:
        if time.monotonic() >= end:
            raise UsageError(
                f"another build has been writing to {folder} for {max_wait_s:.0f} s: wait for its end, "
                "or give another folder with --out"
            )
        if not told:
            waiting()
            told = True
        time.sleep(RETRY_AFTER_S)
    return descriptor


def _try_to_lock(folder: Path) -> int | None:
    """Return an open descriptor that holds the lock; None if another process holds it."""
    if sys.platform == "win32":
        return _try_to_lock_file(folder / LOCK)
    folder.mkdir(parents=True, exist_ok=True)  # a build that failed removed it meanwhile
    try:
        return _flock(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        if error.errno not in NOT_FOR_FOLDERS:
            raise
        return _flock(folder / LOCK, os.O_RDWR | os.O_CREAT)


def _flock(path: Path, flags: int) -> int | None:
    import fcntl

    descriptor = os.open(path, flags | os.O_NOFOLLOW, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.stat()):  # else it was removed and made again
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except OSError:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _try_to_lock_file(path: Path) -> int | None:
    """The same on Windows, which locks files only."""
    import msvcrt

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
    except OSError:
        os.close(descriptor)
        return None
    return descriptor

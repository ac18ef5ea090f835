"""Counts the trials that other zoo processes run at the same time on this machine: they disturb each other's times.

Each running trial holds the lock of a file in the cache. Locks vanish with their process: a killed run leaves a file,
but no lock, and a pid that is used again misleads nobody.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from zoo_core.files import cache_dir, system_start

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


@contextlib.contextmanager
def announced(active: bool) -> Iterator[Callable[[], int]]:
    """Announce to other zoo processes that a trial runs here, if `active`; yield a function that counts theirs."""
    folder, mine = cache_dir() / "running", f"{system_start()}-{os.getpid()}-{secrets.token_hex(4)}"
    with contextlib.ExitStack() as held:
        if active:
            with contextlib.suppress(OSError):  # without a writable cache, only this count is lost
                folder.mkdir(parents=True, exist_ok=True)
                held.enter_context(_locked_file(folder / mine))
        before = _count(folder, mine)
        yield lambda: max(before, _count(folder, mine))


@contextlib.contextmanager
def _locked_file(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        _lock(descriptor)
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)  # Windows: only after the file is closed
        os.close(descriptor)
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _count(folder: Path, mine: str) -> int:
    """Count the locked files of this machine, and remove those that nobody locks."""
    machine = system_start()  # several machines may share a cache
    return sum(_is_locked(path) and path.name.startswith(machine) for path in folder.glob("*") if path.name != mine)


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return False
    try:
        if not _lock(descriptor):
            return True
        path.unlink()
    except OSError:
        pass
    finally:
        os.close(descriptor)
    return False


def _lock(descriptor: int) -> bool:
    """Lock an open file; return False if another process has locked it."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True

"""Counts the trials that run at the same time on this machine: those that share a core or a device disturb each other.

Each running trial holds the lock of a file in the cache, which says what the trial uses. Locks vanish with their
process: a killed run leaves a file, but no lock, and a pid that is used again misleads nobody.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sys
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from zoo_core.files import cache_dir, read_regular, system_start
from zoo_core.measure.cores import usable_cpus

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


MAX_NOTE_BYTES = 1 << 16
VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True, slots=True)
class Used:
    """What a trial uses: the logical CPUs that it may run on, and its accelerator, "" for none."""

    cpus: frozenset[int]
    device: str = ""

    def shares_with(self, other: Used) -> bool:
        """Return whether two trials have a CPU or their accelerator in common."""
        return bool(self.cpus & other.cpus) or (self.device != "" and self.device == other.device)


@dataclass(frozen=True, slots=True)
class Beside:
    """How many trials ran at the same time: `sharing` a core or the device, and `apart` from them."""

    sharing: int = 0
    apart: int = 0

    def most(self, other: Beside) -> Beside:
        """Return the larger of each number."""
        return Beside(max(self.sharing, other.sharing), max(self.apart, other.apart))


def used_by(cpus: Collection[int], device: str) -> Used:
    """Describe what a trial uses: `cpus` that it is pinned to, if any, and its device as torch spells it."""
    return Used(frozenset(cpus) or usable_cpus(), "" if device == "cpu" else _physical(device))


def _physical(device: str) -> str:
    """Return a name of a device that means the same in processes with other visible devices.

    `cuda:0` is the first of CUDA_VISIBLE_DEVICES, which holds numbers or names.
    """
    kind, _, index = device.partition(":")
    visible = [name.strip() for name in os.environ.get(VISIBLE, "").split(",") if name.strip()]
    number = int(index or 0)
    return f"{kind}:{visible[number]}" if kind == "cuda" and number < len(visible) else f"{kind}:{number}"


@contextlib.contextmanager
def announced(used: Used | None) -> Iterator[Callable[[], Beside]]:
    """Announce to all zoo processes that a trial uses this, and yield a function that counts the other trials.

    Without `used`, nothing is announced, and the trials of others count as apart.
    """
    folder, mine = cache_dir() / "running", f"{system_start()}-{os.getpid()}-{secrets.token_hex(4)}"
    with contextlib.ExitStack() as held:
        if used is not None:
            with contextlib.suppress(OSError):  # without a writable cache, only this count is lost
                folder.mkdir(parents=True, exist_ok=True)
                held.enter_context(_locked_file(folder / mine, used))
        before = _count(folder, mine, used)
        yield lambda: before.most(_count(folder, mine, used))


@contextlib.contextmanager
def _locked_file(path: Path, used: Used) -> Iterator[None]:
    hidden = path if sys.platform == "win32" else path.with_name(f".{path.name}")
    descriptor = os.open(hidden, os.O_RDWR | os.O_CREAT)
    try:
        _lock(descriptor)
        os.write(descriptor, json.dumps({"cpus": sorted(used.cpus), "device": used.device}).encode())
        if hidden != path:  # others see a file that is complete and locked, or none
            hidden.rename(path)
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)  # Windows: only after the file is closed
        os.close(descriptor)
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _count(folder: Path, mine: str, used: Used | None) -> Beside:
    """Count the locked files of this machine, and remove those that nobody locks."""
    machine = system_start()  # several machines may share a cache
    names = [path for path in folder.glob("*") if path.name != mine and not path.name.startswith(".")]
    others = [path for path in names if _is_locked(path) and path.name.startswith(machine)]
    sharing = sum(_may_share(used, path) for path in others)
    return Beside(sharing, len(others) - sharing)


def _may_share(used: Used | None, path: Path) -> bool:
    """Return whether another trial may share something. One whose file cannot be read counts as sharing."""
    if used is None:
        return False
    try:
        note = json.loads(read_regular(path, MAX_NOTE_BYTES))
        return used.shares_with(Used(frozenset(map(int, note["cpus"])), str(note["device"])))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return True


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

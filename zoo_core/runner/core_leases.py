"""Lends cores of this machine to trials of several processes, so that no two of them get the same one.

A core is lent by the lock of a file in the cache, which vanishes with its process.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

from zoo_core.files import cache_dir, system_start
from zoo_core.measure.cores import can_pin, usable_cpus, whole_cores


@contextlib.contextmanager
def leased_cores(number: int) -> Iterator[tuple[int, ...]]:
    """Borrow whole cores with at least `number` logical CPUs for the block; yield these, or none if too few are free.

    Nothing is lent where this system cannot pin a process, or where the cache takes no files.
    """
    with contextlib.ExitStack() as held:
        cpus: list[int] = []
        if can_pin() and sys.platform != "win32":
            with contextlib.suppress(OSError):
                for core in whole_cores(usable_cpus()):
                    if len(cpus) < number and _lend(core, held):
                        cpus += core
        if len(cpus) < number:
            held.close()  # others may be able to use them
            cpus = []
        yield tuple(cpus)


def _lend(core: tuple[int, ...], held: contextlib.ExitStack) -> bool:
    """Lock the file of a core until `held` ends; return False if another process has locked it."""
    if sys.platform == "win32":
        return False
    import fcntl

    folder = cache_dir() / "cores"
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{system_start()}-{'-'.join(map(str, core))}"  # several machines may share a cache
    descriptor = os.open(folder / name, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return False
    held.callback(os.close, descriptor)
    return True

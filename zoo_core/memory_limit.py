"""Limits the memory that this process may take while it handles a file from elsewhere. Linux only."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

MIB, GIB = 2**20, 2**30
THREAD_BYTES = 16 * MIB  # of address space that a new thread takes for its stack, hardly any of it used


@contextlib.contextmanager
def at_most(extra: int) -> Iterator[None]:
    """Let this process take at most `extra` bytes more inside the block; an allocation beyond that raises an error.

    Python raises MemoryError, torch RuntimeError (see `is_out_of_memory`). Files that are mapped for reading only do
    not count. On other systems than Linux, and under a lower limit of the user, this changes nothing.
    """
    if sys.platform != "linux":
        yield
        return
    import resource

    soft, hard = before = resource.getrlimit(resource.RLIMIT_DATA)
    lowest = min((value for value in before if value != resource.RLIM_INFINITY), default=None)
    limit = _taken() + extra + bytes_of_threads()
    if lowest is not None and lowest <= limit:
        yield
        return
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory could not be allocated."""
    text = str(error)
    return isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and ("not enough memory" in text or "can't allocate memory" in text)
    )


def bytes_of_threads() -> int:
    """Return the bytes that the stacks of a thread for each core take: torch may start them at any time."""
    return THREAD_BYTES * (os.cpu_count() or 1)


def _taken() -> int:
    """Return the bytes that the kernel compares with the limit: private memory that this process may write to."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0

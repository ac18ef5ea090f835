"""Limits the memory that this process may take while it handles a file from elsewhere. Linux only."""

from __future__ import annotations

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

# What libraries say when memory is missing, in RuntimeErrors: torch's allocators of CPU, CUDA, HIP, MPS and XPU; the
# CUDA runtime; cuBLAS, cuDNN, cuFFT, cuSOLVER and cuSPARSE, and AMD's hipBLAS and MIOpen; SYCL's unified runtime.
OUT_OF_MEMORY = re.compile(
    r"out of memory|not enough memory|can't allocate memory|std::bad_alloc|cudaErrorMemoryAllocation"
    r"|_ALLOC_FAILED|_ALLOCATION_FAILED|_OUT_OF_(?:DEVICE_|HOST_)?MEMORY|UR_RESULT_ERROR_OUT_OF_RESOURCES",
    re.IGNORECASE,
)
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
    """Return whether an error, or one that it was raised from, says that memory could not be allocated.

    >>> is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    True
    """
    seen: list[BaseException] = []
    item: BaseException | None = error
    while item is not None and item not in seen:
        seen.append(item)
        if _says_out_of_memory(item):
            return True
        item = item.__cause__
    return False


def _says_out_of_memory(error: BaseException) -> bool:
    """Return whether this one error is torch's or Python's own for missing memory, or has the words of a library."""
    if isinstance(error, MemoryError) or any(base.__name__ == "OutOfMemoryError" for base in type(error).__mro__):
        return True
    return isinstance(error, RuntimeError) and OUT_OF_MEMORY.search(str(error)) is not None


def bytes_of_threads() -> int:
    """Return the bytes that the stacks of a thread for each core take: torch may start them at any time."""
    return THREAD_BYTES * (os.cpu_count() or 1)


def _taken() -> int:
    """Return the bytes that the kernel compares with the limit: private memory that this process may write to."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmData:"):
            return int(line.split()[1]) * 1024
    return 0

"""The worker inside the sandbox: sets the limits of its processes, and does the job that it reads."""

from __future__ import annotations

import os
import platform
import re
import sys
from multiprocessing.connection import Connection
from pathlib import Path

from zoo_core.files import cache_dir
from zoo_core.memory_limit import bytes_of_threads
from zoo_core.runner import events, worker
from zoo_core.runner.sandbox import INSIDE

MAX_FILE_BYTES = 2**32
MAX_THREADS, MAX_THREADS_PER_CORE = 512, 16  # of all processes; Linux does not count those of root
COUNTS_BY_NAMESPACE = (5, 14)  # Linux before that also counts the user's processes outside of the sandbox


def main(descriptor: int) -> None:
    """Do the job whose JSON is on standard input, and send its events to the pipe of this descriptor."""
    content = sys.stdin.buffer.read()
    _limit(int(os.environ[INSIDE]), on_cpu=getattr(events.decode_job(content), "device", "cpu") == "cpu")
    worker.main(Connection(descriptor, readable=False), content, dict(os.environ))


def _limit(memory: int, *, on_cpu: bool) -> None:
    """Limit what each process may take, here and in its children.

    Cached data that are mapped count as memory of the process, so they come on top. The drivers of accelerators reserve
    more addresses than any machine has memory, so that with one only the memory of all processes is watched.
    """
    import resource

    limits = {resource.RLIMIT_CORE: 0, resource.RLIMIT_FSIZE: MAX_FILE_BYTES}
    if tuple(map(int, re.findall(r"\d+", platform.release())[:2])) >= COUNTS_BY_NAMESPACE:
        limits[resource.RLIMIT_NPROC] = MAX_THREADS + MAX_THREADS_PER_CORE * (os.cpu_count() or 1)
    if on_cpu:
        mapped = sum(path.stat().st_size for path in Path(cache_dir(), "columns").rglob("*") if path.is_file())
        limits[resource.RLIMIT_DATA] = memory + mapped + bytes_of_threads()
    for kind, value in limits.items():
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))

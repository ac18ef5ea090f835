"""Watches the memory that a worker and everything that it has started take together, and ends them beyond a limit.

Memory that processes share counts in parts, so that decoded data, which all trials map, count once.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from zoo_core.memory_limit import MIB

WATCH_S = 0.1
ON_LINUX = sys.platform == "linux"


@dataclass(slots=True)
class Excess:
    """What a worker took too much of, in words; "" so far nothing."""

    reason: str = ""


@contextlib.contextmanager
def watching_memory(root: psutil.Process | None, limit_mib: int) -> Iterator[Excess]:
    """Kill the process `root` and its descendants in the block if they take more than `limit_mib`; 0: no limit."""
    excess = Excess()
    if root is None or not limit_mib:
        yield excess
        return
    done = threading.Event()

    def watch() -> None:
        while not done.wait(WATCH_S):
            if takes_more(family(root.pid), limit_mib * MIB):
                excess.reason = f"it took more than {limit_mib:,} MiB of memory, the limit of --max-memory"
                with contextlib.suppress(psutil.Error):
                    root.kill()  # the executor ends what it leaves behind
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield excess
    finally:
        done.set()
        watcher.join()


def takes_more(pids: list[int], limit: int) -> bool:
    """Return whether processes together take more than `limit` bytes. The exact count is slow, so it comes second."""
    return sum(map(_resident, pids)) > limit and sum(map(_proportional, pids)) > limit


def family(pid: int) -> list[int]:
    """Return the process and all that descend from it."""
    if not ON_LINUX:
        with contextlib.suppress(psutil.Error):
            return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
        return [pid]
    waiting, found = [pid], []
    while waiting:
        parent = waiting.pop()
        found.append(parent)
        with contextlib.suppress(OSError):
            for thread in Path(f"/proc/{parent}/task").iterdir():
                with contextlib.suppress(OSError):
                    waiting += map(int, (thread / "children").read_text().split())
    return found


def _resident(pid: int) -> int:
    if ON_LINUX:
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return 0
    with contextlib.suppress(psutil.Error):
        return int(psutil.Process(pid).memory_info().rss)
    return 0


def _proportional(pid: int) -> int:
    """Return the memory of a process with its share of what it shares with others."""
    if not ON_LINUX:
        return _resident(pid)
    with contextlib.suppress(OSError, ValueError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0

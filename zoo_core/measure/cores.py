"""Divides the cores of the CPU among trials that run at the same time, and pins a process to its share.

Two logical CPUs of one core are never given to two trials: they would share its arithmetic units.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

import psutil

TOPOLOGY = Path("/sys/devices/system/cpu")


def usable_cpus() -> frozenset[int]:
    """Return the numbers of the logical CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(psutil.cpu_count() or 1))


def whole_cores(cpus: Iterable[int], topology: Path = TOPOLOGY) -> list[tuple[int, ...]]:
    """Group logical CPUs by the core that they belong to; each is a core of its own where the system does not tell."""
    groups: dict[str, list[int]] = {}
    for cpu in sorted(cpus):
        core = str(cpu)
        with contextlib.suppress(OSError):
            core = (topology / f"cpu{cpu}" / "topology" / "thread_siblings_list").read_text().strip() or core
        groups.setdefault(core, []).append(cpu)
    return [tuple(group) for group in groups.values()]


def divide(cores: Sequence[tuple[int, ...]], shares: int) -> list[tuple[int, ...]]:
    """Return the logical CPUs of each of `shares` equal shares of whole cores; none if there are too few cores.

    Cores that are left over stay free, so that every trial gets as many as the others.

    >>> divide([(0, 4), (1, 5), (2, 6), (3, 7)], 2)
    [(0, 4, 1, 5), (2, 6, 3, 7)]
    >>> divide([(0,), (1,)], 3)
    []
    """
    each = len(cores) // shares
    if not each:
        return []
    return [tuple(cpu for core in cores[share * each : (share + 1) * each] for cpu in core) for share in range(shares)]


def can_pin() -> bool:
    """Return whether this system can keep a process on some of the CPUs: Linux can, macOS and Windows are not asked."""
    return hasattr(os, "sched_setaffinity")


def pin(cpus: Collection[int]) -> None:
    """Keep this process, and what it starts from now on, on these CPUs; all of them if there are none given.

    A CPU that has gone meanwhile is passed over.
    """
    if cpus and can_pin():
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, cpus)

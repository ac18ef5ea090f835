"""Measures what a process got of the CPU: its CPU seconds, and how long its threads waited for a core."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from pathlib import Path
from time import process_time  # bound before plugins are imported, which could replace it

import psutil

THREADS = Path("/proc/self/task")  # one folder per thread, on Linux


@dataclasses.dataclass
class CpuUse:
    """CPU seconds of the process, and what kept its threads from running.

    wait_s: seconds that threads were ready to run and waited for a core, summed over the threads; None where the
    system does not count them. involuntary_switches: those of the main thread; None outside Linux.
    """

    cpu_s: float = 0.0
    wait_s: float | None = 0.0
    involuntary_switches: int | None = 0


class CpuMeter:
    """Sums the use of the CPU between each `start` and the next `stop`."""

    def __init__(self) -> None:
        self.used = CpuUse()
        self._process = psutil.Process()
        self._began = (0.0, _waits_by_thread(), self._switches())

    def start(self) -> None:
        """Begin to count."""
        self._began = (process_time(), _waits_by_thread(), self._switches())

    def stop(self) -> None:
        """Add what was used since `start`."""
        cpu_s, waits, switches = process_time(), _waits_by_thread(), self._switches()
        cpu_began, waits_began, switches_began = self._began
        self.used.cpu_s += cpu_s - cpu_began
        if self.used.wait_s is not None and waits and waits_began:
            self.used.wait_s += sum(wait - waits_began.get(thread, 0.0) for thread, wait in waits.items())
        else:
            self.used.wait_s = None
        if switches is None or switches_began is None:
            self.used.involuntary_switches = None
        elif self.used.involuntary_switches is not None:
            self.used.involuntary_switches += switches - switches_began

    def _switches(self) -> int | None:
        """How often the system paused the main thread to run another; psutil returns 0 outside Linux."""
        return int(self._process.num_ctx_switches().involuntary) if sys.platform == "linux" else None


def _waits_by_thread() -> dict[str, float]:
    """Return the seconds that each thread has waited for a core, by its number; empty if the system does not tell.

    The second number of `schedstat` is the time on the run queue, in ns (Linux, Documentation/scheduler/sched-stats).
    """
    waits = {}
    for folder in THREADS.iterdir() if THREADS.is_dir() else ():
        with contextlib.suppress(OSError, IndexError, ValueError):  # the thread ended, or a kernel without these counts
            waits[folder.name] = int((folder / "schedstat").read_text().split()[1]) / 1e9
    return waits

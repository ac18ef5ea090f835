"""The clocks of a trial: wall time by phase, and the timed windows around training."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

import psutil
import torch

from zoo_core.results.records import Load


def synchronize(device: str) -> None:
    """Wait until the device has done what it was given; nothing to do on the CPU."""
    if torch.device(device).type != "cpu":
        torch.accelerator.synchronize(torch.device(device))


class Phases:
    """Wall seconds by phase, in the order of first use; `tell` hears of each phase that begins."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self.seconds: dict[str, float] = {}
        self._tell = tell

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        self._tell(name)
        began = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - began)

    def add(self, name: str, seconds: float) -> None:
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds


class TrainingClock:
    """Counts only the windows between `start` and `stop`, the device synchronised at both edges.

    A window belongs to `label`: `train`, or a phase the task announced. `spent_s` is what a cached phase once cost.
    """

    def __init__(self, device: str, phases: Phases) -> None:
        self._device, self._phases = device, phases
        self._process = psutil.Process()
        self._began: float | None = None
        self.label = "train"
        self.windows: dict[str, float] = {}
        self.spent_s = 0.0
        self.cpu_s = 0.0
        self.involuntary_switches = 0

    def start(self) -> None:
        synchronize(self._device)
        self._cpu_began, self._switches_began = time.process_time(), self._switches()
        self._began = time.perf_counter()

    def stop(self) -> None:
        """Close the window; nothing happens if none is open."""
        if self._began is None:
            return
        synchronize(self._device)
        seconds = time.perf_counter() - self._began
        self._began = None
        self.cpu_s += time.process_time() - self._cpu_began
        self.involuntary_switches += self._switches() - self._switches_began
        self.windows[self.label] = self.windows.get(self.label, 0.0) + seconds
        self._phases.add(self.label, seconds)

    def relabel(self, label: str) -> None:
        """Close the window and open one that belongs to `label`."""
        self.stop()
        self.label = label
        self.start()

    def seconds(self, label: str) -> float:
        """Seconds in the windows of one label, the open one included."""
        return self.windows.get(label, 0.0) + (self._running_s() if label == self.label else 0.0)

    @property
    def wall_s(self) -> float:
        """Seconds in windows so far, the open one included."""
        return sum(self.windows.values()) + self._running_s()

    @property
    def train_s(self) -> float:
        """Training seconds: the windows, and what their cached phases once cost."""
        return self.wall_s + self.spent_s

    def _running_s(self) -> float:
        return time.perf_counter() - self._began if self._began is not None else 0.0

    def load(self) -> Load:
        known = sys.platform == "linux"  # elsewhere psutil answers 0
        switches = self.involuntary_switches if known else None
        return Load(cpu_s=self.cpu_s, wall_s=self.wall_s, involuntary_switches=switches)

    def _switches(self) -> int:
        return int(self._process.num_ctx_switches().involuntary)

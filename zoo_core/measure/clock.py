"""The clocks of a trial: wall time by phase, and the timed windows of the training."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator
from time import perf_counter  # bound before plugins are imported, which could replace them

from zoo_core.measure.load import CpuMeter
from zoo_core.results.records import Load
from zoo_core.stopwatch import synchronize


class Phases:
    """Wall seconds by phase, in the order of first use. `on_begin` gets the name of each phase that begins."""

    def __init__(self, on_begin: Callable[[str], None]) -> None:
        self.seconds: dict[str, float] = {}
        self._on_begin = on_begin

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Count the time of the block for the phase `name`."""
        self._on_begin(name)
        began = perf_counter()
        try:
            yield
        finally:
            self.add(name, perf_counter() - began)

    def add(self, name: str, seconds: float) -> None:
        """Add seconds that were measured elsewhere to a phase."""
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds


class TrainingClock:
    """Sums the windows between `start` and `stop`; the device is synchronised at both ends.

    A window is counted under `label`: `train`, or a phase that the task announced. `spent_s`: the seconds that the
    results of cached phases took to compute.
    """

    def __init__(self, device: str, phases: Phases) -> None:
        self._device, self._phases = device, phases
        self._meter = CpuMeter()
        self._began: float | None = None
        self.label = "train"
        self.windows: dict[str, float] = {}
        self.spent_s = 0.0

    def start(self) -> None:
        """Open a window."""
        synchronize(self._device)
        self._meter.start()
        self._began = perf_counter()

    def stop(self) -> None:
        """Close the window, if one is open."""
        if self._began is None:
            return
        synchronize(self._device)
        seconds = perf_counter() - self._began
        self._began = None
        self._meter.stop()
        self.windows[self.label] = self.windows.get(self.label, 0.0) + seconds
        self._phases.add(self.label, seconds)

    def relabel(self, label: str) -> None:
        """Close the window and open another one for `label`."""
        self.stop()
        self.label = label
        self.start()

    def seconds(self, label: str) -> float:
        """Return the seconds in all windows of a label, including the open one."""
        return self.windows.get(label, 0.0) + (self._running_s() if label == self.label else 0.0)

    @property
    def windows_s(self) -> float:
        """Seconds in all windows, including the open one."""
        return sum(self.windows.values()) + self._running_s()

    @property
    def train_s(self) -> float:
        """Training seconds: all windows, plus the seconds that cached phases took to compute."""
        return self.windows_s + self.spent_s

    def _running_s(self) -> float:
        return perf_counter() - self._began if self._began is not None else 0.0

    def load(self) -> Load:
        """Return the machine's load during the windows."""
        return Load(wall_s=self.windows_s, **dataclasses.asdict(self._meter.used))

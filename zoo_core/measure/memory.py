"""Peak memory of a trial: the maximum of the device's allocator; on the CPU, the growth of the resident set."""

from __future__ import annotations

import sys

import psutil
import torch

MIB = 1 << 20


class PeakMemory:
    """Measures the peak memory since its creation."""

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self._resident = psutil.Process().memory_info().rss
        if self._device.type != "cpu":
            torch.accelerator.reset_peak_memory_stats(self._device)

    def mib(self) -> float:
        """Return the peak so far, in MiB."""
        if self._device.type != "cpu":
            return torch.accelerator.max_memory_allocated(self._device) / MIB
        return max(0.0, (_peak_resident() - self._resident) / MIB)


def _peak_resident() -> int:
    """Return the largest resident set of this process so far, in bytes."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

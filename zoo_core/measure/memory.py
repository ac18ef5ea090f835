"""Peak memory of a trial: the maximum of the device's allocator; on the CPU, the growth of the resident set."""

from __future__ import annotations

import sys
from collections.abc import Callable

import psutil
import torch

MIB = 1 << 20


class PeakMemory:
    """Measures the peak memory since its creation.

    unknown_because: why it cannot be measured; "" if it can. A device without these counts, such as MPS in most
    versions of torch, or whose driver refuses them, costs a trial the figure and nothing else.
    """

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self._resident = psutil.Process().memory_info().rss
        self.unknown_because = ""
        if self._device.type != "cpu":
            try:
                torch.accelerator.reset_peak_memory_stats(self._device)
            except (RuntimeError, AttributeError, ValueError) as error:
                self._give_up(error)

    def mib(self) -> float | None:
        """Return the peak so far, in MiB: of the memory that tensors took. None if it is unknown."""
        if self._device.type == "cpu":
            return max(0.0, (_peak_resident() - self._resident) / MIB)
        return self._peak_mib(torch.accelerator.max_memory_allocated)

    def reserved_mib(self) -> float | None:
        """Return the peak of what the allocator held, in MiB: also free blocks. None on the CPU or if unknown."""
        return None if self._device.type == "cpu" else self._peak_mib(torch.accelerator.max_memory_reserved)

    def _peak_mib(self, read: Callable[[torch.device], int]) -> float | None:
        if self.unknown_because:
            return None
        try:
            return read(self._device) / MIB
        except (RuntimeError, AttributeError, ValueError) as error:  # such as of a device that a kernel has broken
            self._give_up(error)
            return None

    def _give_up(self, error: Exception) -> None:
        first_line = str(error).partition("\n")[0]
        self.unknown_because = f"{self._device.type} does not tell how much memory was taken: {first_line}"


def _peak_resident() -> int:
    """Return the largest resident set of this process so far, in bytes."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

"""Times calls by the zoo's clock, for `Context.time_calls`. Imports torch only to wait for an accelerator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter  # bound before plugins are imported, which could replace it

MAX_CALLS = 1_000_000  # in one repeat


@dataclass(frozen=True, slots=True)
class Timing:
    """How long a call takes.

    seconds: of one call, by repeat: the mean over the `calls` of that repeat.

    >>> Timing((0.2, 0.1, 0.4), calls=5).median_s
    0.2
    """

    seconds: tuple[float, ...]
    calls: int

    @property
    def median_s(self) -> float:
        """Median over the repeats."""
        import statistics  # slow to import, and `zoo list` does not need it

        return statistics.median(self.seconds)


def synchronize(device: str) -> None:
    """Wait until the device has finished its work; returns at once on the CPU."""
    if device.partition(":")[0] != "cpu":
        import torch

        torch.accelerator.synchronize(torch.device(device))


def time_calls(call: Callable[[], object], device: str, *, repeats: int, at_least_s: float) -> Timing:
    """Time `repeats` repeats of a call, synchronised at both edges of each, after a warm-up.

    Each repeat has as many calls as take `at_least_s`, by the last call of the warm-up, so that the clock's own cost
    does not count.
    """
    seconds_of(call, device, 1)  # the first call may compile, or allocate
    calls = 1
    while (spent := seconds_of(call, device, calls)) < at_least_s and calls < MAX_CALLS:
        # Few calls say little about many, so a repeat grows by at most ten times in one go.
        calls = min(MAX_CALLS, 10 * calls, max(calls + 1, round(1.2 * calls * at_least_s / max(spent, 1e-9))))
    return Timing(tuple(seconds_of(call, device, calls) / calls for _ in range(repeats)), calls)


def seconds_of(call: Callable[[], object], device: str, calls: int) -> float:
    """Return the seconds that this many calls take together."""
    synchronize(device)
    began = perf_counter()
    for _ in range(calls):
        call()
    synchronize(device)
    return perf_counter() - began

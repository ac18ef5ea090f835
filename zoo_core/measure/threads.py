"""Chooses the number of CPU threads for a trial without `--threads`.

Small nets run on one thread: more threads mostly wait for each other. While another process is busy, their OpenMP
barriers make training up to thirty times slower.
"""

from __future__ import annotations

SMALL_BATCH_FLOPS = 200e6  # forward FLOPs of a training batch; below this, one thread is as fast as many
SMALL_PARAMETERS = 1_000_000  # used if the FLOPs are unknown


def thread_rule(batch_flops: float | None, parameters: int, cores: int) -> int:
    """Return 1 for small models, else the number of cores."""
    small = parameters < SMALL_PARAMETERS if batch_flops is None else batch_flops < SMALL_BATCH_FLOPS
    return 1 if small else cores

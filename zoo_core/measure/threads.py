"""How many threads a trial gets on the CPU, unless `--threads` says so.

Small nets run on one thread: two of them only wait for each other, and while another process is busy their OpenMP
barriers cost up to thirty times the work.
"""

from __future__ import annotations

SMALL_BATCH_FLOPS = 200e6  # forward FLOPs of a training batch under which one thread is as fast as many
SMALL_PARAMETERS = 1_000_000  # where the FLOPs are not known


def thread_rule(batch_flops: float | None, parameters: int, cores: int) -> int:
    """One thread for small work, else every core."""
    small = parameters < SMALL_PARAMETERS if batch_flops is None else batch_flops < SMALL_BATCH_FLOPS
    return 1 if small else cores

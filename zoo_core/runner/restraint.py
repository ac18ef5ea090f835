"""Limits what a checkpoint from elsewhere can make this process do: the memory and the time of building its model."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil

from zoo_core import memory_limit
from zoo_core.errors import IncompatibleError, ZooError
from zoo_core.memory_limit import GIB, MIB
from zoo_core.reasons import reason_of

# A model must have exactly the tensors of its checkpoint; initialising them takes a few times their size.
BUILD_MEMORY = 4  # times the size of the file
BUILD_MEMORY_FREE = 2 * GIB  # for what is in no checkpoint, such as tables of positions
BUILD_S, BUILD_S_PER_BYTE = 60.0, 1.0 / (10 * MIB)


class _TooLongError(Exception):
    """Building took too long."""


@contextlib.contextmanager
def restrained_build(checkpoint: Path) -> Iterator[None]:
    """Build a checkpoint's model in the block, in bounded memory and time. Raises IncompatibleError with the reason."""
    size = checkpoint.stat().st_size
    seconds = BUILD_S + BUILD_S_PER_BYTE * size
    try:
        with memory_limit.at_most(BUILD_MEMORY * size + BUILD_MEMORY_FREE), _time_limit(seconds):
            yield
    except ZooError:
        raise
    except _TooLongError:
        raise IncompatibleError(
            f"checkpoint {checkpoint}: building its model takes more than {seconds:.0f} s, too long for {size} bytes"
        ) from None
    except (Exception, SystemExit) as error:  # the options in the header reach the plugin's code
        if memory_limit.is_out_of_memory(error):
            raise IncompatibleError(
                f"checkpoint {checkpoint}: building its model takes more memory than its {size} bytes explain"
            ) from None
        raise IncompatibleError(
            f"checkpoint {checkpoint}: its model cannot be built with the options in its header ({reason_of(error)})"
        ) from error


@contextlib.contextmanager
def restrained_use(checkpoint: Path, device: str) -> Iterator[None]:
    """Use a checkpoint's model in the block. On a CPU, it may take no more memory than this machine has free.

    Raises IncompatibleError if it takes more. On an accelerator there is no limit: drivers reserve far more addresses.
    """
    free = psutil.virtual_memory().available
    limited = memory_limit.at_most(free) if device == "cpu" else contextlib.nullcontext()
    try:
        with limited:
            yield
    except (RuntimeError, MemoryError) as error:
        if not memory_limit.is_out_of_memory(error):
            raise
        there = f"the {free // MIB} MiB that are free here" if device == "cpu" else f"{device} has free"
        raise IncompatibleError(f"checkpoint {checkpoint}: its model takes more memory than {there}") from None


@contextlib.contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Raise _TooLongError in the block after some seconds, where the system has timers, and in the main thread."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(*_: object) -> None:
        raise _TooLongError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)

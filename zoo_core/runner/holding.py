"""Holds signals that would end the run while a finished trial is saved, so that a second Ctrl-C does not lose it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


@contextlib.contextmanager
def holding_signals() -> Iterator[list[int]]:
    """Yield a list to which each signal that arrives in the block is added; the caller ends the run then.

    Other threads than the main one can neither receive nor hold signals.
    """
    arrived: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield arrived
        return
    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    before: dict[int, Any] = {number: signal.getsignal(number) for number in numbers}
    held = [number for number in numbers if callable(before[number])]  # what is ignored stays ignored
    try:
        for number in held:
            signal.signal(number, lambda found, _: arrived.append(found))
        yield arrived
    finally:
        for number in held:
            signal.signal(number, before[number])

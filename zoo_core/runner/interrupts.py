"""Requests to end act as Ctrl-C, and can be put off until a piece of work is complete, so that no trial is lost."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

# SIGHUP: the terminal is gone. Names, because Windows lacks some of these signals.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


@dataclass(slots=True)
class Interrupts:
    """Is a signal handler. `requested`: whether a signal asked this process to stop."""

    requested: bool = False
    _newer: dict[int, Interrupts] = field(default_factory=dict)  # by thread

    def __call__(self, *_: object) -> None:
        self.requested = True
        for newer in list(self._newer.values()):
            newer.requested = True

    @contextlib.contextmanager
    def set_aside(self) -> Iterator[None]:
        """Let calls of `deferred_interrupts` in the block, in this thread, see only signals that come from now on."""
        self._newer[threading.get_ident()] = Interrupts()
        try:
            yield
        finally:
            del self._newer[threading.get_ident()]

    @property
    def of_this_thread(self) -> Interrupts:
        """The note for this thread: another one inside of `set_aside`."""
        return self._newer.get(threading.get_ident(), self)


def stop_on_signals() -> None:
    """Let SIGTERM, and SIGHUP when the terminal is closed, do what Ctrl-C does; not if ignored, as under `nohup`."""
    for number in SIGNALS:
        if number != signal.SIGINT and signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _raise_interrupt)


def _raise_interrupt(*_: object) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def deferred_interrupts() -> Iterator[Interrupts]:
    """Note signals during the block instead of raising KeyboardInterrupt; the block and its caller look at the note.

    A block inside another one shares its note. Signals that the caller ignores, as under `nohup`, stay ignored. Only
    the main thread can set handlers: in other threads nothing is noted.
    """
    around = signal.getsignal(signal.SIGINT)
    if isinstance(around, Interrupts):
        yield around.of_this_thread
        return
    interrupts, before = Interrupts(), {}
    if threading.current_thread() is threading.main_thread():
        handlers = {number: signal.getsignal(number) for number in SIGNALS}
        before = {number: old for number, old in handlers.items() if old not in (signal.SIG_IGN, None)}
    for number in before:
        signal.signal(number, interrupts)
    try:
        yield interrupts
    finally:
        for number, old in before.items():
            signal.signal(number, old)

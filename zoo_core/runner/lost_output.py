"""Starts processes although standard output or error cannot be written: their reader is gone, or their disk is full."""

from __future__ import annotations

import contextlib
import os
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TextIO

START_ATTEMPTS = 3


def start_process(process: BaseProcess) -> None:
    """Start a process, also where standard output or error cannot be written. Raises OSError if it does not start.

    multiprocessing flushes both streams first. What they hold is dropped if that fails; the next line that is written
    fails again, so that the display still learns why its output is lost.
    """
    for _ in range(START_ATTEMPTS - 1):  # another thread may write a line meanwhile
        try:
            return process.start()
        except OSError:
            lost = [_drop_unwritable(stream) for stream in (sys.stdout, sys.stderr)]  # both, not only the first
            if True not in lost:
                raise
    return process.start()


def _drop_unwritable(stream: TextIO | None) -> bool:
    """Empty a stream that holds what cannot be written; return whether it was one. It stays open on the same file."""
    try:
        if stream is not None:
            stream.flush()
    except ValueError:  # it is closed
        pass
    except OSError:
        assert stream is not None
        with contextlib.suppress(OSError, ValueError), Path(os.devnull).open("wb") as nowhere:
            number = stream.fileno()
            lost = os.dup(number)
            try:
                os.dup2(nowhere.fileno(), number)
                stream.flush()
            finally:
                os.dup2(lost, number)
                os.close(lost)
        return True
    return False

"""The file with a worker's output: limited while the trial runs, shortened and read when it has ended.

Plugin code may replace the file by a link or a pipe, so only a regular file without other names is opened.
"""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from zoo_core.runner.worker import LOG

MAX_TAIL_BYTES = 8_000  # of a dead worker's output, in its record
MAX_BYTES = 64_000  # of a worker's output, in a file next to its record
MAX_GROWING_BYTES = (
    64 << 20
)  # of that file while the trial runs: a plugin that prints without end must not fill the disk
INTERVAL_S = 1.0


def read_log_tail(staging: Path) -> str:
    """Return the end of the worker's output. Also shorten its log file, or remove it if it is empty.

    A file that cannot be read or written stays as it is: the log is no part of the result.
    """
    log, content = staging / LOG, b""
    with contextlib.suppress(OSError):
        with _open_regular(log) as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(0, size - MAX_BYTES))
            content = file.read(MAX_BYTES)
            if size > MAX_BYTES:
                file.seek(0)
                file.write(content)
                file.truncate()
        if not content:
            log.unlink()
    return content[-MAX_TAIL_BYTES:].decode("utf-8", "replace")


@contextlib.contextmanager
def limiting_log(staging: Path) -> Iterator[None]:
    """Empty the log file in the block whenever it exceeds MAX_GROWING_BYTES, and note that in the file."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(INTERVAL_S):
            with contextlib.suppress(OSError):
                _empty_if_large(staging / LOG)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _empty_if_large(log: Path) -> None:
    if log.lstat().st_size > MAX_GROWING_BYTES:
        with _open_regular(log) as file:
            size = os.fstat(file.fileno()).st_size
            file.truncate(0)  # the worker appends, so it goes on at the new end
            file.write(f"... {size:,} bytes of output were dropped\n".encode())


def _open_regular(path: Path) -> BinaryIO:
    """Open a regular file for reading and writing. Raises OSError for anything else."""

    def open_as_it_is(name: str, flags: int) -> int:
        return os.open(name, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))

    file = open(path, "r+b", buffering=0, opener=open_as_it_is)  # noqa: SIM115 - Path.open takes no opener
    found = os.fstat(file.fileno())
    if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:
        file.close()
        raise OSError(f"{path} is not a regular file of its own")
    return cast(BinaryIO, file)

"""Watches what the code in this process does beside its work: hosts it calls, files it writes, processes it leaves.

Once watched, a process stays watched: Python's audit hooks cannot be taken back. So only workers are.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zoo_core.errors import OfflineError

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT
HARMLESS = ("/dev/", "/proc/")
HELPER = "multiprocessing.resource_tracker"  # Python's own, which ends by itself


class Watch:
    """What was seen since it was made; files below `allowed`, and Python's compiled ones, do not count."""

    def __init__(self, allowed: Sequence[Path]) -> None:
        self.hosts: list[str] = []
        self.files: list[str] = []
        self._allowed = tuple(str(path.resolve()) + os.sep for path in allowed)
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.getaddrinfo":
            self._refuse(f"looked up host {arguments[0]!r}")
        elif event == "socket.connect" and isinstance(arguments[1], tuple):
            self._refuse(f"connected to {arguments[1]!r}")
        elif event == "os.mkdir" or (event == "open" and _writes(arguments[1], arguments[2])):
            self._note(arguments[0])
        elif event == "os.rename":
            self._note(arguments[1])

    def _refuse(self, what: str) -> None:
        self.hosts.append(what)
        raise OfflineError(f"something {what}: checks run without a network")

    def _note(self, name: Any) -> None:
        if not isinstance(name, str | bytes | os.PathLike):  # a file descriptor that is open already
            return
        path = os.path.realpath(os.fsdecode(name))
        if "__pycache__" in path or path.startswith(HARMLESS) or (path + os.sep).startswith(self._allowed):
            return
        if path not in self.files:
            self.files.append(path)


def _writes(mode: Any, flags: Any) -> bool:
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return bool((flags or 0) & WRITES)


def left_processes() -> list[str]:
    """The command lines of this process's children, and of all others of its session."""
    import psutil

    own, found = os.getpid(), {process.pid: process for process in psutil.Process().children(recursive=True)}
    if hasattr(os, "getsid") and os.getsid(0) == own:
        for process in psutil.process_iter():
            with contextlib.suppress(OSError, psutil.Error):
                if process.pid != own and os.getsid(process.pid) == own:
                    found[process.pid] = process
    lines = []
    for process in found.values():
        with contextlib.suppress(psutil.Error):
            line = " ".join(process.cmdline()) or process.name()
            if HELPER not in line and process.status() != psutil.STATUS_ZOMBIE:
                lines.append(line)
    return lines

"""Watches the side effects of code in this process: hosts contacted, files written, processes left running.

Python cannot remove an audit hook. A watched process stays watched, so only workers are watched.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zoo_core.errors import OfflineError

WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT
IGNORED_FOLDERS = ("/dev/", "/proc/")
RESOURCE_TRACKER = "multiprocessing.resource_tracker"  # a helper process of Python, which ends by itself


class Watch:
    """Records hosts and files from now on. Files below `allowed` and compiled Python files do not count."""

    def __init__(self, allowed: Sequence[Path]) -> None:
        self.hosts: list[str] = []
        self.files: list[str] = []
        self._allowed = tuple(str(path.resolve()) + os.sep for path in allowed)
        sys.addaudithook(self._audit)

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.getaddrinfo":
            self._refuse_connection(f"looked up host {arguments[0]!r}")
        elif event == "socket.connect" and isinstance(arguments[1], tuple):
            self._refuse_connection(f"connected to {arguments[1]!r}")
        elif event == "os.mkdir" or (event == "open" and _opens_for_writing(arguments[1], arguments[2])):
            self._record_file(arguments[0])
        elif event == "os.rename":
            self._record_file(arguments[1])

    def _refuse_connection(self, action: str) -> None:
        self.hosts.append(action)
        raise OfflineError(f"the code {action}: checks run without a network")

    def _record_file(self, name: Any) -> None:
        if not isinstance(name, str | bytes | os.PathLike):  # an open file descriptor
            return
        path = os.path.realpath(os.fsdecode(name))
        if "__pycache__" in path or path.startswith(IGNORED_FOLDERS) or (path + os.sep).startswith(self._allowed):
            return
        if path not in self.files:
            self.files.append(path)


def _opens_for_writing(mode: Any, flags: Any) -> bool:
    if isinstance(mode, str):
        return any(letter in mode for letter in "wax+")
    return bool((flags or 0) & WRITE_FLAGS)


def find_leftover_processes() -> list[str]:
    """Return the command lines of this process's descendants and of other processes in its session."""
    import psutil

    own_pid = os.getpid()
    leftovers = {process.pid: process for process in psutil.Process().children(recursive=True)}
    if hasattr(os, "getsid") and os.getsid(0) == own_pid:
        for process in psutil.process_iter():
            with contextlib.suppress(OSError, psutil.Error):
                if process.pid != own_pid and os.getsid(process.pid) == own_pid:
                    leftovers[process.pid] = process
    lines = []
    for process in leftovers.values():
        with contextlib.suppress(psutil.Error):
            line = " ".join(process.cmdline()) or process.name()
            if RESOURCE_TRACKER not in line and process.status() != psutil.STATUS_ZOMBIE:
                lines.append(line)
    return lines

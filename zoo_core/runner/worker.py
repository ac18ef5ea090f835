"""The child process: does one job, tells of it in events, and is gone when its parent is."""

from __future__ import annotations

import contextlib
import faulthandler
import importlib
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path

from zoo_core.entries import resolve_entry
from zoo_core.errors import OfflineError, UsageError, ZooError
from zoo_core.runner import events
from zoo_core.runner.events import Event

# What a trial imports in any case; a fork server has it ready.
PRELOAD = [
    "zoo_core.runner.trial",
    "zoo_core.kinds.supervised",
    "torch._dynamo",  # 1.5 s at the first optimizer step otherwise
]
LOG = "log.txt"

Send = Callable[[Event], None]


def main(connection: Connection, content: bytes, environment: Mapping[str, str]) -> None:
    """Do the job in `content` and send its events; the process ends with its parent, and takes its children along.

    `environment`: the parent's variables now. A fork server keeps those that it was started with.
    """
    os.environ.clear()
    os.environ.update(environment)
    _own_session()
    threading.Thread(target=_follow_parent, daemon=True).start()
    job = events.decode_job(content)

    def send(event: Event) -> None:
        content = events.encode(event)
        events.decode_event(
            content
        )  # what a plugin put in may not be what an event holds: it is told here, where it is
        connection.send_bytes(content)

    if job.log_folder:
        _write_output_to(Path(job.log_folder) / LOG)
    if job.refuses_network:
        refuse_network()
    # The one place where whatever a plugin raises, SystemExit included, becomes an event instead of a traceback here.
    try:
        handle = resolve_entry(job.handler)
        if job.sends_events:
            handle(job, send)
        else:
            send(events.Found(value=handle(job)))
    except ZooError as error:
        send(events.Refused(error=type(error).__name__, reason=str(error)))
    except BaseException:
        send(events.Refused(error="", reason=traceback.format_exc()))
    connection.close()


def do_nothing() -> None:
    """A process that shows that processes can be started."""


def _own_session() -> None:
    """A session of its own, so that Ctrl-C reaches only the parent, and the whole group can be ended at once."""
    if hasattr(os, "setsid"):
        with contextlib.suppress(OSError):  # already a leader
            os.setsid()


def _follow_parent() -> None:
    parent = parent_process()
    if parent is not None:
        _let_the_kernel_follow(parent.sentinel)
        wait([parent.sentinel])
        end_group()


def _let_the_kernel_follow(sentinel: int) -> None:
    """On Linux the kernel ends the group when the parent's pipe closes: a thread waits while C code keeps the GIL."""
    if sys.platform == "linux":
        import fcntl

        set_signal = 10  # F_SETSIG, which fcntl does not name
        fcntl.fcntl(sentinel, fcntl.F_SETOWN, -os.getpgid(0))
        fcntl.fcntl(sentinel, set_signal, signal.SIGKILL)
        fcntl.fcntl(sentinel, fcntl.F_SETFL, fcntl.fcntl(sentinel, fcntl.F_GETFL) | os.O_ASYNC)


def end_group() -> None:
    """End this process and all of its group, now."""
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _write_output_to(path: Path) -> None:
    """What the trial's code prints, and the stack of a crash, go to a file and not into the parent's display."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
    faulthandler.enable(sys.stderr)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)


def refuse_network() -> None:
    """From now on this process may not look up or connect to a host; sockets within the machine's files still work."""

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if event == "socket.getaddrinfo":
            raise OfflineError(f"--offline: something looked up host {arguments[0]!r}")
        if event == "socket.connect" and isinstance(arguments[1], tuple):
            raise OfflineError(f"--offline: something connected to {arguments[1]!r}")

    sys.addaudithook(audit)


def refused(event: events.Refused) -> ZooError:
    """The error a worker refused a job with, as it was raised there."""
    kind = getattr(importlib.import_module("zoo_core.errors"), event.error or "ZooError")
    error: ZooError = ZooError.__new__(kind if issubclass(kind, ZooError) else UsageError)
    error.args = (event.reason,)
    return error

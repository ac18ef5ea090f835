"""The worker process: does one job, sends events about it, and ends when its parent ends."""

from __future__ import annotations

import contextlib
import faulthandler
import io
import logging
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from multiprocessing import parent_process
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from zoo_core import errors, memory_limit
from zoo_core.entries import resolve_entry
from zoo_core.errors import OfflineError, ZooError, machine_error_of
from zoo_core.kinds import KINDS
from zoo_core.measure import cores
from zoo_core.reasons import reason_of
from zoo_core.runner import events, processes, sandbox
from zoo_core.runner.events import Event
from zoo_core.runner.inbox import MAX_MESSAGE_BYTES, MAX_MESSAGE_MIB
from zoo_core.runner.limits import cut, cut_middle

# Modules that every trial imports; the fork server imports them in advance.
PRELOAD = [
    "zoo_core.runner.handlers",
    "zoo_core.runner.trial",
    *(kind.task_entry.partition(":")[0] for kind in KINDS.values()),
    "zoo_core.kinds.examples",
    "torch._dynamo",  # 1.5 s at the first optimizer step otherwise
    "numpy.ma",  # for `np.median`
    *(f"PIL.{name}ImagePlugin" for name in ("Bmp", "Gif", "Jpeg", "Png", "Ppm")),  # for the first picture that is saved
]
LOG = "log.txt"

Send = Callable[[Event], None]


def main(connection: Connection, content: bytes, environment: Mapping[str, str]) -> None:
    """Do the job in `content` and send its events. If the parent ends, this process and its children are killed.

    environment: the parent's environment variables at the time of the call. Those of the fork server may be older.
    """
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # the fork server had looked TMPDIR up already
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the fork server has a handler
    _start_session()
    processes.become_adopter()
    threading.Thread(target=_end_with_parent, daemon=True).start()
    job = events.decode_job(content)
    cores.pin(getattr(job, "cpus", ()))

    sending = threading.Lock()  # a thread of the plugin may import code, which is an event too

    def send(event: Event) -> None:
        message = events.encode(event)
        if len(message) > MAX_MESSAGE_BYTES:
            size = f"{len(message) >> 20} MiB, but at most {MAX_MESSAGE_MIB} MiB can be sent"
            raise ZooError(f"the event {type(event).__name__} has {size}")
        events.decode_event(message)  # values from a plugin may be invalid: validated here, so that the error names it
        with sending:
            connection.send_bytes(message)

    # Plugin code may raise anything, even SystemExit. It becomes an event, so that the parent can report it.
    try:
        if job.log_folder:
            _redirect_output(Path(job.log_folder) / LOG)
        else:
            os.dup2(2, 1)  # what plugin code prints must not mix with the JSON of the command
        if job.refuses_network:
            refuse_network()
        handler, sends_events = sandbox.handler_of(job)
        handle = resolve_entry(handler)
        with _memory_limit(job):
            if sends_events:
                handle(job, send)
            else:
                send(events.JobResult(value=handle(job)))
    except BaseException as error:
        send(_failure(error))
    connection.close()
    parent = parent_process()
    if parent is not None and parent.pid == os.getppid():  # the orphans of a fork become the fork server's
        processes.end_children()


def _memory_limit(job: events.Job) -> AbstractContextManager[None]:
    """Let an allocation beyond the job's limit fail at once: the watch in the parent looks ten times a second.

    Drivers of accelerators reserve more addresses than any machine has memory, and a sandbox limits its own processes.
    """
    limit_mib = getattr(job, "max_memory_mib", 0)
    if not limit_mib or getattr(job, "device", "cpu") != "cpu" or getattr(job, "sandbox", False):
        return contextlib.nullcontext()
    return memory_limit.at_most(limit_mib * memory_limit.MIB)


def _failure(error: BaseException) -> events.JobFailed:
    """Describe an error to the parent: a fault of the machine, an error of the zoo, or any other exception."""
    known = machine_error_of(error) or error
    if isinstance(known, ZooError):
        return events.JobFailed(error=_known_class(known), reason=cut(str(known)))
    return events.JobFailed(error="", reason=cut(reason_of(error)), traceback=cut_middle(traceback.format_exc()))


def try_fork() -> None:
    """Exit with 1 if this fork cannot use the accelerator of torch, because the fork server has started its driver.

    The parent starts this first, also to wait until the server is ready. Nothing here calls the driver.
    """
    import torch

    accelerator = torch.accelerator.current_accelerator()
    if accelerator is None:
        return
    is_in_bad_fork = getattr(torch.get_device_module(accelerator), "_is_in_bad_fork", None)
    sys.exit(1 if is_in_bad_fork is None or is_in_bad_fork() else 0)


def _start_session() -> None:
    """Start a new session: Ctrl-C then reaches only the parent, and the whole process group can be killed at once."""
    if hasattr(os, "setsid"):
        with contextlib.suppress(OSError):  # already a session leader
            os.setsid()


def _end_with_parent() -> None:
    """Wait for the end of the parent, then kill this process group."""
    parent = parent_process()
    if parent is not None:
        _kill_group_by_kernel(parent.sentinel)
        wait([parent.sentinel])
        kill_group()


def _kill_group_by_kernel(sentinel: int) -> None:
    """On Linux, have the kernel kill the group when the parent's pipe closes.

    The waiting thread alone is not enough: it cannot run while C code holds the GIL.
    """
    if sys.platform == "linux":
        import fcntl

        set_signal = 10  # F_SETSIG, which the module fcntl lacks
        fcntl.fcntl(sentinel, fcntl.F_SETOWN, -os.getpgid(0))
        fcntl.fcntl(sentinel, set_signal, signal.SIGKILL)
        fcntl.fcntl(sentinel, fcntl.F_SETFL, fcntl.fcntl(sentinel, fcntl.F_GETFL) | os.O_ASYNC)


def kill_group() -> None:
    """Kill this process and its whole group."""
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _redirect_output(path: Path) -> None:
    """Redirect all output, and the stack of a crash, to a file instead of the parent's terminal."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)
    sys.stdout, sys.stderr = _unbuffered(1), _unbuffered(2)
    faulthandler.enable(sys.stderr)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)


def _unbuffered(descriptor: int) -> io.TextIOWrapper:
    """Open a text file that keeps nothing back: half a line is in the log, too, if the process dies."""
    raw: Any = io.FileIO(descriptor, "w", closefd=False)
    return io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)


def refuse_network() -> None:
    """Forbid this process to look up or connect to a host, from now on; Unix domain sockets still work."""

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if event == "socket.getaddrinfo":
            raise OfflineError(f"--offline: something looked up host {arguments[0]!r}")
        if event == "socket.connect" and isinstance(arguments[1], tuple):
            raise OfflineError(f"--offline: something connected to {arguments[1]!r}")

    sys.addaudithook(audit)


def _known_class(error: ZooError) -> str:
    """Return the name of the error's class, or for a plugin's own subclass that of its base in `zoo_core.errors`."""
    return next(base.__name__ for base in type(error).__mro__ if base.__module__ == errors.__name__)


def error_of(event: events.JobFailed) -> ZooError:
    """Rebuild the ZooError that a worker raised from its event.

    Constructors take different arguments, so the object is made without calling one.
    """
    error_type = getattr(errors, event.error, ZooError)
    is_error = isinstance(error_type, type) and issubclass(error_type, ZooError)
    error: ZooError = ZooError.__new__(error_type if is_error else ZooError)
    error.args = (event.reason,)
    return error

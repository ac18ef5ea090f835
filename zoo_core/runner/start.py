"""Starts worker processes and the fork server, without the caller's script and before files of its folder."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import ModuleType

from zoo_core.entries.loaded import stdlib_first
from zoo_core.errors import MachineError, machine_error_of

# Torch reads these when it is imported. Waiting threads must not spin (see measure/threads.py), and large pages make
# convolutions up to a third faster. Values that the user has set are kept.
ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE", "THP_MEM_ALLOC_ENABLE": "1"}
NO_PROCESS = (
    "no worker process can be started: the machine is short of memory or processes, or the limits on memory "
    "(`ulimit -v`), open files (`ulimit -n`) or processes (`ulimit -u`) are too low"
)
SAFE_PATH = "PYTHONSAFEPATH"  # a new Python process then does not search the current folder for modules


@contextlib.contextmanager
def starting_process() -> Iterator[None]:
    """Prepare this process for the start of a child.

    `__main__` is replaced by an empty module: multiprocessing would run the caller's script or notebook again in every
    child. All code of a worker is in modules.

    The child does not search the current folder before Python's own modules: a file such as `random.py` there would
    replace Python's module of that name. The folders of the caller's `sys.path` come after these modules.

    Raises MachineError if the system does not let the process start, or kills the server that starts it.
    """
    main, path, safe = sys.modules["__main__"], sys.path[:], os.environ.get(SAFE_PATH)
    sys.modules["__main__"] = ModuleType("__main__")
    sys.path[:] = stdlib_first(path)
    os.environ[SAFE_PATH] = "1"
    try:
        yield
    except (OSError, EOFError) as error:
        raise machine_error_of(error) or MachineError(NO_PROCESS) from error
    finally:
        sys.modules["__main__"] = main
        sys.path[:] = path
        if safe is None:
            del os.environ[SAFE_PATH]
        else:
            os.environ[SAFE_PATH] = safe


def start_server() -> None:
    """Start the fork server with SIGINT ignored: Ctrl-C would print a traceback of its imports."""
    if threading.current_thread() is not threading.main_thread():  # other threads cannot set signal handlers
        return
    from multiprocessing import forkserver  # POSIX only

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with starting_process():
            forkserver.ensure_running()
    finally:
        signal.signal(signal.SIGINT, before)

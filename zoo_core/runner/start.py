"""Starts workers: with a fresh interpreter, or as forks of a server that has already imported torch.

`Start.worker` is where a worker process begins. It starts without the caller's script and before files of its folder.
No start waits for ever: a fork server that hangs is killed, which ends the wait.
"""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from types import ModuleType

import psutil

from zoo_core.entries.loaded import stdlib_first
from zoo_core.errors import MachineError, machine_error_of
from zoo_core.runner import processes, serving, worker
from zoo_core.runner.inbox import Inbox
from zoo_core.runner.interrupts import Interrupts
from zoo_core.runner.lost_output import start_process

if sys.platform != "win32":
    from multiprocessing import forkserver, resource_tracker

# Torch reads these when it is imported. Waiting threads must not spin (see measure/threads.py), and large pages make
# convolutions up to a third faster. The profiler must not write into a trial's output. Values that the user has set are
# kept.
ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE", "THP_MEM_ALLOC_ENABLE": "1", "KINETO_LOG_LEVEL": "99"}
NO_PROCESS = (
    "no worker process can be started: the machine is short of memory or processes, or the limits on memory "
    "(`ulimit -v`), open files (`ulimit -n`) or processes (`ulimit -u`) are too low"
)
SAFE_PATH = "PYTHONSAFEPATH"  # a new Python process then does not search the current folder for modules
SERVER_LIMIT_S = 120.0  # for the fork server to import torch
SPAWN_LIMIT_S = 120.0  # for a fresh interpreter to take its job
FORK_LIMIT_S = 30.0  # for a fork, which takes milliseconds
POLL_S = 0.05
EXIT_TIMEOUT_S = 5.0  # for a worker to end after its last event

# The running workers of this process, which has one fork server. A worker that is about to be known holds the lock.
_forks: set[int] = set()
_without_driver: set[int] = set()  # fork servers that have not started the driver of an accelerator
_one_at_a_time = threading.Lock()
_launching = threading.Lock()  # is held while a fork server is looked at and started


def callers_environment() -> dict[str, str]:
    """Return the caller's environment variables, without those that a start in another thread sets for a moment."""
    with _one_at_a_time:
        return dict(os.environ)


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


@contextlib.contextmanager
def ending(end: Callable[[], None], after_s: float, interrupts: Interrupts) -> Iterator[None]:
    """Call `end` if the block takes too long or the user asks to stop; it kills what the block waits for."""
    done = threading.Event()

    def watch() -> None:
        ends = time.monotonic() + after_s
        while not done.wait(POLL_S):
            if interrupts.requested or time.monotonic() > ends:
                end()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


@dataclass(slots=True)
class Worker:
    """A worker process that has started. `server`: the fork server that it comes from, which adopts its orphans."""

    process: BaseProcess
    inbox: Inbox
    mark: str
    seen: psutil.Process | None
    server: psutil.Process | None = None

    def is_alive(self) -> bool:
        """Return whether it runs. The fork server is not asked: it may be dead."""
        return self.seen is not None and processes.is_alive(self.seen)

    def wait(self) -> bool:
        """Wait until it has ended and its exit code is known, but not for ever; return whether it has ended."""
        ends = time.monotonic() + EXIT_TIMEOUT_S
        while time.monotonic() < ends:
            if not self.is_alive() and (self._polled() is not None or self._server_is_silent()):
                return True
            multiprocessing.connection.wait([self.process.sentinel], POLL_S)
            if self._polled() is not None and self.is_alive():
                time.sleep(POLL_S)  # the server is dead, so `wait` does not wait
        return not self.is_alive()

    def _server_is_silent(self) -> bool:
        """Return whether the fork server is dead or stopped, so that exit codes stay unknown."""
        return self.server is not None and (not processes.is_alive(self.server) or processes.is_stopped(self.server))

    def end(self) -> None:
        """Kill the worker and everything that it started."""
        if self.is_alive() and self.seen is not None:
            processes.end_tree(self.seen)
        if self.server is not None and processes.is_alive(self.server):
            with _one_at_a_time:
                processes.end_orphans(self.server, but=_forks - {self.process.pid or 0})
        else:
            processes.end_marked(self.mark)
        if sys.platform != "linux":
            processes.end_group(self.process.pid)
        self.wait()
        _forks.discard(self.process.pid or 0)

    @property
    def exit_code(self) -> int | None:
        """Its exit code; None if it is unknown, because the fork server was killed or is stopped."""
        return None if self._server_is_silent() else self._polled()

    def _polled(self) -> int | None:
        """Return the exit code once there is one. It can be read only once, and starts of others read it too."""
        with _one_at_a_time:
            return self.process.exitcode


class Start:
    """Starts workers with one of multiprocessing's methods."""

    method = "spawn"

    def __init__(self) -> None:
        self._context: BaseContext = multiprocessing.get_context(self.method)

    def worker(self, content: bytes, environment: Mapping[str, str], interrupts: Interrupts) -> Worker:
        """Start a worker for the job in `content`. Raises MachineError if that fails or takes too long."""
        mark = processes.new_mark()
        receiver, sender = self._context.Pipe(duplex=False)
        process: BaseProcess = self._context.Process(  # type: ignore[attr-defined]
            target=worker.main, args=(sender, content, {**environment, processes.MARK: mark}), daemon=False
        )
        try:
            with _one_at_a_time:
                _start_tracker()
            with _one_at_a_time, starting_process(), processes.marking(mark):
                with ending(lambda: self._give_up(mark), self._limit_s(), interrupts):
                    start_process(process)
                _forks.add(process.pid or 0)
        except BaseException:
            receiver.close()
            raise
        finally:
            sender.close()
        return Worker(process, Inbox(receiver), mark, processes.find(process.pid), self.server)

    @property
    def server(self) -> psutil.Process | None:
        """The fork server, if workers come from one."""
        return None

    def _limit_s(self) -> float:
        return SPAWN_LIMIT_S

    def _give_up(self, mark: str) -> None:
        """Kill what the start of a worker waits for."""
        processes.end_marked(mark)


def _start_tracker() -> None:
    """Start multiprocessing's tracker of shared memory, unless it runs. It serves all jobs, so its mark is no job's."""
    if sys.platform != "win32":
        with starting_process(), processes.marking(processes.new_mark()):
            resource_tracker.ensure_running()


class Fork(Start):
    """Forks workers from multiprocessing's fork server, of which a process has one."""

    method = "forkserver"

    def __init__(self) -> None:
        super().__init__()
        self._context.set_forkserver_preload([serving.__name__, *worker.PRELOAD])
        self._server: psutil.Process | None = None

    @property
    def server(self) -> psutil.Process | None:
        return self._server

    @property
    def can_use_accelerators(self) -> bool:
        """Whether forks of the server can use an accelerator: only if the server itself has not started its driver."""
        return self._server is not None and self._server.pid in _without_driver

    def is_ready(self, interrupts: Interrupts) -> bool:
        """Start the server unless it runs, and wait until it has imported torch: no trial pays these seconds.

        Return whether workers can be forked: a server that hangs is killed. One that the caller's own code started is
        left alone.
        """
        with _launching:
            return self._is_ready(interrupts)

    def _is_ready(self, interrupts: Interrupts) -> bool:
        running = self._server or processes.find(_server_pid())
        if running is not None and processes.is_alive(running):
            if self._server is None and not processes.has_mark_of_this_process(running.pid):
                return False
            self._server = running
            if not processes.is_stopped(running):
                return True
            self.end()
        try:
            self._launch(interrupts)
        except (OSError, MachineError):
            self.end()
            return False
        return self._server is not None and processes.is_alive(self._server)

    def _launch(self, interrupts: Interrupts) -> None:
        mark = processes.new_mark()
        with _one_at_a_time, processes.marking(mark), starting_process(), _server_environment(), _ignoring_ctrl_c():
            forkserver.ensure_running()
        self._server = processes.find(_server_pid())
        atexit.register(self.end)
        first: BaseProcess = self._context.Process(target=worker.try_fork)  # type: ignore[attr-defined]
        with ending(self.end, SERVER_LIMIT_S, interrupts):
            with _one_at_a_time, starting_process():
                start_process(first)
            first.join()
        if first.exitcode == 0 and self._server is not None:
            _without_driver.add(self._server.pid)

    def end(self) -> None:
        """Kill the server and what it has adopted, but no running worker."""
        if self._server is not None and processes.is_alive(self._server):
            processes.end_orphans(self._server, but=_forks)
            processes.kill(self._server)

    def _limit_s(self) -> float:
        return FORK_LIMIT_S

    def _give_up(self, mark: str) -> None:
        self.end()


def _server_pid() -> int | None:
    """Return the pid of this process's fork server, for which multiprocessing has no public name."""
    pid: int | None = getattr(forkserver._forkserver, "_forkserver_pid", None)
    return pid


@contextlib.contextmanager
def _server_environment() -> Iterator[None]:
    """Tell the fork server that starts during the block that it is one."""
    is_main = threading.current_thread() is threading.main_thread()
    os.environ[serving.SERVER_OF] = str(os.getpid()) if is_main else f"{os.getpid()} {serving.OUTLIVES_THREAD}"
    try:
        yield
    finally:
        del os.environ[serving.SERVER_OF]


@contextlib.contextmanager
def _ignoring_ctrl_c() -> Iterator[None]:
    """Start a process with SIGINT ignored: Ctrl-C would print a traceback of its imports."""
    if threading.current_thread() is not threading.main_thread():  # other threads cannot set signal handlers
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)

"""Runs jobs in child processes on this machine, one at a time, and removes every process that they leave behind.

On Linux, children are forked from a server that has already imported torch (0.05 s instead of 3 s). Trials on an
accelerator start a fresh process. So do all jobs on other systems or with `ZOO_START=spawn`.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path

import msgspec
import psutil

from zoo_core.errors import UsageError
from zoo_core.files import cache_dir
from zoo_core.runner import events, worker
from zoo_core.runner.events import (
    CodeLoaded,
    Evaluated,
    Event,
    Facts,
    Job,
    JobFailed,
    JobResult,
    PhaseBegan,
    TrialDone,
    TrialJob,
)
from zoo_core.runner.order import EventOrder
from zoo_core.runner.start import ENVIRONMENT, start_server, starting_process

EXIT_TIMEOUT_S = 5.0  # for a worker to end after its last event
SILENCE_S = 0.5  # without an event, after which the executor checks that the worker is alive


@dataclass(slots=True)
class WorkerResult:
    """The result of a worker process: how it ended, and the events that it sent.

    trial_done, job_result, job_failed: the worker's last event is one of these; all are None if it died before.
    phases: phase -> seconds. phase: the last one. wall_s: from the start of the process to its end.
    trials_beside: number of trials of other zoo processes that ran at the same time.
    loaded: path -> SHA-256 of the files of code that the worker loaded; two contents of one file are joined.
    order: whether the events of a trial came as those of an honest one.
    """

    trial_done: TrialDone | None = None
    job_result: JobResult | None = None
    job_failed: JobFailed | None = None
    facts: Facts | None = None
    points: list[Evaluated] = field(default_factory=list)
    phases: dict[str, float] = field(default_factory=lambda: {"start": 0.0})
    phase: str = "start"
    wall_s: float = 0.0
    exit_code: int | None = None
    timed_out: bool = False
    interrupted: bool = False
    oom_killed: bool = False
    trials_beside: int = 0
    loaded: dict[str, str] = field(default_factory=dict)
    order: EventOrder = field(default_factory=EventOrder)

    def enter(self, phase: str, now_s: float) -> None:
        """Begin `phase`, `now_s` seconds after the start; the time since the last call counts for the phase that ends.

        A worker that dies sends no phases of its own, so the record needs these.
        """
        so_far = sum(self.phases.values())
        self.phases[self.phase] = self.phases.get(self.phase, 0.0) + now_s - so_far
        self.phase = phase

    def add(self, event: Event, now_s: float) -> None:
        """Add an event of the worker, received `now_s` seconds after its start."""
        self.order.see(event, now_s)
        match event:
            case PhaseBegan():
                self.enter(event.name, now_s)
            case CodeLoaded():
                before = self.loaded.get(event.path, event.sha256)
                self.loaded[event.path] = event.sha256 if before == event.sha256 else f"{before} {event.sha256}"
            case Facts():
                self.facts = event
            case Evaluated():
                self.points.append(event)
            case TrialDone():
                self.trial_done = event
            case JobResult():
                self.job_result = event
            case JobFailed():
                self.job_failed = event


class LocalExecutor:
    """Runs jobs in child processes. `start`: `fork` or `spawn`; by default `ZOO_START`, or else `fork`."""

    def __init__(self, start: str = "") -> None:
        if find_spec("torch") is None:
            raise UsageError("torch is not installed: pip install 'zoo-core[torch]'")
        methods = multiprocessing.get_all_start_methods()
        wanted = start or os.environ.get("ZOO_START", "fork")
        if wanted not in ("fork", "spawn"):
            raise UsageError(f"ZOO_START={wanted!r}: use fork or spawn")
        # macOS has a fork server too, but its libraries break in a fork after torch is imported.
        can_fork = "forkserver" in methods and sys.platform == "linux"
        self.start = "fork" if wanted == "fork" and can_fork else "spawn"
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        self._spawn: BaseContext = multiprocessing.get_context("spawn")
        self._fork: BaseContext = self._spawn
        self._server_is_up = False
        if self.start == "fork":
            self._fork = multiprocessing.get_context("forkserver")
            self._fork.set_forkserver_preload(worker.PRELOAD)

    def run(
        self, job: Job, on_event: Callable[[Event], None] | None = None, timeout_s: float | None = None
    ) -> WorkerResult:
        """Run one job until it ends, fails or times out. Ctrl-C ends the child and sets `interrupted`."""
        needs_own_start = isinstance(job, TrialJob) and job.device != "cpu"
        context = self._spawn if needs_own_start else self._fork
        result, content = WorkerResult(order=EventOrder(job)), _encode(job)
        try:
            if context is not self._spawn:
                self._await_server()
        except KeyboardInterrupt:
            result.interrupted = True
            return result
        oom_before = _oom_kills()
        with _concurrent_trials(isinstance(job, TrialJob)) as others:
            began = time.perf_counter()
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(  # type: ignore[attr-defined]
                target=worker.main, args=(sender, content, dict(os.environ)), daemon=False
            )
            try:
                with starting_process():
                    process.start()
                sender.close()
                result.timed_out = not self._receive_events(process, receiver, result, on_event, began, timeout_s)
                if not result.timed_out:
                    process.join(EXIT_TIMEOUT_S)
            except KeyboardInterrupt:
                result.interrupted = True
            finally:
                kill_process_tree(process)
                see_rest(receiver, result, began)
                receiver.close()
                result.trials_beside = max(result.trials_beside, others())
            result.wall_s = time.perf_counter() - began
        result.enter(result.phase, result.wall_s)
        result.exit_code = process.exitcode
        result.oom_killed = process.exitcode == -9 and _oom_kills() > oom_before
        return result

    def _await_server(self) -> None:
        """Start the fork server and wait until it has imported torch, so that no trial pays these seconds."""
        if not self._server_is_up:
            start_server()
            first = self._fork.Process(target=worker.do_nothing)  # type: ignore[attr-defined]
            with starting_process():
                first.start()
            first.join()
            self._server_is_up = True

    def ask(self, job: Job, timeout_s: float | None = None) -> object:
        """Run a job and return its result. Raises the job's ZooError, or RuntimeError for any other failure.

        The note of a RuntimeError is the traceback in the worker.
        """
        result = self.run(job, timeout_s=timeout_s)
        if result.interrupted:
            raise KeyboardInterrupt
        if result.job_failed is not None:
            if not result.job_failed.error:
                failure = RuntimeError(result.job_failed.reason)
                if result.job_failed.traceback:
                    failure.add_note(result.job_failed.traceback)
                raise failure
            raise worker.error_of(result.job_failed)
        if result.job_result is None:
            raise RuntimeError(f"a worker process ended without a result: {exit_reason(result.exit_code)}")
        return result.job_result.value

    def _receive_events(
        self,
        process: BaseProcess,
        receiver: multiprocessing.connection.Connection,
        result: WorkerResult,
        on_event: Callable[[Event], None] | None,
        began: float,
        timeout_s: float | None,
    ) -> bool:
        """Receive events until the worker sends its last one or dies; return False after a timeout."""
        while True:
            result.order.listen(time.perf_counter() - began)
            left = SILENCE_S if timeout_s is None else began + timeout_s - time.perf_counter()
            if left <= 0:
                return False
            if not receiver.poll(min(left, SILENCE_S)):
                # An open pipe does not prove that the worker lives: its children may hold the pipe open.
                if process.is_alive() or receiver.poll(0):
                    continue
                return True
            try:
                event = events.decode_event(receiver.recv_bytes())
            except (EOFError, OSError):
                return True
            except msgspec.MsgspecError as error:
                event = JobFailed(error="", reason=f"the worker sent an invalid event: {error}")
            result.add(event, time.perf_counter() - began)
            if on_event is not None:
                on_event(event)
            if isinstance(event, TrialDone | JobResult | JobFailed):
                return True


def see_rest(receiver: multiprocessing.connection.Connection, result: WorkerResult, began: float) -> None:
    """Judge what the worker sent after its last event."""
    with contextlib.suppress(EOFError, OSError, msgspec.MsgspecError):  # the usual case is the end of the pipe
        while receiver.poll(0):
            result.order.see(events.decode_event(receiver.recv_bytes()), time.perf_counter() - began)


def _encode(job: Job) -> bytes:
    """Encode a job as JSON. Raises UsageError for a path that is not UTF-8."""
    try:
        return events.encode(job)
    except UnicodeEncodeError as error:
        upto = error.object.find("/", error.end)  # the end of the first such name in a path
        shown = os.fsencode(error.object[: upto if upto > 0 else None]).decode("utf-8", "backslashreplace")
        raise UsageError(
            f"the name {shown} is not UTF-8: rename the file or folder, for instance with "
            "`convmv -f cp1251 -t utf8 --notest`"
        ) from error


def kill_process_tree(process: BaseProcess) -> None:
    """Kill a worker and all processes that it started. They form a process group, so orphans are found too."""
    if process.pid is None:
        return
    family: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(process.pid)
        family = [root, *root.children(recursive=True)] if process.is_alive() else []
    if hasattr(os, "killpg") and process.pid != os.getpgid(0):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    for member in family:
        with contextlib.suppress(psutil.Error):
            member.kill()
    process.join(EXIT_TIMEOUT_S)


def exit_reason(code: int | None) -> str:
    """Describe an exit code in words."""
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"signal {signal.Signals(-code).name}"
    return f"exit code {code}"


def _oom_kills() -> int:
    """Return how many processes the kernel has killed because memory ran out; 0 if unknown."""
    with contextlib.suppress(OSError, ValueError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


@contextlib.contextmanager
def _concurrent_trials(active: bool) -> Iterator[Callable[[], int]]:
    """Announce to other zoo processes that a trial runs here; yield a function that counts theirs."""
    folder = cache_dir() / "running"
    mine = folder / str(os.getpid())
    if active:
        with contextlib.suppress(OSError):  # without a writable cache, only this count is lost
            folder.mkdir(parents=True, exist_ok=True)
            mine.touch()

    def others() -> int:
        pids = [int(path.name) for path in folder.glob("*") if path.name.isdigit()] if folder.is_dir() else []
        return sum(pid != os.getpid() and psutil.pid_exists(pid) for pid in pids)

    before = others()
    try:
        yield lambda: max(before, others())
    finally:
        with contextlib.suppress(OSError):
            mine.unlink(missing_ok=True)

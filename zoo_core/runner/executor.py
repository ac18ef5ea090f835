"""Runs jobs in child processes on this machine, one at a time, and removes every process that they leave behind.

On Linux, children are forked from a server that has already imported torch (0.05 s instead of 3 s). On other systems or
with `ZOO_START=spawn` they start a fresh process. So do jobs on an accelerator whose driver the server has started.

The parent never waits for a child without a limit: not for its start, for the rest of a message, or for its end.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

import msgspec

from zoo_core.errors import MachineError, UsageError
from zoo_core.files import cache_dir
from zoo_core.runner import beside, events, processes, worker
from zoo_core.runner.events import (
    CodeLoaded,
    Evaluated,
    Event,
    ExtrasBegan,
    Facts,
    Job,
    JobFailed,
    JobResult,
    PhaseBegan,
    Progress,
    TrialDone,
    TrialJob,
)
from zoo_core.runner.inbox import MessageError
from zoo_core.runner.interrupts import Interrupts, deferred_interrupts
from zoo_core.runner.memory_watch import watching_memory
from zoo_core.runner.order import EventOrder
from zoo_core.runner.start import ENVIRONMENT, Fork, Start, Worker, callers_environment

SILENCE_S = 0.25  # without an event, after which the executor checks that the worker is alive
MAX_EVENTS_MIB = 16  # of all events of which many are kept, such as the points of the curve: more than 100,000
FORKS = 2  # tries to fork a worker, before a fresh process is started instead


@dataclass(slots=True)
class WorkerResult:
    """The result of a worker process: how it ended, and the events that it sent.

    trial_done, job_result, job_failed: the worker's last event is one of these; all are None if it died before.
    before_extras: ends the trial if its worker did not get through the extras; None if it never came to them.
    phases: phase -> seconds. phase: the last one. wall_s: from the start of the process to its end.
    trials_beside: how many trials ran at the same time.
    excess: what it took too much of, so that it was ended; "" if nothing.
    loaded: path -> SHA-256 of the files of code that the worker loaded; two contents of one file are joined.
    order: whether the events of a trial came as those of an honest one.
    """

    trial_done: TrialDone | None = None
    before_extras: TrialDone | None = None
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
    trials_beside: beside.Beside = field(default_factory=beside.Beside)
    excess: str = ""
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
            case ExtrasBegan():
                self.before_extras = event.done
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
        self._spawn = Start()
        self._fork = Fork() if self.start == "fork" else None
        processes.end_abandoned()

    def run(
        self, job: Job, on_event: Callable[[Event], None] | None = None, timeout_s: float | None = None
    ) -> WorkerResult:
        """Run one job until it ends, fails or times out. Ctrl-C ends the child and sets `interrupted`.

        Raises UsageError for a job with a name that is not UTF-8, MachineError if the system starts no process.
        """
        result, content, oom_before = WorkerResult(order=EventOrder(job)), _encode(job), _oom_kills()
        used = beside.used_by(job.cpus, job.device) if isinstance(job, TrialJob) else None
        with deferred_interrupts() as interrupts, beside.announced(used) as others:
            child, began = self._start(job, content, interrupts)
            if child is None:
                result.interrupted = True
                return result
            try:
                with watching_memory(child.seen, getattr(job, "max_memory_mib", 0)) as excess:
                    _Reception(child, result, on_event, interrupts).receive(began, timeout_s)
            finally:
                child.end()
                child.inbox.close()
                result.trials_beside = result.trials_beside.most(others())
            result.excess = excess.reason
            result.wall_s = time.perf_counter() - began
            result.interrupted = interrupts.requested
        result.enter(result.phase, result.wall_s)
        result.exit_code = child.exit_code
        result.oom_killed = result.exit_code == -signal.SIGKILL and _oom_kills() > oom_before
        return result

    def _start(self, job: Job, content: bytes, interrupts: Interrupts) -> tuple[Worker | None, float]:
        """Start the worker; return it and the time before. Without one the user stopped the run."""
        environment = callers_environment()
        if environment.get("ZOO_CACHE"):
            environment["ZOO_CACHE"] = str(cache_dir())  # absolute: a plugin may change the worker's folder
        on_accelerator = getattr(job, "device", "cpu") != "cpu"
        for start in (*[self._fork] * FORKS, self._spawn):
            if interrupts.requested:
                return None, 0.0
            if start is None or (isinstance(start, Fork) and not start.is_ready(interrupts)):
                continue
            if isinstance(start, Fork) and on_accelerator and not start.can_use_accelerators:
                continue
            began = time.perf_counter()
            try:
                return start.worker(content, environment, interrupts), began
            except MachineError:  # the fork server was killed, or hung and was ended
                if start is self._spawn and not interrupts.requested:
                    raise
        return None, 0.0

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
        if result.timed_out:
            raise RuntimeError(f"a worker process was not done after {timeout_s:g} s")
        if result.job_result is None:
            raise RuntimeError(f"a worker process ended without a result: {exit_reason(result.exit_code)}")
        return result.job_result.value


class _Reception:
    """Receives the events of one worker into its result."""

    def __init__(
        self,
        child: Worker,
        result: WorkerResult,
        on_event: Callable[[Event], None] | None,
        interrupts: Interrupts,
    ) -> None:
        self._child, self._result, self._on_event, self._interrupts = child, result, on_event, interrupts
        self._kept_bytes = 0

    def receive(self, began: float, timeout_s: float | None) -> None:
        """Receive events until the last one, the end of the worker, a timeout, or a signal to this process."""
        while not self._interrupts.requested:
            self._result.order.listen(time.perf_counter() - began)
            left = SILENCE_S if timeout_s is None else began + timeout_s - time.perf_counter()
            if left <= 0:
                self._result.timed_out = True
                return
            # An open pipe does not prove that the worker lives: its children may hold the pipe open.
            was_alive = self._child.is_alive()
            received = self._receive_some(min(left, SILENCE_S), began)
            if self._is_complete() or self._child.inbox.closed or not (received or was_alive):
                break
        is_stopped = self._interrupts.requested and not self._is_complete()  # the caller ends the worker at once
        if not is_stopped and not self._child.wait() and not self._is_complete() and not self._interrupts.requested:
            reason = f"the worker closed its connection to the zoo in phase {self._result.phase}, but went on"
            self._add(JobFailed(error="", reason=reason), began)
        with contextlib.suppress(MessageError):
            self._see_rest(self._child.inbox.receive(0.0), began)

    def _see_rest(self, messages: Iterable[bytes], began: float) -> None:
        """Judge what the worker sent after its last event."""
        for message in messages:
            self._result.order.see(self._decode(message), time.perf_counter() - began)

    def _receive_some(self, wait_s: float, began: float) -> bool:
        try:
            messages = self._child.inbox.receive(wait_s)
        except MessageError as error:
            self._add(JobFailed(error="", reason=f"the worker sent an invalid event: {error}"), began)
            return True
        for number, message in enumerate(messages, 1):
            self._add(self._decode(message), began)
            if self._is_complete():
                self._see_rest(messages[number:], began)
                break
        return bool(messages)

    def _decode(self, message: bytes) -> Event:
        try:
            event: Event = events.decode_event(message)
        except msgspec.MsgspecError as error:
            return JobFailed(error="", reason=f"the worker sent an invalid event: {error}")
        if not isinstance(event, (Progress, ExtrasBegan, *events.LAST_EVENTS)):
            self._kept_bytes += len(message)
            if self._kept_bytes > MAX_EVENTS_MIB << 20:
                return JobFailed(error="", reason=f"the worker sent more than {MAX_EVENTS_MIB} MiB of events")
        return event

    def _add(self, event: Event, began: float) -> None:
        self._result.add(event, time.perf_counter() - began)
        if self._on_event is not None:
            self._on_event(event)

    def _is_complete(self) -> bool:
        result = self._result
        return bool(result.trial_done or result.job_result or result.job_failed)


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


def exit_reason(code: int | None) -> str:
    """Describe an exit code in words; None is unknown."""
    if code is None:
        return "exit code unknown, because the fork server was killed or stopped"
    if code < 0:
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

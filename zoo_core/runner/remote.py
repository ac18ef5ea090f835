"""Runs the trials of a plan by an executor, on other machines, and saves their records as they come back.

An executor is a plugin: its code is trusted, what it returns is checked as the events of a local trial are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import msgspec
from msgspec import structs

from zoo_core.entries import resolve_entry
from zoo_core.errors import DamagedRecordError, NewerSchemaError, UsageError
from zoo_core.executors import Began, Executor, Lost, Message, Refused, Returned, Work
from zoo_core.reasons import reason_of
from zoo_core.registry.plugins import missing_needs
from zoo_core.results.records import Record
from zoo_core.results.store import Store, writing_results
from zoo_core.runner.events import Evaluated, TrialDone
from zoo_core.runner.executor import WorkerResult
from zoo_core.runner.interrupts import deferred_interrupts
from zoo_core.runner.limits import cut, limit_record
from zoo_core.runner.listener import Listener
from zoo_core.runner.outcome import NOT_FINISHED, NOT_RUN
from zoo_core.runner.plan import Plan, is_enough
from zoo_core.runner.planned_trial import PlannedTrial, portable_key
from zoo_core.runner.plausible import find_impossible_number
from zoo_core.runner.recording import TrialStatus, now, without_results
from zoo_core.runner.remote_trial import to_remote, unpack
from zoo_core.runner.request import Request
from zoo_core.specs import ExecutorSpec

POLL_S = 0.2  # until the main thread looks for a signal again
ATTEMPTS = 2  # of a trial whose machine is lost
IN_FLIGHT = 1000  # trials that the executor has at a time, without --jobs
EXECUTOR = "executor"  # the name in a record's environment


class Books(Protocol):
    """What a run does with the trials that end (see `run.Run`)."""

    @property
    def listener(self) -> Listener: ...

    @property
    def store(self) -> Store: ...

    def finish(self, trial: PlannedTrial, record: Record, staging: Path | None = None) -> None: ...

    def make_record(
        self, trial: PlannedTrial, result: WorkerResult, status: TrialStatus, *, started: str
    ) -> Record: ...

    def note_fault(self, fault: str, cost: str) -> None: ...


def make_executor(spec: ExecutorSpec, address: str) -> Executor:
    """Make the executor that a spec names. Raises UsageError if it cannot be used, with what to do."""
    if address and not spec.address:
        raise UsageError(f"executor {spec.name} takes no --address")
    if missing := missing_needs(spec):
        raise UsageError(f"executor {spec.name} needs packages that are not installed: pip install {' '.join(missing)}")
    try:
        executor: Executor = resolve_entry(spec.entry)(address)
    except UsageError:
        raise
    except Exception as error:  # the executor's own code, and that of its library
        raise UsageError(f"executor {spec.name} cannot be used: {reason_of(error)}") from error
    return executor


def as_remote(request: Request) -> Request:
    """Return a request whose devices are device classes: the machines that will run it are not known here.

    Raises UsageError for options that concern this machine.
    """
    for option, given in (("--limit", request.limit_s is not None), ("--share-device", request.share_device)):
        if given:
            raise UsageError(f"{option} does not go with --executor: it concerns this machine")
    devices = ["cpu" if device == "auto" else device for device in request.devices]
    for device in devices:
        if ":" in device:
            raise UsageError(f"--device {device} does not go with --executor: give the kind, such as {device[:4]}")
    return replace(request, devices=list(dict.fromkeys(devices)))


def without_recorded(plan: Plan, store: Store) -> Plan:
    """Move the trials that an executor has run before to the recorded ones.

    The key of their records holds the device of the machine that ran them, so they are found by the key without it.
    """
    if not plan.todo or plan.todo[0].request.force:
        return plan
    request = plan.todo[0].request
    tasks = dict.fromkeys(trial.task.qualified for trial in plan.todo)
    known: dict[str, Record] = {}
    for task in tasks:
        for record in store.newest(task):
            enough = record.environment.get(EXECUTOR) == request.executor and is_enough(record, request)
            if enough and record.experiment and (record.status == "ok" or record.experiment not in known):
                known[record.experiment] = record
    keys = [portable_key(trial) for trial in plan.todo]
    todo = tuple(trial for trial, key in zip(plan.todo, keys, strict=True) if key not in known)
    return replace(plan, todo=todo, recorded=(*plan.recorded, *(known[key] for key in keys if key in known)))


@dataclass(slots=True)
class _Running:
    """A trial that the executor has. `attempt`: counted from 1."""

    trial: PlannedTrial
    attempt: int = 1
    began: bool = False


@dataclass(slots=True)
class RemoteRun:
    """Hands the trials of a plan to an executor. `plugins`: the versions of the installed plugins."""

    name: str
    executor: Executor
    books: Books
    plugins: Mapping[str, str]
    total: int = 0
    running: dict[int, _Running] = field(default_factory=dict)

    def run(self, todo: Sequence[PlannedTrial]) -> bool:
        """Run the trials; return whether a signal ended the run. Raises UsageError before anything is submitted.

        Whatever ends the run, the executor is closed, and the trials that it had are recorded as interrupted.
        """
        works = [self._work(number, trial) for number, trial in enumerate(todo, 1)]
        waiting = deque(zip(works, todo, strict=True))
        self.total = len(works)
        most = todo[0].request.jobs if todo and todo[0].request.jobs > 1 else IN_FLIGHT
        fault = ""
        with deferred_interrupts() as interrupts:
            try:
                while (waiting or self.running) and not interrupts.requested:
                    while waiting and len(self.running) < most:
                        work, trial = waiting.popleft()
                        self.running[work.number] = _Running(trial)
                        self.executor.submit(work)
                    for message in self.executor.collect(POLL_S):
                        self._handle(message)
            except Exception as error:  # the executor's own code, and that of its library
                fault = f"executor {self.name} failed: {reason_of(error)}"
            finally:
                self._close()
            for item in self.running.values():
                self._interrupt(item.trial, fault or "stopped")
            for _ in waiting if fault else ():
                self.books.note_fault(fault, NOT_RUN)
        return interrupts.requested

    def _work(self, number: int, trial: PlannedTrial, attempt: int = 1) -> Work:
        cpus = trial.request.threads or 1
        remote = to_remote(trial, self.plugins, max_threads=cpus)
        accelerator = "" if trial.device_class == "cpu" else trial.device_class
        content = msgspec.json.encode(remote).decode()
        return Work(
            number=number, attempt=attempt, name=trial.name, content=content, cpus=cpus, accelerator=accelerator
        )

    def _close(self) -> None:
        try:
            self.executor.close()
        except Exception as error:  # as above; the records are not concerned
            self.books.note_fault(f"executor {self.name} did not close: {reason_of(error)}", "may still run")

    def _handle(self, message: Message) -> None:
        """Act on a message. One about a trial that has ended comes from an attempt that was given up."""
        item = self.running.get(message.number)
        if item is None:
            return
        if not item.began:
            item.began = True
            self.books.listener.began(item.trial, message.number, self.total)
        match message:
            case Began():
                return
            case Lost():
                self._lose(message, item)
            case Refused():
                del self.running[message.number]
                self.books.note_fault(f"{item.trial.name}: {cut(message.reason)}", NOT_RUN)
            case Returned():
                del self.running[message.number]
                self._save(item.trial, message.content)

    def _lose(self, message: Lost, item: _Running) -> None:
        """Submit a trial again whose machine is gone, once."""
        if item.attempt < ATTEMPTS:
            item.attempt += 1
            self.executor.submit(self._work(message.number, item.trial, item.attempt))
            return
        del self.running[message.number]
        self._interrupt(item.trial, f"the machine that ran it was lost, {ATTEMPTS} times: {message.reason}")

    def _interrupt(self, trial: PlannedTrial, reason: str) -> None:
        """Record a trial as interrupted: the next call runs it again."""
        status = TrialStatus(status="interrupted", reason=cut(reason))
        self.books.finish(trial, self.books.make_record(trial, WorkerResult(), status, started=now()))

    def _save(self, trial: PlannedTrial, content: bytes) -> None:
        """Check and save what a trial left. What cannot be its record is a fault of the executor, not of the model."""
        with writing_results(self.books.store.folder):
            staging = self.books.store.stage(trial.record_id(now()))
        try:
            record = checked(unpack(content, staging), trial)
        except (DamagedRecordError, NewerSchemaError) as error:
            self.books.store.discard(staging)
            reason = f"executor {self.name} returned no record of this trial: {error}"
            self.books.note_fault(reason, NOT_FINISHED)
            self._interrupt(trial, reason)
            return
        record = structs.replace(record, environment={**record.environment, EXECUTOR: self.name})
        for point in record.curve:
            self.books.listener.on_event(trial, Evaluated(point=point))
        self.books.finish(trial, record, staging)


def checked(record: Record, trial: PlannedTrial) -> Record:
    """Return a record that may be saved as that of a trial. Raises DamagedRecordError if it is of another one.

    One with impossible measurements becomes an error without results, as if the trial had run here.
    """
    expected = {
        "experiment": (record.experiment, portable_key(trial)),
        "task": (record.task.name, trial.task.qualified),
        "data set": (record.dataset.name, trial.dataset.qualified),
        "model": (record.model.name, trial.model.qualified),
        "seed": (record.seed, trial.seed),
        "device": (record.device.kind, trial.device_class),
        "source": (record.source, "runner"),
    }
    for what, (found, planned) in expected.items():
        if found != planned:
            raise DamagedRecordError(f"its {what} is {cut(str(found), 100)!r}, not {planned!r}")
    machine, digits = str(record.environment.get("machine", "")), "".join(filter(str.isdigit, record.started_at))[:20]
    if record.id != f"{record.key[:16]}-{machine}-{digits}":
        raise DamagedRecordError(f"its id {cut(record.id, 100)!r} does not follow from its key, machine and start")
    record = limit_record(record)
    if number := find_impossible_number(_as_result(record)):
        return without_results(record, f"the measurements cannot be right: {number}")
    return record


def _as_result(record: Record) -> WorkerResult:
    """Return the numbers of a record as a worker would have sent them."""
    wall_s, train_s = record.wall_s or 0.0, record.measured.train_s or 0.0
    phases = {phase.name: phase.seconds for phase in record.phases if phase.name != "start"}
    spent_s = max(0.0, train_s - wall_s)  # of cached phases, which a record does not hold
    done = TrialDone(status=record.status, measured=record.measured, phases=phases, spent_s=spent_s)
    return WorkerResult(trial_done=done, points=[Evaluated(point=point) for point in record.curve], wall_s=wall_s)

"""Runs a plan: opens the data, runs each trial, and writes a record for each, whatever happens to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from zoo_core.data.downloads import digest_of
from zoo_core.errors import (
    DamagedDataError,
    DataError,
    DataUnavailableError,
    DeviceError,
    IncompatibleError,
    UsageError,
    WeightsError,
    ZooError,
)
from zoo_core.kinds import adapted_signature
from zoo_core.measure.environment import Device, describe, machine_id
from zoo_core.registry import Registry
from zoo_core.results.records import FAILED, Record
from zoo_core.results.store import Store
from zoo_core.runner.events import DevicesJob, Event, WeightsJob
from zoo_core.runner.executor import Ended, LocalExecutor
from zoo_core.runner.plan import Plan, PlannedTrial, Skipped, make_plan
from zoo_core.runner.recording import Ending, ending_of, make_record, now
from zoo_core.runner.request import Request
from zoo_core.runner.worker import LOG
from zoo_core.specs import NO_WEIGHTS, Signature

MAX_LOG_TAIL_BYTES = 8_000  # of a dead worker's output, in its record
MAX_LOG_BYTES = 64_000  # of a worker's output, in a file next to its record


class Listener(Protocol):
    """Gets the events of a run; the command line displays them."""

    def began(self, trial: PlannedTrial, number: int, total: int) -> None:
        """A trial began, `number` of `total`, counted from 1."""

    def heard(self, event: Event) -> None:
        """The worker sent an event."""

    def ended(self, record: Record) -> None:
        """A trial ended or was skipped, and this is its record."""


class Silent:
    """A Listener that displays nothing."""

    def began(self, trial: PlannedTrial, number: int, total: int) -> None: ...

    def heard(self, event: Event) -> None: ...

    def ended(self, record: Record) -> None: ...


MakeDisplay = Callable[[], AbstractContextManager[Listener]]


@dataclass(slots=True)
class Outcome:
    """The result of a run: new records, records that existed before, and whether Ctrl-C ended it."""

    new: list[Record] = field(default_factory=list)
    done: list[Record] = field(default_factory=list)
    interrupted: bool = False

    @property
    def records(self) -> list[Record]:
        """All records, earlier ones first."""
        return [*self.done, *self.new]

    @property
    def failed(self) -> list[Record]:
        """Records of trials that failed or were interrupted, also of earlier runs."""
        return [record for record in self.records if record.status in FAILED]


def find_devices(names: Sequence[str], executor: LocalExecutor) -> list[str]:
    """Return the named devices as torch spells them; `auto`: the first accelerator or the CPU. Raises DeviceError."""
    if all(name == "cpu" for name in names):
        return ["cpu"]
    found = msgspec.convert(executor.ask(DevicesJob()), list[Device])
    spelled: dict[str, None] = {}
    for name in names:
        spelled[_find_device(name, found)] = None
    return list(spelled)


def _find_device(name: str, found: Sequence[Device]) -> str:
    if name == "cpu":
        return name
    if name == "auto":
        return found[0].spelling if found else "cpu"
    for device in found:
        if name in (device.kind, device.spelling):
            return device.spelling
    available = ", ".join(["cpu", *(device.spelling for device in found)])
    raise DeviceError(
        f"device {name!r} is not available: torch sees {available}. Name one of these, or install a torch build for "
        "that device; `zoo doctor` shows the devices that torch sees"
    )


class Run:
    """One planned `zoo bench` call."""

    def __init__(
        self, plan: Plan, store: Store, executor: LocalExecutor, plugins: Mapping[str, str], listener: Listener
    ) -> None:
        self._plan, self._store, self._executor, self._listener = plan, store, executor, listener
        self._environment = describe(plugins)
        self._weights: dict[str, str] = {}  # model -> file of its initial weights
        self._weights_sha256: dict[str, str] = {"": ""}  # file -> checksum
        self._tryouts: dict[tuple[str, ...], str] = {}  # experiment -> why its model cannot run, or ""
        self._damage_reasons: set[str] = set()  # of damaged weights: a failure, not a skip
        self.outcome = Outcome(done=list(plan.done))

    def open_data(self) -> None:
        """Decode the data and try the models. A problem raises if the task was named; else its trials are skipped."""
        problems: dict[tuple[str, str], str] = {}
        signatures: dict[tuple[str, str], Signature] = {}
        todo = []
        for trial in self._plan.todo:
            data = (trial.dataset.qualified, trial.fingerprint)
            if data not in problems:
                problems[data] = self._open(trial, data, signatures)
            reason = problems[data] or _incompatibility(trial, signatures[data]) or self._try_once(trial)
            if reason:
                status: Literal["skipped", "error"] = "error" if reason in self._damage_reasons else "skipped"
                self._plan.skipped.append(Skipped(trial, reason, status))
            else:
                todo.append(trial)
        self._plan.todo[:] = todo

    def _open(self, trial: PlannedTrial, data: tuple[str, str], signatures: dict[tuple[str, str], Signature]) -> str:
        """Decode one data set and store its signature; return why the data are unavailable, or ""."""
        signatures[data] = trial.dataset.signature
        try:
            opened: Any = self._executor.ask(trial.open_job(), trial.request.timeout_s)
        except ZooError as error:
            if trial.request.strict:
                raise
            # Trials without data are skipped. Damaged data fail in the trials, whose records then say so.
            return str(error) if isinstance(error, DataUnavailableError) else ""
        except RuntimeError:  # the loader raised, hung or died: so will the trials, and their records say so
            return ""
        signatures[data] = msgspec.convert(opened["signature"], Signature)
        return ""

    def _try_once(self, trial: PlannedTrial) -> str:
        """Return why the model cannot run: weights that are missing or do not fit, or an error in forward; else ""."""
        experiment = (trial.model.qualified, trial.task.qualified, trial.dataset.qualified, trial.fingerprint)
        if experiment not in self._tryouts:
            self._tryouts[experiment] = self._try(trial)
        return self._tryouts[experiment]

    def _try(self, trial: PlannedTrial) -> str:
        name = trial.model.qualified
        try:
            if name not in self._weights:
                self._weights[name] = self._find_weights(trial)
                self._weights_sha256[self._weights[name]] = sha256_of(self._weights[name])
            if self._weights[name] or "/" in trial.model.name:  # a member of a family, untested on this task
                self._executor.ask(trial.try_job(self._weights[name]), trial.request.timeout_s)
        except ZooError as error:
            if trial.request.strict and trial.request.models_named:
                raise
            if isinstance(error, WeightsError | DamagedDataError):
                self._damage_reasons.add(str(error))
            return str(error)
        except RuntimeError:  # it hung or died: so will the trial, and its record says so
            pass
        return ""

    def _find_weights(self, trial: PlannedTrial) -> str:
        request = trial.request
        if request.weights or trial.model.weights is None:
            return "" if request.weights == NO_WEIGHTS else request.weights
        job = WeightsJob(model=trial.model.qualified, offline=request.offline)
        return str(self._executor.ask(job, request.timeout_s))

    def run(self) -> Outcome:
        """Run every trial. Ctrl-C records the running trial as interrupted and ends the run."""
        self._store.clean(machine_id())
        for skipped in self._plan.skipped:
            self._skip(skipped)
        total = len(self._plan.todo)
        for number, trial in enumerate(self._plan.todo, 1):
            self._listener.began(trial, number, total)
            record = self._run_one(trial)
            self._finish(record)
            if record.status == "interrupted":
                self.outcome.interrupted = True
                break
        return self.outcome

    def _finish(self, record: Record) -> None:
        self.outcome.new.append(record)
        self._listener.ended(record)

    def _skip(self, skipped: Skipped) -> None:
        """Record a trial that cannot run, unless its last record has the same status and reason."""
        trial = skipped.trial
        before = self._store.find(trial.task.qualified, trial.key)
        if before and (before[-1].status, before[-1].reason) == (skipped.status, skipped.reason):
            self.outcome.done.append(before[-1])
            self._listener.ended(before[-1])
            return
        ending = Ending(status=skipped.status, reason=skipped.reason)
        record = self._record(trial, Ended(), ending, started=now())
        self._store.save(record)
        self._finish(record)

    def _run_one(self, trial: PlannedTrial) -> Record:
        started = now()
        staging = self._store.stage(trial.record_id(started))
        ended = self._executor.run(
            trial.job(staging, self._weights.get(trial.model.qualified, "")),
            self._listener.heard,
            trial.request.timeout_s,
        )
        ending = ending_of(ended, trial.request.timeout_s, _log_tail(staging))
        record = self._record(trial, ended, ending, started=started)
        self._store.save(record, staging)
        return record

    def _record(self, trial: PlannedTrial, ended: Ended, ending: Ending, *, started: str) -> Record:
        weights = self._weights.get(trial.model.qualified, "")
        return make_record(
            trial,
            ended,
            ending,
            started=started,
            environment=self._environment,
            weights_sha256=self._weights_sha256.get(weights, ""),
        )


def sha256_of(path: str) -> str:
    """Hash a file; "" for no file."""
    if not path:
        return ""
    with Path(path).open("rb") as content:
        return digest_of(content)


def _log_tail(staging: Path) -> str:
    """Return the end of the trial's output, and shorten its log file; an empty log file is removed."""
    log = staging / LOG
    if not log.is_file():
        return ""
    size = log.stat().st_size
    with log.open("rb") as file:  # the file may be very large
        file.seek(max(0, size - MAX_LOG_BYTES))
        content = file.read(MAX_LOG_BYTES)
    if not content:
        log.unlink()
    elif size > MAX_LOG_BYTES:
        log.write_bytes(content)
    return content[-MAX_LOG_TAIL_BYTES:].decode("utf-8", "replace")


def _incompatibility(trial: PlannedTrial, signature: Signature) -> str:
    """Return why the model cannot take the data, or "". Raises IncompatibleError if the task was named."""
    reason = trial.model.accepts.refusal(adapted_signature(trial.model, trial.task, signature, trial.recipe))
    if reason and trial.request.strict:
        raise IncompatibleError(f"model {trial.model.qualified} cannot take {trial.dataset.qualified}: {reason}")
    return reason


def run_request(
    request: Request, registry: Registry, store: Store, make_display: MakeDisplay, *, dry_run: bool = False
) -> tuple[Plan, Outcome]:
    """Plan and run; with `dry_run` only plan. Raises UsageError for a mistake in the request or missing data."""
    try:
        make_plan(request, registry, store)  # report mistakes before torch is started
        executor = LocalExecutor()
        request = replace(request, devices=find_devices(request.devices, executor))
        plan = make_plan(request, registry, store)
        if dry_run:
            return plan, Outcome()
        with make_display() as display:
            run = Run(plan, store, executor, registry.versions, display)
            run.open_data()
            return plan, run.run()
    except DataError as error:
        raise UsageError(f"{error}{_offline_hint(request, registry)}") from error


def _offline_hint(request: Request, registry: Registry) -> str:
    """Suggest the task's offline data set to a user without data; "" if there is none, or it was requested."""
    for dataset in registry.datasets_of(request.pairs[0].task):
        if dataset.offline and request.strict and not request.offline:
            return f"; without a network or the files, --offline runs on {dataset.title} ({dataset.name})"
    return ""

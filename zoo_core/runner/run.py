"""Carries out a plan: opens the data, runs trial after trial, writes a record for each whatever happens to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec
from msgspec.structs import asdict, replace

from zoo_core.data.downloads import digest_of
from zoo_core.entries.unpackaged import without_folder
from zoo_core.errors import (
    DamagedDataError,
    DataUnavailableError,
    DeviceError,
    IncompatibleError,
    WeightsError,
    ZooError,
)
from zoo_core.kinds import adapted_signature
from zoo_core.measure.environment import Device, describe, machine_id
from zoo_core.results.records import FAILED, SCHEMA, Measured, PhaseFacts, Record, Status
from zoo_core.results.store import Store
from zoo_core.runner.events import DevicesJob, Event, WeightsJob
from zoo_core.runner.executor import Ended, LocalExecutor, exit_reason
from zoo_core.runner.facts import dataset_facts, device_facts, model_facts, task_facts
from zoo_core.runner.plan import Plan, PlannedTrial, Skipped
from zoo_core.runner.worker import LOG
from zoo_core.specs import NO_WEIGHTS, Signature

LOG_TAIL = 8_000  # characters of a dead worker's output that its record keeps
LONGEST_LOG = 64_000  # bytes of output kept beside a record


class Listener(Protocol):
    """Hears how a run goes; the command line draws it."""

    def began(self, trial: PlannedTrial, number: int, total: int) -> None: ...

    def heard(self, event: Event) -> None: ...

    def ended(self, record: Record) -> None: ...


class Silent:
    """Hears a run and says nothing."""

    def began(self, trial: PlannedTrial, number: int, total: int) -> None: ...

    def heard(self, event: Event) -> None: ...

    def ended(self, record: Record) -> None: ...


@dataclass(slots=True)
class Outcome:
    """What a run did: its new records, those that were there already, and whether it was stopped."""

    new: list[Record] = field(default_factory=list)
    done: list[Record] = field(default_factory=list)
    interrupted: bool = False

    @property
    def records(self) -> list[Record]:
        return [*self.done, *self.new]

    @property
    def failed(self) -> list[Record]:
        return [record for record in self.records if record.status in FAILED]


def find_devices(names: Sequence[str], executor: LocalExecutor) -> list[str]:
    """The devices named, as torch spells them; `auto` is the first accelerator, or the CPU. Raises DeviceError."""
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
    here = ", ".join(["cpu", *(device.spelling for device in found)])
    raise DeviceError(
        f"device {name!r} is not here: torch sees {here}. Name one of these, or install a torch build for that device; "
        "`zoo doctor` shows what torch sees"
    )


class Run:
    """One `zoo bench` call after it was planned."""

    def __init__(
        self, plan: Plan, store: Store, executor: LocalExecutor, plugins: Mapping[str, str], listener: Listener
    ) -> None:
        self._plan, self._store, self._executor, self._listener = plan, store, executor, listener
        self._environment = describe(plugins)
        self._weights: dict[str, str] = {}  # model -> the file it begins with
        self._weights_sha256: dict[str, str] = {"": ""}  # of these files
        self._tried: dict[tuple[str, ...], str] = {}
        self._damaged: set[str] = set()  # what was wrong with weights that are here: a failure, not a skip
        self.outcome = Outcome(done=list(plan.done))

    def open_data(self) -> None:
        """Decode what the trials need. Raises what is wrong with it where the task was named; else skips its trials."""
        problems: dict[tuple[str, str], str] = {}
        signatures: dict[tuple[str, str], Signature] = {}
        todo = []
        for trial in self._plan.todo:
            data = (trial.dataset.qualified, trial.fingerprint)
            if data not in problems:
                problems[data] = self._open(trial, data, signatures)
            problem = problems[data] or _refusal(trial, signatures[data])
            fault = "" if problem else self._untried(trial)
            if problem or fault:
                damaged = fault in self._damaged
                self._plan.skipped.append(Skipped(trial, problem or fault, "error" if damaged else "skipped"))
            else:
                todo.append(trial)
        self._plan.todo[:] = todo

    def _open(self, trial: PlannedTrial, data: tuple[str, str], signatures: dict[tuple[str, str], Signature]) -> str:
        """Decode one data set and note its signature; why it is not to be had, or empty."""
        signatures[data] = trial.dataset.signature
        try:
            answer: Any = self._executor.ask(trial.open_job(), trial.request.timeout_s)
        except ZooError as error:
            if trial.request.strict:
                raise
            # Data that are not here are skipped; damaged ones are met by the trials, whose records say so.
            return str(error) if isinstance(error, DataUnavailableError) else ""
        except RuntimeError:  # the loader raised, hung or died: the trials meet it too, and their records tell
            return ""
        signatures[data] = msgspec.convert(answer["signature"], Signature)
        return ""

    def _untried(self, trial: PlannedTrial) -> str:
        """Why the model cannot begin: its weights are not to be had or do not fit, or it cannot answer at all."""
        experiment = (trial.model.qualified, trial.task.qualified, trial.dataset.qualified, trial.fingerprint)
        if experiment not in self._tried:
            self._tried[experiment] = self._try(trial)
        return self._tried[experiment]

    def _try(self, trial: PlannedTrial) -> str:
        name = trial.model.qualified
        try:
            if name not in self._weights:
                self._weights[name] = self._find_weights(trial)
                self._weights_sha256[self._weights[name]] = sha256_of(self._weights[name])
            if self._weights[name] or "/" in trial.model.name:  # a family's member, which nobody has tried on this task
                self._executor.ask(trial.try_job(self._weights[name]), trial.request.timeout_s)
        except ZooError as error:
            if trial.request.strict and trial.request.models_named:
                raise
            if isinstance(error, WeightsError | DamagedDataError):
                self._damaged.add(str(error))
            return str(error)
        except RuntimeError:  # it hung or died: the trial meets it too, and its record tells
            pass
        return ""

    def _find_weights(self, trial: PlannedTrial) -> str:
        request = trial.request
        if request.weights or trial.model.weights is None:
            return "" if request.weights == NO_WEIGHTS else request.weights
        job = WeightsJob(model=trial.model.qualified, offline=request.offline)
        return str(self._executor.ask(job, request.timeout_s))

    def run(self) -> Outcome:
        """Run every trial; on Ctrl-C the running one is recorded as interrupted, the rest is left for next time."""
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
        """Record a trial that cannot run, unless its last record says the same."""
        trial = skipped.trial
        before = self._store.find(trial.task.qualified, trial.key)
        if before and (before[-1].status, before[-1].reason) == (skipped.status, skipped.reason):
            self.outcome.done.append(before[-1])
            self._listener.ended(before[-1])
            return
        record = self._record(trial, now(), Ended(), skipped.status, skipped.reason)
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
        status, reason = judge(ended, trial.request.timeout_s)
        record = self._record(trial, started, ended, status, reason, _log_tail(staging))
        self._store.save(record, staging)
        return record

    def _record(
        self, trial: PlannedTrial, started: str, ended: Ended, status: Status, reason: str, log: str = ""
    ) -> Record:
        done = ended.done
        weights_sha256 = self._weights_sha256.get(self._weights.get(trial.model.qualified, ""), "")
        task, device = task_facts(trial.task), device_facts(trial)
        model = replace(model_facts(trial), weights_sha256=weights_sha256)
        environment, examples = self._environment, {}
        if (facts := ended.facts) is not None:
            task = replace(task, chance=facts.chance)
            model, device = replace(model, **asdict(facts.model)), replace(device, **asdict(facts.device))
            environment, examples = {**environment, **asdict(facts.environment)}, facts.examples
        measured = done.measured if done else Measured()
        if measured.load is not None:
            measured = replace(measured, load=replace(measured.load, trials_beside=ended.trials_beside))
        request = trial.request
        phases = {"start": ended.phases["start"], **done.phases} if done else ended.phases
        return Record(
            schema=SCHEMA,
            id=trial.record_id(started),
            key=trial.key,
            status=status,
            reason=tilde(without_folder(reason, trial.model)),
            traceback=tilde(without_folder(done.traceback if done else log, trial.model)),
            started_at=started,
            task=task,
            dataset=dataset_facts(trial.dataset, trial.fingerprint, examples),
            model=model,
            device=device,
            seed=trial.seed,
            recipe=dict(trial.recipe),
            recipe_class=trial.recipe_class,
            budget="length" if request.budget_s is None else "time",
            budget_s=request.budget_s,
            timeout_s=request.timeout_s,
            curve=[point.point for point in ended.points],
            phases=[PhaseFacts(name=name, seconds=seconds) for name, seconds in phases.items()],
            wall_s=ended.wall_s,
            measured=measured,
            environment=environment,
            command=tilde(request.command),
        )


def judge(ended: Ended, timeout_s: float | None) -> tuple[Status, str]:
    """The status of a trial from how its process ended, and the reason in words."""
    if ended.done is not None:
        return ended.done.status, ended.done.reason
    where = f"in phase {ended.phase}"
    if ended.interrupted:
        return "interrupted", f"stopped {where}"
    if ended.timed_out:
        return "timeout", f"not done after {timeout_s:g} s, {where}"
    if ended.refused is not None:
        return "error", ended.refused.reason
    if ended.oom_killed:
        return "out_of_memory", f"the system ended the process for want of memory, {where}"
    return "crashed", f"the process died {where}: {exit_reason(ended.exit_code)}"


def now() -> str:
    """The time in UTC, to the microsecond, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def tilde(text: str) -> str:
    """`text` without the name of the person's home folder: records are published."""
    return text.replace(str(Path.home()), "~") if len(str(Path.home())) > 1 else text


def sha256_of(path: str) -> str:
    """Of a file's content; empty for no file."""
    if not path:
        return ""
    with Path(path).open("rb") as content:
        return digest_of(content)


def _log_tail(staging: Path) -> str:
    """The end of what the trial printed; the file keeps at most `LONGEST_LOG` bytes, none is removed."""
    log = staging / LOG
    if not log.is_file():
        return ""
    size = log.stat().st_size
    with log.open("rb") as file:  # it may be far larger than what is kept of it
        file.seek(max(0, size - LONGEST_LOG))
        content = file.read(LONGEST_LOG)
    if not content:
        log.unlink()
    elif size > LONGEST_LOG:
        log.write_bytes(content)
    return content[-LOG_TAIL:].decode("utf-8", "replace")


def _refusal(trial: PlannedTrial, signature: Signature) -> str:
    """Why the model cannot take the data; under a named task that is the caller's mistake."""
    reason = trial.model.accepts.refusal(adapted_signature(trial.model, trial.task, signature, trial.recipe))
    if reason and trial.request.strict:
        raise IncompatibleError(f"model {trial.model.qualified} cannot take {trial.dataset.qualified}: {reason}")
    return reason

"""Runs a request: plans it, checks the plan, runs each trial, and writes a record for each, whatever happens to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from msgspec import structs

from zoo_core.data.accounting import warn_of_left_out
from zoo_core.errors import DamagedRecordError, DataError, UsageError
from zoo_core.files import require_writable_cache
from zoo_core.measure.environment import describe, machine_id
from zoo_core.registry import Registry
from zoo_core.results.records import FAILED, LeftOut, Record
from zoo_core.results.store import Store
from zoo_core.runner.current import note_current_code
from zoo_core.runner.devices import find_devices
from zoo_core.runner.events import Event
from zoo_core.runner.executor import LocalExecutor, WorkerResult
from zoo_core.runner.plan import Plan, Skipped, make_plan
from zoo_core.runner.planned_trial import PlannedTrial
from zoo_core.runner.preflight import InitialWeights, download_unpinned_weights, preflight
from zoo_core.runner.recording import TrialStatus, make_record, now, read_log_tail, status_of_trial, without_results
from zoo_core.runner.request import Request
from zoo_core.runner.scoring import check_score


class Listener(Protocol):
    """Displays a run. The run calls each method when its event happens."""

    def began(self, trial: PlannedTrial, number: int, total: int) -> None:
        """A trial began, `number` of `total`, counted from 1."""

    def on_event(self, event: Event) -> None:
        """The worker sent an event."""

    def finished(self, record: Record) -> None:
        """A trial ended or was skipped, and this is its record."""


class NoDisplay:
    """A Listener that displays nothing."""

    def began(self, trial: PlannedTrial, number: int, total: int) -> None: ...

    def on_event(self, event: Event) -> None: ...

    def finished(self, record: Record) -> None: ...


MakeDisplay = Callable[[], AbstractContextManager[Listener]]


@dataclass(slots=True)
class Outcome:
    """The result of a run: new records, records that existed before, and whether Ctrl-C ended it.

    refused: new records of trials that ran, but not the code that was planned, so that they have no result.
    """

    new: list[Record] = field(default_factory=list)
    recorded: list[Record] = field(default_factory=list)
    refused: list[Record] = field(default_factory=list)
    interrupted: bool = False

    @property
    def records(self) -> list[Record]:
        """All records, earlier ones first."""
        return [*self.recorded, *self.new]

    @property
    def failed(self) -> list[Record]:
        """Records of trials that failed or were interrupted, also of earlier runs."""
        return [record for record in self.records if record.status in FAILED]


def run_request(
    request: Request, registry: Registry, store: Store, make_display: MakeDisplay, *, dry_run: bool = False
) -> tuple[Plan, Outcome]:
    """Plan and run; with `dry_run` only plan. Raises UsageError for a mistake in the request or missing data."""
    require_writable_cache()
    try:
        make_plan(request, registry, store)  # report mistakes before torch is started
        executor = LocalExecutor()
        found = find_devices(request.devices, executor)
        request = replace(request, devices=[*found], device_names=found)
        if not dry_run:
            download_unpinned_weights(request, executor)
        plan = make_plan(request, registry, store)
        if dry_run:
            return plan, Outcome()
        with make_display() as display:
            return plan, Run(plan, store, executor, registry.versions, display).run()
    except DataError as error:
        raise UsageError(f"{error}{_offline_hint(request, registry)}") from error


def _offline_hint(request: Request, registry: Registry) -> str:
    """Suggest the task's offline data set to a user without data; "" if there is none, or it was requested."""
    for dataset in registry.datasets_of(request.pairs[0].task):
        if dataset.offline and request.named_task and not request.offline:
            return f"; without a network or the files, --offline runs on {dataset.title} ({dataset.name})"
    return ""


class Run:
    """One planned `zoo bench` call. `plugins`: the version of each plugin, by name."""

    def __init__(
        self, plan: Plan, store: Store, executor: LocalExecutor, plugins: Mapping[str, str], listener: Listener
    ) -> None:
        self._plan, self._store, self._executor, self._listener = plan, store, executor, listener
        self._environment = describe(plugins)
        self._weights: Mapping[str, InitialWeights] = {}  # by the model's qualified name
        self._left_out: Mapping[tuple[str, str], list[LeftOut]] = {}  # by data set and fingerprint
        self.outcome = Outcome(recorded=list(plan.recorded))

    def run(self) -> Outcome:
        """Check the plan and run every trial. Ctrl-C records the running trial as interrupted and ends the run.

        Raises the errors of `preflight`, before anything is recorded.
        """
        checked = preflight(self._plan, self._executor)
        self._weights, self._left_out = checked.weights, checked.left_out
        self._warn_of_left_out()
        self._store.clean(machine_id())
        note_current_code(checked.plan, self._store, now())
        for skipped in checked.plan.skipped:
            self._skip(skipped)
        todo = checked.plan.todo
        for number, trial in enumerate(todo, 1):
            self._listener.began(trial, number, len(todo))
            record = self._run_trial(trial)
            self._finish(record)
            if record.status == "skipped":
                self.outcome.refused.append(record)
            if record.status == "interrupted":
                self.outcome.interrupted = True
                break
        return self.outcome

    def _warn_of_left_out(self) -> None:
        """Log what the data sets of this run leave out, also for trials that are recorded already."""
        left_out = {dataset: found for (dataset, _), found in self._left_out.items()}
        for record in self.outcome.recorded:
            left_out.setdefault(record.dataset.name, record.dataset.left_out)
        warn_of_left_out(left_out)

    def _finish(self, record: Record) -> None:
        self.outcome.new.append(record)
        self._listener.finished(record)

    def _skip(self, skipped: Skipped) -> None:
        """Record a trial that cannot run, unless its last record has the same status and reason."""
        trial, problem = skipped.trial, skipped.problem
        earlier = self._store.find(trial.task.qualified, trial.key)
        if earlier and (earlier[-1].status, earlier[-1].reason) == (problem.status, problem.reason):
            self.outcome.recorded.append(earlier[-1])
            self._listener.finished(earlier[-1])
            return
        status = TrialStatus(status=problem.status, reason=problem.reason)
        self._finish(self._save(self._make_record(trial, WorkerResult(), status, started=now())))

    def _run_trial(self, trial: PlannedTrial) -> Record:
        started, request = now(), trial.request
        staging = self._store.stage(trial.record_id(started))
        weights = self._weights[trial.model.qualified]
        job = trial.to_trial_job(staging, weights.path, weights.sha256)
        result = self._executor.run(job, self._listener.on_event, request.timeout_s)
        status = status_of_trial(trial, result, read_log_tail(staging))
        if status.status == "ok" and job.scored_apart:
            status = replace(status, **check_score(job, result, self._executor))
        record = self._make_record(trial, result, status, started=started)
        if record.status == "skipped":  # its artifacts are of other code than planned
            self._store.discard(staging)
            return self._save(record)
        return self._save(record, staging)

    def _save(self, record: Record, staging: Path | None = None) -> Record:
        """Save a record and return it. One that could not be read again becomes an error without results."""
        try:
            self._store.save(record, staging)
        except DamagedRecordError as error:
            record = without_results(record, f"the result cannot be stored: {error}")
            self._store.save(record, staging)
        return record

    def _make_record(self, trial: PlannedTrial, result: WorkerResult, status: TrialStatus, *, started: str) -> Record:
        weights = self._weights.get(trial.model.qualified, InitialWeights())  # a skipped trial may have none
        record = make_record(trial, result, status, started=started, environment=self._environment, weights=weights)
        left_out = self._left_out.get((trial.dataset.qualified, trial.fingerprint), [])
        return structs.replace(record, dataset=structs.replace(record.dataset, left_out=left_out))

"""Runs a request: plans it, checks the plan, runs each trial, and writes a record for each, whatever happens to it."""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path

from msgspec import structs

from zoo_core.data.accounting import warn_of_left_out
from zoo_core.errors import DataError, MachineError, UsageError, machine_error_of
from zoo_core.files import cache_dir, require_writable_cache
from zoo_core.measure.environment import describe, machine_id
from zoo_core.registry import Registry
from zoo_core.results.records import FAILED, LeftOut, Record
from zoo_core.results.store import Store, require_folder, writing_results
from zoo_core.runner.current import note_current_code
from zoo_core.runner.devices import find_devices
from zoo_core.runner.events import TrialJob
from zoo_core.runner.executor import LocalExecutor, WorkerResult
from zoo_core.runner.interrupts import deferred_interrupts
from zoo_core.runner.listener import Listener
from zoo_core.runner.log import limiting_log, read_log_tail
from zoo_core.runner.loggers import starting_loggers
from zoo_core.runner.plan import Plan, Skipped, make_plan
from zoo_core.runner.planned_trial import PlannedTrial
from zoo_core.runner.preflight import InitialWeights, download_unpinned_weights, preflight
from zoo_core.runner.recording import TrialStatus, fault_of, keep_score, make_record, now, status_of_trial
from zoo_core.runner.request import Request
from zoo_core.runner.saving import fault_of_disks, fault_of_memory, save_what_fits
from zoo_core.runner.scoring import check_score, remove_predictions

# What a fault of the machine costs a trial, after "1 trial".
NOT_RUN = "did not run"
NOT_FINISHED = "did not finish"
NO_FILES = "lost pictures, checkpoint or other files, which --force makes anew"
NO_RECORD = "could not be saved"


MakeDisplay = Callable[[], AbstractContextManager[Listener]]


@dataclass(slots=True)
class Outcome:
    """The result of a run: new records, records that existed before, and whether Ctrl-C ended it.

    refused: new records of trials that ran, but not the code that was planned, so that they have no result.
    faults: faults of the machine, such as a full disk -> what they cost, in words about trials, with the number of
        trials. unsaved: new records that could not be saved, so that only this object has them.
    logged: the name of each logger that has written everything, and where to look.
    """

    new: list[Record] = field(default_factory=list)
    recorded: list[Record] = field(default_factory=list)
    refused: list[Record] = field(default_factory=list)
    faults: dict[str, Counter[str]] = field(default_factory=dict)
    unsaved: list[Record] = field(default_factory=list)
    interrupted: bool = False
    logged: Sequence[tuple[str, str]] = ()

    def note_fault(self, fault: str, cost: str) -> None:
        """Note what a fault of the machine cost one trial."""
        self.faults.setdefault(fault, Counter())[cost] += 1

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
    """Plan and run; with `dry_run` only plan. Raises UsageError for a mistake in the request or missing data.

    Raises MachineError for a fault of the machine before the first trial; later ones are in the outcome.
    """
    require_writable_cache()
    require_folder(store.folder)
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
        wanted = request.loggers if plan.todo else ()
        with starting_loggers(wanted, store) as loggers, make_display() as display:
            outcome = Run(plan, store, executor, registry.versions, loggers.beside(display)).run()
            loggers.interrupted = outcome.interrupted
        outcome.logged = loggers.places
        return plan, outcome
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

        Raises the errors of `preflight`, and MachineError for a results folder that takes no files, before anything is
        recorded.
        """
        self._store.clean(machine_id())
        if self._plan.todo:
            self._store.require_writable()
        checked = preflight(self._plan, self._executor)
        self._weights, self._left_out = checked.weights, checked.left_out
        self._warn_of_left_out()
        for _, fault in checked.faults:
            self.outcome.note_fault(fault, NOT_RUN)
        self._note_current_code(checked.plan)
        for skipped in checked.plan.skipped:
            self._skip(skipped)
        todo = checked.plan.todo
        for number, trial in enumerate(todo, 1):
            with deferred_interrupts() as interrupts:  # until its record is saved
                self._listener.began(trial, number, len(todo))
                try:
                    self._run_trial(trial)
                except (MachineError, UsageError) as error:  # it did not begin; a fault may concern only this one
                    self.outcome.note_fault(str(error), NOT_RUN)
            if interrupts.requested:
                self.outcome.interrupted = True
                break
        return self.outcome

    def _note_current_code(self, plan: Plan) -> None:
        try:
            with writing_results(self._store.folder):
                note_current_code(plan, self._store, now())
        except MachineError as error:  # the leaderboard then goes by the newest record
            self.outcome.faults.setdefault(str(error), Counter())

    def _warn_of_left_out(self) -> None:
        """Log what the data sets of this run leave out, also for trials that are recorded already."""
        left_out = {dataset: found for (dataset, _), found in self._left_out.items()}
        for record in self.outcome.recorded:
            left_out.setdefault(record.dataset.name, record.dataset.left_out)
        warn_of_left_out(left_out)

    def _finish(self, record: Record, staging: Path | None = None) -> None:
        """Save a new record, in full if that is possible, and show it."""
        saved = save_what_fits(self._store, record, staging)
        if not saved.is_saved and record.status == "interrupted":  # nothing worth keeping: it will run again
            self.outcome.faults.setdefault(saved.fault, Counter())
        elif saved.fault:
            self.outcome.note_fault(saved.fault, NO_FILES if saved.is_saved else NO_RECORD)
        if not saved.is_saved and record.status != "interrupted":
            self.outcome.unsaved.append(saved.record)
        self.outcome.new.append(saved.record)
        self._listener.finished(saved.record)

    def _skip(self, skipped: Skipped) -> None:
        """Record a trial that cannot run, unless its last record has the same status and reason."""
        trial, problem = skipped.trial, skipped.problem
        earlier = self._store.find(trial.task.qualified, trial.key)
        if earlier and (earlier[-1].status, earlier[-1].reason) == (problem.status, problem.reason):
            self.outcome.recorded.append(earlier[-1])
            self._listener.finished(earlier[-1])
            return
        status = TrialStatus(status=problem.status, reason=problem.reason)
        self._finish(self._make_record(trial, WorkerResult(), status, started=now()))

    def _run_trial(self, trial: PlannedTrial) -> None:
        """Run a trial and save its record. Raises MachineError or UsageError if it could not begin."""
        started, request = now(), trial.request
        self._store.require_writable(flush=False)
        with writing_results(self._store.folder):
            staging = self._store.stage(trial.record_id(started))
        weights = self._weights[trial.model.qualified]
        job = trial.to_trial_job(staging, weights.path, weights.sha256)
        try:
            with limiting_log(staging):
                result = self._executor.run(job, self._listener.on_event, request.timeout_s)
        except (OSError, MachineError) as error:  # such as no process could be started
            self._store.discard(staging)
            raise machine_error_of(error) or error from error
        status = self._status(trial, job, result, staging)
        if status.status == "ok" and job.scored_apart:
            checked = check_score(job, result, self._executor)
            status = replace(status, status=checked.status, reason=checked.reason)
            if checked.fault:
                self.outcome.note_fault(checked.fault, NOT_FINISHED)
        remove_predictions(staging)
        record = self._make_record(trial, result, status, started=started)
        if record.status == "skipped":  # its artifacts are of other code than planned
            self._store.discard(staging)
            self.outcome.refused.append(record)
            self._finish(record)
        else:
            self._finish(record, staging)
        self.outcome.interrupted = result.interrupted

    def _status(self, trial: PlannedTrial, job: TrialJob, result: WorkerResult, staging: Path) -> TrialStatus:
        """Return the status of a trial. One that failed because of the machine has no result and will run again."""
        log_tail = read_log_tail(staging)
        if result.before_extras is not None and result.trial_done is None:  # its worker ended during the extras
            ended = status_of_trial(trial, result, log_tail)
            fault = fault_of(result) or str(_hidden_fault(ended, staging) or "")
            keep_score(result, job.extras, fault or ended.reason, fault)
        status, fault = status_of_trial(trial, result, log_tail), fault_of(result)
        if not fault and (hidden := _hidden_fault(status, staging)):
            fault = str(hidden)
            status = replace(status, status="interrupted", reason=f"{fault}; the trial ended with {status.reason}")
        if fault:
            self.outcome.note_fault(fault, NOT_FINISHED if status.status == "interrupted" else NO_FILES)
        return status

    def _make_record(self, trial: PlannedTrial, result: WorkerResult, status: TrialStatus, *, started: str) -> Record:
        weights = self._weights.get(trial.model.qualified, InitialWeights())  # a skipped trial may have none
        record = make_record(trial, result, status, started=started, environment=self._environment, weights=weights)
        left_out = self._left_out.get((trial.dataset.qualified, trial.fingerprint), [])
        return structs.replace(record, dataset=structs.replace(record.dataset, left_out=left_out))


def _hidden_fault(status: TrialStatus, staging: Path) -> MachineError | None:
    """Return the machine's fault behind a failure that does not name one; None if there is none."""
    if status.status == "out_of_memory":
        return fault_of_memory()
    if status.status not in ("error", "crashed"):
        return None
    last_words = RuntimeError(status.log_tail if status.status == "crashed" else "")
    return machine_error_of(last_words) or fault_of_disks(_written_folders(staging))


def _written_folders(staging: Path) -> Iterator[Path]:
    """Yield the folders that a trial writes to. Raises no error if there is none for temporary files."""
    yield staging
    yield cache_dir()
    with contextlib.suppress(OSError):
        yield Path(tempfile.gettempdir())
    yield Path("/dev/shm")  # noqa: S108 - of torch's DataLoader

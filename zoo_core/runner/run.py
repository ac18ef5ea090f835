"""Runs a request: plans it, checks the plan, runs each trial, and writes a record for each, whatever happens to it."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path

from msgspec import structs

from zoo_core.data.accounting import warn_of_left_out
from zoo_core.errors import DataError, MachineError, UsageError, machine_error_of
from zoo_core.executors import Executor
from zoo_core.files import cache_dir, require_writable_cache
from zoo_core.measure.environment import describe, machine_id
from zoo_core.registry import LOCAL, Registry
from zoo_core.results.records import LeftOut, Record
from zoo_core.results.store import Store, require_folder, writing_results
from zoo_core.runner.current import note_current_code
from zoo_core.runner.events import Event, TrialJob
from zoo_core.runner.executor import LocalExecutor, WorkerResult
from zoo_core.runner.jobs import Numbered, Place, Places, run_trials, with_devices
from zoo_core.runner.listener import Listener
from zoo_core.runner.log import limiting_log, read_log_tail
from zoo_core.runner.loggers import starting_loggers
from zoo_core.runner.outcome import NO_FILES, NO_RECORD, NOT_FINISHED, NOT_RUN, Outcome
from zoo_core.runner.plan import Plan, Skipped, make_plan
from zoo_core.runner.planned_trial import PlannedTrial
from zoo_core.runner.preflight import InitialWeights, download_unpinned_weights, preflight
from zoo_core.runner.recording import TrialStatus, fault_of, keep_score, make_record, now, status_of_trial
from zoo_core.runner.remote import RemoteRun, as_remote, make_executor, without_recorded
from zoo_core.runner.request import Request
from zoo_core.runner.saving import fault_of_disks, fault_of_memory, save_what_fits
from zoo_core.runner.schedule import schedule
from zoo_core.runner.scoring import check_score, remove_predictions
from zoo_core.specs import ExecutorSpec

LOG = logging.getLogger("zoo")

MakeDisplay = Callable[[], AbstractContextManager[Listener]]


def run_request(
    request: Request, registry: Registry, store: Store, make_display: MakeDisplay, *, dry_run: bool = False
) -> tuple[Plan, Outcome]:
    """Plan and run; with `dry_run` only plan. Raises UsageError for a mistake in the request or missing data.

    Raises MachineError for a fault of the machine before the first trial; later ones are in the outcome.
    """
    require_writable_cache()
    require_folder(store.folder)
    try:
        if (spec := _other_executor(request, registry)) is not None:
            return _run_elsewhere(as_remote(request), registry, store, make_display, spec, dry_run=dry_run)
        make_plan(request, registry, store)  # report mistakes before torch is started
        executor = LocalExecutor()
        request = with_devices(request, executor)
        if not dry_run:
            download_unpinned_weights(request, executor)
        plan = schedule(make_plan(request, registry, store), store, executor)
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


def _other_executor(request: Request, registry: Registry) -> ExecutorSpec | None:
    """Return the executor that a request names; None for this machine. Raises UnknownNameError, UsageError."""
    spec = registry.executor(request.executor) if request.executor else LOCAL
    if spec == LOCAL and request.address:
        raise UsageError("--address does not go with --executor local, which is this machine")
    return None if spec == LOCAL else spec


def _run_elsewhere(
    request: Request,
    registry: Registry,
    store: Store,
    make_display: MakeDisplay,
    spec: ExecutorSpec,
    *,
    dry_run: bool,
) -> tuple[Plan, Outcome]:
    """Plan, and hand the trials to an executor, unless `dry_run`. Raises UsageError."""
    plan = without_recorded(make_plan(request, registry, store), store)
    if dry_run:
        return plan, Outcome()
    wanted = request.loggers if plan.todo else ()
    with starting_loggers(wanted, store) as loggers, make_display() as display:
        run = Run(plan, store, None, registry.versions, loggers.beside(display))
        outcome = run.run_by(spec.name, make_executor(spec, request.address)) if plan.todo else run.outcome
        loggers.interrupted = outcome.interrupted
    outcome.logged = loggers.places
    return plan, outcome


def _offline_hint(request: Request, registry: Registry) -> str:
    """Suggest the task's offline data set to a user without data; "" if there is none, or it was requested."""
    for dataset in registry.datasets_of(request.pairs[0].task):
        if dataset.offline and request.named_task and not request.offline:
            return f"; without a network or the files, --offline runs on {dataset.title} ({dataset.name})"
    return ""


class Run:
    """One planned `zoo bench` call. `plugins`: the version of each plugin, by name.

    `run` runs it on this machine, `run_by` hands it to an executor and needs no local one; `outcome` has the result.
    """

    def __init__(
        self, plan: Plan, store: Store, executor: LocalExecutor | None, plugins: Mapping[str, str], listener: Listener
    ) -> None:
        self._plan, self.store, self._executor, self.listener = plan, store, executor, listener
        self._plugins, self._environment = plugins, describe(plugins)
        self._weights: Mapping[str, InitialWeights] = {}  # by the model's qualified name
        self._left_out: Mapping[tuple[str, str], list[LeftOut]] = {}  # by data set and fingerprint
        self._bookkeeping = threading.RLock()  # trials may run in several threads
        self.outcome = Outcome(recorded=list(plan.recorded), left=len(plan.left))

    def run(self) -> Outcome:
        """Check the plan and run every trial. Ctrl-C records the running trial as interrupted and ends the run.

        Raises the errors of `preflight`, and MachineError for a results folder that takes no files, before anything is
        recorded.
        """
        self.store.clean(machine_id())
        if self._plan.todo:
            self.store.require_writable()
        checked = preflight(self._plan, self._local)
        self._weights, self._left_out = checked.weights, checked.left_out
        self._warn_of_left_out()
        for _, fault in checked.faults:
            self.outcome.note_fault(fault, NOT_RUN)
        self._note_current_code(checked.plan)
        for skipped in checked.plan.skipped:
            self._skip(skipped)
        if todo := checked.plan.todo:
            places = Places(todo[0].request)
            if not places.own_cores:
                LOG.warning("warning: the trials share cores, so their times are unreliable and not ranked")
            limit_s = todo[0].request.limit_s
            ends = None if limit_s is None else time.monotonic() + limit_s
            run_one = partial(self._try, total=len(todo))
            self.outcome.interrupted, not_begun = run_trials(todo, places, run_one, ends)
            self.outcome.left += not_begun
        return self.outcome

    def run_by(self, name: str, executor: Executor) -> Outcome:
        """Run every trial by an executor. The machines that it uses check data and models themselves."""
        self.store.clean(machine_id())
        if self._plan.todo:
            self.store.require_writable()
        self._note_current_code(self._plan)
        for skipped in self._plan.skipped:
            self._skip(skipped)
        remote = RemoteRun(name=name, executor=executor, books=self, plugins=self._plugins)
        self.outcome.interrupted = remote.run(self._plan.todo)
        return self.outcome

    def _try(self, item: Numbered, place: Place, *, total: int) -> None:
        """Run a trial. A fault of the machine that keeps it from beginning may concern only this one."""
        with self._bookkeeping:
            self.listener.began(item.trial, item.number, total)
        try:
            self._run_trial(item.trial, place)
        except (MachineError, UsageError) as error:
            self.note_fault(str(error), NOT_RUN)

    @property
    def _local(self) -> LocalExecutor:
        assert self._executor is not None  # `run` has it
        return self._executor

    def _note_current_code(self, plan: Plan) -> None:
        try:
            with writing_results(self.store.folder):
                note_current_code(plan, self.store, now())
        except MachineError as error:  # the leaderboard then goes by the newest record
            self.outcome.faults.setdefault(str(error), Counter())

    def _warn_of_left_out(self) -> None:
        """Log what the data sets of this run leave out, also for trials that are recorded already."""
        left_out = {dataset: found for (dataset, _), found in self._left_out.items()}
        for record in self.outcome.recorded:
            left_out.setdefault(record.dataset.name, record.dataset.left_out)
        warn_of_left_out(left_out)

    def note_fault(self, fault: str, cost: str) -> None:
        """Note what a fault of the machine cost one trial, from any thread."""
        with self._bookkeeping:
            self.outcome.note_fault(fault, cost)

    def _hear(self, trial: PlannedTrial, event: Event) -> None:
        with self._bookkeeping:
            self.listener.on_event(trial, event)

    def finish(self, trial: PlannedTrial, record: Record, staging: Path | None = None) -> None:
        """Save a new record, in full if that is possible, and show it."""
        saved = save_what_fits(self.store, record, staging)
        if not saved.is_saved and record.status == "interrupted":  # nothing worth keeping: it will run again
            self.outcome.faults.setdefault(saved.fault, Counter())
        elif saved.fault:
            self.outcome.note_fault(saved.fault, NO_FILES if saved.is_saved else NO_RECORD)
        if not saved.is_saved and record.status != "interrupted":
            self.outcome.unsaved.append(saved.record)
        self.outcome.new.append(saved.record)
        self.listener.finished(trial, saved.record)

    def _skip(self, skipped: Skipped) -> None:
        """Record a trial that cannot run, unless its last record has the same status and reason."""
        trial, problem = skipped.trial, skipped.problem
        earlier = self.store.find(trial.task.qualified, trial.key)
        if earlier and (earlier[-1].status, earlier[-1].reason) == (problem.status, problem.reason):
            self.outcome.recorded.append(earlier[-1])
            self.listener.finished(trial, earlier[-1])
            return
        status = TrialStatus(status=problem.status, reason=problem.reason)
        self.finish(trial, self.make_record(trial, WorkerResult(), status, started=now()))

    def _run_trial(self, trial: PlannedTrial, place: Place) -> None:
        """Run a trial and save its record. Raises MachineError or UsageError if it could not begin."""
        started = now()
        with self._bookkeeping, writing_results(self.store.folder):
            self.store.require_writable(flush=False)
            staging = self.store.stage(trial.record_id(started))
        weights = self._weights[trial.model.qualified]
        job = trial.to_trial_job(staging, weights.path, weights.sha256)
        job = structs.replace(job, cpus=[*place.cpus], max_threads=place.max_threads)
        try:
            with limiting_log(staging):
                result = self._local.run(job, lambda event: self._hear(trial, event), trial.timeout_s)
        except (OSError, MachineError) as error:  # such as no process could be started
            self.store.discard(staging)
            raise machine_error_of(error) or error from error
        status = self._status(trial, job, result, staging)
        if status.status == "ok" and job.scored_apart:
            checked = check_score(job, result, self._local)
            status = replace(status, status=checked.status, reason=checked.reason)
            if checked.fault:
                self.note_fault(checked.fault, NOT_FINISHED)
        remove_predictions(staging)
        record = self.make_record(trial, result, status, started=started)
        with self._bookkeeping:
            if record.status == "skipped":  # its artifacts are of other code than planned
                self.store.discard(staging)
                self.outcome.refused.append(record)
                self.finish(trial, record)
            else:
                self.finish(trial, record, staging)

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
            self.note_fault(fault, NOT_FINISHED if status.status == "interrupted" else NO_FILES)
        return status

    def make_record(self, trial: PlannedTrial, result: WorkerResult, status: TrialStatus, *, started: str) -> Record:
        """Make the record of a trial, with what the checks before the run found out."""
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

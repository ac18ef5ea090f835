"""Makes the record of a trial from its plan and the result of its worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec.structs import asdict, replace

from zoo_core.entries.loaded import changed_file_error
from zoo_core.entries.unpackaged import without_folder
from zoo_core.files import hide_home
from zoo_core.reasons import add_output
from zoo_core.results.records import SCHEMA, Measured, PhaseFacts, Record, Status
from zoo_core.runner.current import other_code
from zoo_core.runner.executor import WorkerResult, exit_reason
from zoo_core.runner.identity import find_changed_file, other_imports
from zoo_core.runner.initial_score import find_undeclared_knowledge
from zoo_core.runner.planned_trial import PlannedTrial
from zoo_core.runner.plausible import find_impossible_number
from zoo_core.runner.preflight import InitialWeights
from zoo_core.runner.record_facts import dataset_facts, device_facts, model_facts, task_facts
from zoo_core.runner.worker import LOG

MAX_LOG_TAIL_BYTES = 8_000  # of a dead worker's output, in its record
MAX_LOG_BYTES = 64_000  # of a worker's output, in a file next to its record


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialStatus:
    """The status of a trial and the reason for it, as in its record. `log_tail`: the end of the worker's output."""

    status: Status
    reason: str
    log_tail: str = ""


def make_record(
    trial: PlannedTrial,
    result: WorkerResult,
    status: TrialStatus,
    *,
    started: str,
    environment: Mapping[str, Any],
    weights: InitialWeights,
) -> Record:
    """Make the record. Values that the worker did not send come from the specs, or stay unknown.

    started: ISO 8601 time. environment: from `measure.environment.describe`. weights: the initial ones.
    """
    done, request = result.trial_done, trial.request
    if status.status == "skipped":
        done = None  # what the worker measured is no result of this trial
    task, device = task_facts(trial.task), device_facts(trial)
    model = replace(model_facts(trial), weights_sha256=weights.sha256, weights_source=weights.source)
    examples: dict[str, int] = {}
    if (facts := result.facts) is not None:
        task = replace(task, chance=facts.chance)
        model, device = replace(model, **asdict(facts.model)), replace(device, **asdict(facts.device))
        environment, examples = {**environment, **asdict(facts.environment)}, facts.examples
    measured = done.measured if done else Measured()
    if find_impossible_number(result) or result.order.cheat or result.order.problem:
        measured = Measured()
    if measured.load is not None:
        measured = replace(measured, load=replace(measured.load, trials_beside=result.trials_beside))
    phases = {"start": result.phases["start"], **done.phases} if done else result.phases
    return Record(
        schema=SCHEMA,
        id=trial.record_id(started),
        key=trial.key,
        status=status.status,
        reason=hide_home(without_folder(status.reason, trial.model)),
        traceback=hide_home(without_folder(_traceback(result) or status.log_tail, trial.model)),
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
        curve=[point.point for point in result.points] if measured.steps else [],
        phases=[PhaseFacts(name=name, seconds=seconds) for name, seconds in phases.items()],
        wall_s=result.wall_s,
        measured=measured,
        other_code=other_code(trial),
        environment=dict(environment),
        command=hide_home(request.command),
        imports=other_imports(trial.model, trial.code, result.loaded),
    )


def _traceback(result: WorkerResult) -> str:
    ended = result.trial_done or result.job_failed
    return ended.traceback if ended else ""


def status_of_trial(trial: PlannedTrial, result: WorkerResult, log_tail: str) -> TrialStatus:
    """Derive the status of a trial, and the reason in words, from the result of its worker.

    A trial that ran other code than planned is `skipped`: it has no result, and the next call runs it again.
    """
    status, reason = _status_and_reason(result, trial.request.timeout_s)
    if status != "interrupted":
        changed = find_changed_file(trial.code, result.loaded, failed=status != "ok")
        if changed:
            return TrialStatus(status="skipped", reason=str(changed_file_error(changed)), log_tail=log_tail)
        if result.order.cheat:
            return TrialStatus(status="error", reason=result.order.cheat, log_tail=log_tail)
    if status == "ok" and result.order.problem:
        reason = f"the worker's events cannot be right: {result.order.problem}"
        return TrialStatus(status="error", reason=reason, log_tail=log_tail)
    if status == "ok" and (knowledge := find_undeclared_knowledge(trial, result)):
        return TrialStatus(status="error", reason=knowledge, log_tail=log_tail)
    if status == "ok" and (number := find_impossible_number(result)):
        return TrialStatus(status="error", reason=f"the measurements cannot be right: {number}", log_tail=log_tail)
    reason = add_output(reason, log_tail, crashed=status == "crashed")
    return TrialStatus(status=status, reason=reason, log_tail=log_tail)


def _status_and_reason(result: WorkerResult, timeout_s: float | None) -> tuple[Status, str]:
    if result.trial_done is not None:
        return result.trial_done.status, result.trial_done.reason
    phase = f"in phase {result.phase}"
    if result.interrupted:
        return "interrupted", f"stopped {phase}"
    if result.timed_out:
        return "timeout", f"not done after {timeout_s:g} s, {phase}"
    if result.job_failed is not None:
        return "error", result.job_failed.reason
    if result.oom_killed:
        return "out_of_memory", f"the system killed the process because memory ran out, {phase}"
    return "crashed", f"the process died {phase}: {exit_reason(result.exit_code)}"


def without_results(record: Record, reason: str) -> Record:
    """Return the record of the same trial as an error, without what its plugin measured or reported."""
    return replace(record, status="error", reason=reason, curve=[], measured=Measured())


def read_log_tail(staging: Path) -> str:
    """Return the end of the worker's output. Also shorten its log file, or remove it if it is empty."""
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


def now() -> str:
    """Return the time in UTC, with microseconds, in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="microseconds")

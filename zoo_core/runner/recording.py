"""Makes the record of a trial from its plan and the result of its worker."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from msgspec.structs import asdict, replace

from zoo_core.entries.loaded import changed_file_error
from zoo_core.entries.unpackaged import without_folder
from zoo_core.errors import MachineError
from zoo_core.files import hide_home
from zoo_core.reasons import add_output
from zoo_core.results.records import SCHEMA, Measured, PhaseFacts, Record, Status
from zoo_core.runner import sandbox
from zoo_core.runner.current import other_code
from zoo_core.runner.executor import WorkerResult, exit_reason
from zoo_core.runner.identity import find_changed_file, other_imports
from zoo_core.runner.initial_score import find_undeclared_knowledge
from zoo_core.runner.limits import cut, limit_record
from zoo_core.runner.planned_trial import PlannedTrial, portable_key
from zoo_core.runner.plausible import find_impossible_number
from zoo_core.runner.preflight import InitialWeights
from zoo_core.runner.record_facts import dataset_facts, device_facts, model_facts, task_facts

MAX_WHY_CHARS = 500  # of the reason why an extra is missing


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
    if (load := measured.load) is not None:
        beside = result.trials_beside
        load = replace(load, trials_beside=beside.sharing, trials_apart=beside.apart)
        measured = replace(measured, load=load)
    phases = {"start": result.phases["start"], **done.phases} if done else result.phases
    measured = replace(measured, left_out={name: hide_home(why) for name, why in measured.left_out.items()})
    record = Record(
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
        timeout_s=trial.timeout_s,
        max_memory_mib=request.max_memory_mib or None,
        curve=[point.point for point in result.points] if measured.steps else [],
        phases=[PhaseFacts(name=name, seconds=seconds) for name, seconds in phases.items()],
        wall_s=result.wall_s,
        measured=measured,
        other_code=other_code(trial),
        environment={**environment, **({"sandbox": sandbox.NAME} if request.sandbox else {})},
        command=hide_home(request.command),
        imports=other_imports(trial.model, trial.code, result.loaded),
        experiment=portable_key(trial),
    )
    return limit_record(record)


def keep_score(result: WorkerResult, extras: Iterable[str], why: str, fault: str) -> None:
    """End a trial as ok whose worker ended during the extras, without an end of its own.

    extras: what was asked for, by its name in `left_out`. why: it is missing. fault: the machine's; "" for none. After
    Ctrl-C nothing is noted as left out, so that the same command runs the trial again.
    """
    done = result.before_extras
    assert done is not None
    left_out = {} if result.interrupted else dict.fromkeys(extras, cut(why, MAX_WHY_CHARS))
    measured = replace(done.measured, left_out={**done.measured.left_out, **left_out})
    seconds = {name: seconds for name, seconds in result.phases.items() if name == "extras"}
    result.trial_done = replace(done, measured=measured, phases={**done.phases, **seconds}, fault=fault or done.fault)


def _traceback(result: WorkerResult) -> str:
    ended = result.trial_done or result.job_failed
    return ended.traceback if ended else ""


def status_of_trial(trial: PlannedTrial, result: WorkerResult, log_tail: str) -> TrialStatus:
    """Derive the status of a trial, and the reason in words, from the result of its worker.

    A trial that ran other code than planned is `skipped`: it has no result, and the next call runs it again.
    """
    status, reason = _status_and_reason(result, trial.timeout_s)
    if status == "out_of_memory" and trial.request.max_memory_mib and not result.excess:
        reason = f"{reason} (--max-memory: {trial.request.max_memory_mib:,} MiB)"
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
        return "interrupted" if fault_of(result) else "error", result.job_failed.reason
    if result.excess:
        return "out_of_memory", f"{result.excess}, {phase}"
    if result.oom_killed:
        return "out_of_memory", f"the system killed the process because memory ran out, {phase}"
    return "crashed", f"the process died {phase}: {exit_reason(result.exit_code)}"


def fault_of(result: WorkerResult) -> str:
    """Return the fault of the machine that the worker met, such as a full disk; "" if it met none."""
    if result.job_failed is not None and result.job_failed.error == MachineError.__name__:
        return result.job_failed.reason
    return result.trial_done.fault if result.trial_done is not None else ""


def without_results(record: Record, reason: str) -> Record:
    """Return the record of the same trial as an error, without what its plugin measured or reported."""
    return replace(record, status="error", reason=cut(reason), curve=[], measured=Measured())


def without_artifacts(record: Record, reason: str) -> Record:
    """Return the record without its files, and with the reason why they are missing."""
    measured = record.measured
    profile = measured.profile
    if not (measured.per_example or measured.checkpoint or measured.pictures or measured.texts or profile):
        return record
    left_out = {**measured.left_out, "artifacts": hide_home(cut(reason))}
    profile = replace(profile, trace="") if profile is not None else None
    bare = replace(measured, per_example="", checkpoint="", pictures={}, texts={}, profile=profile, left_out=left_out)
    return replace(record, measured=bare)


def now() -> str:
    """Return the time in UTC, with microseconds, in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="microseconds")

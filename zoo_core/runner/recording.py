"""Makes the record of a trial, from its plan and from what its worker sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec.structs import asdict, replace

from zoo_core.entries.unpackaged import without_folder
from zoo_core.results.records import SCHEMA, Measured, PhaseFacts, Record, Status
from zoo_core.runner.executor import Ended, exit_reason
from zoo_core.runner.plan import PlannedTrial
from zoo_core.runner.record_facts import dataset_facts, device_facts, model_facts, task_facts


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """How a trial ended, in the terms of its record. `log`: the end of the output of a worker that died."""

    status: Status
    reason: str
    log: str = ""


def make_record(
    trial: PlannedTrial,
    ended: Ended,
    ending: Ending,
    *,
    started: str,
    environment: Mapping[str, Any],
    weights_sha256: str,
) -> Record:
    """Make the record. Facts that the worker did not send are those of the specs, or unknown."""
    done, request = ended.done, trial.request
    task, device = task_facts(trial.task), device_facts(trial)
    model = replace(model_facts(trial), weights_sha256=weights_sha256)
    examples: dict[str, int] = {}
    if (facts := ended.facts) is not None:
        task = replace(task, chance=facts.chance)
        model, device = replace(model, **asdict(facts.model)), replace(device, **asdict(facts.device))
        environment, examples = {**environment, **asdict(facts.environment)}, facts.examples
    measured = done.measured if done else Measured()
    if measured.load is not None:
        measured = replace(measured, load=replace(measured.load, trials_beside=ended.trials_beside))
    phases = {"start": ended.phases["start"], **done.phases} if done else ended.phases
    return Record(
        schema=SCHEMA,
        id=trial.record_id(started),
        key=trial.key,
        status=ending.status,
        reason=hide_home(without_folder(ending.reason, trial.model)),
        traceback=hide_home(without_folder(done.traceback if done else ending.log, trial.model)),
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
        environment=dict(environment),
        command=hide_home(request.command),
    )


def ending_of(ended: Ended, timeout_s: float | None, log: str) -> Ending:
    """Derive the status of a trial, and the reason in words, from how its process ended."""
    status, reason = _status_and_reason(ended, timeout_s)
    return Ending(status=status, reason=reason, log=log)


def _status_and_reason(ended: Ended, timeout_s: float | None) -> tuple[Status, str]:
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
        return "out_of_memory", f"the system killed the process because memory ran out, {where}"
    return "crashed", f"the process died {where}: {exit_reason(ended.exit_code)}"


def now() -> str:
    """Return the time in UTC, with microseconds, in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def hide_home(text: str) -> str:
    """Replace the user's home folder in `text` by `~`, because records are published."""
    return text.replace(str(Path.home()), "~") if len(str(Path.home())) > 1 else text

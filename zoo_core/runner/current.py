"""Notes what a plan asks for: the leaderboard shows the code of the last request as current, other code as not."""

from __future__ import annotations

import contextlib

from zoo_core.results.current import CurrentCode, save_current
from zoo_core.results.records import DatasetFacts, ModelFacts, TaskFacts
from zoo_core.results.store import Store
from zoo_core.runner.plan import Plan
from zoo_core.runner.planned_trial import PlannedTrial
from zoo_core.runner.record_facts import dataset_facts, model_facts, task_facts


def other_code(trial: PlannedTrial) -> dict[str, str]:
    """Return the hashes of the code of the data set and the task, and of the specs, as in a record."""
    return {"dataset": trial.code.dataset.sha256, "task": trial.code.task.sha256, "specs": trial.specs}


def note_current_code(plan: Plan, store: Store, asked_at: str) -> None:
    """Note the code of every trial that will run and of every trial that has a record; not of skipped ones."""
    notes = [_note_of_trial(trial, asked_at) for trial in plan.todo]
    notes += [_note(item.task, item.dataset, item.model, item.other_code, asked_at=asked_at) for item in plan.recorded]
    for note in {note.key: note for note in notes}.values():
        # Records can be looked up in a folder that may not be written. A trial that has to run fails there anyway.
        with contextlib.suppress(OSError) if not plan.todo else contextlib.nullcontext():
            save_current(store, note)


def _note_of_trial(trial: PlannedTrial, asked_at: str) -> CurrentCode:
    dataset = dataset_facts(trial.dataset, trial.fingerprint, {})
    return _note(task_facts(trial.task), dataset, model_facts(trial), other_code(trial), asked_at=asked_at)


def _note(
    task: TaskFacts, dataset: DatasetFacts, model: ModelFacts, other: dict[str, str], *, asked_at: str
) -> CurrentCode:
    return CurrentCode(
        task=task.name,
        dataset=dataset.name,
        model=model.name,
        code_sha256=model.code_sha256,
        asked_at=asked_at,
        other_code=other,
        versions={"model": model.version, "dataset": dataset.version, "task": task.version},
        source=model.source,
    )

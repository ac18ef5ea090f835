"""Notes what a plan asks for: the leaderboard shows the code of the last request as current, other code as older."""

from __future__ import annotations

import contextlib

from zoo_core.results.current import CurrentCode, save_current
from zoo_core.results.store import Store
from zoo_core.runner.plan import Plan
from zoo_core.runner.record_facts import model_facts
from zoo_core.runner.recording import now


def note_current_code(plan: Plan, store: Store) -> None:
    """Note the code of every trial that will run and of every trial that has a record; not of skipped ones."""
    asked_at = now()
    asked = [(trial.task.qualified, trial.dataset.qualified, model_facts(trial)) for trial in plan.todo]
    asked += [(record.task.name, record.dataset.name, record.model) for record in plan.recorded]
    notes = [
        CurrentCode(
            task=task,
            dataset=dataset,
            model=model.name,
            code_sha256=model.code_sha256,
            asked_at=asked_at,
            source=model.source,
        )
        for task, dataset, model in asked
    ]
    for note in dict.fromkeys(notes):
        # Records can be looked up in a folder that may not be written. A trial that has to run fails there anyway.
        with contextlib.suppress(OSError) if not plan.todo else contextlib.nullcontext():
            save_current(store, note)

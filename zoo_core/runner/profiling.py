"""Profiles training steps of a trial after everything is measured, with a model of their own: `zoo bench --profile`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import torch
from torch import nn

from zoo_core.errors import PluginError
from zoo_core.measure.profile import profile_steps
from zoo_core.protocols import Phase, Step, Stop
from zoo_core.recipe import Recipe
from zoo_core.results.records import ProfileFacts, TableFacts
from zoo_core.runner.artifacts import MAX_DECODED_BYTES, Artifacts
from zoo_core.runner.prepare import PreparedTrial
from zoo_core.runner.warm_up import WARM_UP_STEPS

STEPS = 5


def profile_trial(trial: PreparedTrial, what: Literal["time", "memory"], artifacts: Artifacts) -> ProfileFacts:
    """Profile some training steps, and keep the trace among the artifacts.

    The steps are those of a new model, after warm-up steps, so that they change neither the trial's result nor its
    times. Raises PluginError if the task takes no step.
    """
    model = trial.build_model()
    runnable: nn.Module = torch.compile(model) if trial.job.compiled else model  # type: ignore[assignment]
    recipe = Recipe({**trial.recipe, "steps": WARM_UP_STEPS + STEPS})
    ctx = replace(trial.ctx, progress=lambda: 0.0, budget_s=None)
    events = trial.task.train(ctx, runnable, recipe)

    def take_step() -> bool:
        return _take_step(trial, events)

    try:
        for _ in range(WARM_UP_STEPS):
            take_step()
        found = profile_steps(take_step, trial.job.device, what, steps=STEPS, max_trace_bytes=MAX_DECODED_BYTES)
    finally:
        if hasattr(events, "close"):
            events.close()
    if not found.steps:
        raise PluginError(f"the training took no more than {WARM_UP_STEPS} steps, so none could be profiled")
    artifacts.keep_trace(found.trace, found.trace_bytes)
    return ProfileFacts(
        what=what,
        steps=found.steps,
        table=TableFacts(columns=found.columns, rows=found.rows),
        trace=artifacts.trace,
    )


def _take_step(trial: PreparedTrial, events: Iterator[Step | Phase | Stop]) -> bool:
    """Take the training's next optimizer step, past the phases before it; return False at its end."""
    while True:
        with trial.autocast():
            event = next(events, None)
        if not isinstance(event, Phase):
            return isinstance(event, Step)

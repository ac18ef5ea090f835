"""Checks that a model can take a task's data, before anything is trained or recorded."""

from __future__ import annotations

import shlex

import torch

from zoo_core.entries.unpackaged import address
from zoo_core.errors import IncompatibleError, WrongOutputError, ZooError
from zoo_core.memory_limit import is_out_of_memory
from zoo_core.optional import HasExampleInput, HasOutputForm
from zoo_core.reasons import reason_of
from zoo_core.runner.events import TrialJob
from zoo_core.runner.trial import TrialRunner


def try_out(job: TrialJob) -> None:
    """Build the job's model and run it on two examples. Raises IncompatibleError with the reason of any error."""
    trial = TrialRunner(job, lambda _: None).prepare()
    try:
        model = trial.build_model()
        if isinstance(trial.task, HasExampleInput):
            x = trial.task.example_input(trial.ctx, 2)
            with torch.no_grad():
                output = model.eval()(x)
            form = trial.task.output_form() if isinstance(trial.task, HasOutputForm) else None
            if form is not None:
                form.require(output, x)
    # A model may raise anything for data that it was not made for. That is the reason to report.
    except Exception as error:
        if is_out_of_memory(error) or (isinstance(error, ZooError) and not isinstance(error, WrongOutputError)):
            raise
        names = f"model {trial.model_spec.qualified} cannot take {trial.data.spec.qualified}"
        check = f"`zoo check {shlex.quote(address(trial.model_spec))} --task {trial.task_spec.name}` says more"
        shape = trial.data.signature.input_shape
        raise IncompatibleError(f"{names} as {shape}: {reason_of(error)}; {check}") from error

"""Prepares a trial in the worker: opens the data, prepares the task, resolves the length, and builds models."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from zoo_core.data.downloads import digest_of
from zoo_core.data.open import OpenData, open_data
from zoo_core.entries.loaded import changed_file_error
from zoo_core.errors import IncompatibleError
from zoo_core.files import own_cache
from zoo_core.kinds import adapted_signature, kind_recipe
from zoo_core.measure.devices import autocast
from zoo_core.measure.environment import usable_cores
from zoo_core.measure.randomness import evaluation_mode
from zoo_core.optional import HasEpochSteps
from zoo_core.protocols import Context, Task
from zoo_core.recipe import Recipe
from zoo_core.runner.build import build_model, prepare_task, reseed
from zoo_core.runner.events import TrialJob
from zoo_core.runner.job_specs import JobSpecs
from zoo_core.runner.length import Length, resolve_length
from zoo_core.runner.watch import May, MayOpen, allow_all
from zoo_core.specs import ModelSpec, Signature, TaskSpec
from zoo_core.weights import read_weights


@dataclass(frozen=True, kw_only=True, slots=True)
class PreparedTrial:
    """The specs of a trial, its opened data and its prepared task.

    data: with the signature adapted to the model. data_signature: the one before that.
    recipe: with `steps` set to the trial's length. weights: the initial weights by name, or None.
    may_open: see watch.py.
    """

    job: TrialJob
    task_spec: TaskSpec
    model_spec: ModelSpec
    may_open: MayOpen
    ctx: Context
    data: OpenData
    data_signature: Signature
    weights: Mapping[str, Tensor] | None
    task: Task
    recipe: Recipe
    length: Length

    def build_model(self) -> nn.Module:
        """Build a model on the device; the same seed gives the same weights."""
        reseed(self.ctx)
        with self.may_open(May.NOTHING):
            model = build_model(self.model_spec, self.data.signature, self.recipe, self.weights)
        return model.to(self.job.device)

    def autocast(self) -> AbstractContextManager[Any]:
        """Return a context for the trial's precision."""
        return autocast(self.job.device, self.job.dtype)

    @contextlib.contextmanager
    def inference(self, model: nn.Module) -> Iterator[None]:
        """Evaluation mode, no gradients, and the trial's precision."""
        with evaluation_mode(model, self.ctx.generator, self.job.device), self.autocast():
            yield


def prepare_trial(job: TrialJob, specs: JobSpecs, may_open: MayOpen = allow_all) -> PreparedTrial:
    """Open the data, read the weights and prepare the task.

    Raises IncompatibleError if the model cannot take the data, RecipeError if the recipe gives no length.
    """
    ctx = Context(
        device=job.device,
        dtype=job.dtype,
        seed=job.seed,
        threads=job.threads or usable_cores(),
        cache=own_cache(job.task),
        data_root=Path(job.data_root) if job.data_root else None,
        offline=job.offline,
        budget_s=job.budget_s,
    )
    task_spec, model_spec, dataset_spec = specs.task, specs.model, specs.dataset
    with may_open(May.ALL):
        data = open_data(dataset_spec, ctx, job.fingerprint, job.code.dataset if job.code else None)
    recipe = Recipe(job.recipe)
    if "train_per_class" in kind_recipe(task_spec):  # a model of another kind may have an option of that name
        data.limit_train(recipe.get("train_per_class", 0), job.seed)
    data_signature = data.signature
    data.signature = adapted_signature(model_spec, task_spec, data_signature, recipe)
    refusal = model_spec.accepts.refusal(data.signature)
    if refusal:
        raise IncompatibleError(f"model {model_spec.qualified} cannot take {dataset_spec.qualified}: {refusal}")
    weights = _read_weights(job) if job.weights else None
    with may_open(May.TRAIN):
        task = prepare_task(task_spec, ctx, data, recipe)
        epoch_steps = task.epoch_steps(recipe) if isinstance(task, HasEpochSteps) else None
    length = resolve_length(recipe, epoch_steps, job.budget_s)
    return PreparedTrial(
        job=job,
        task_spec=task_spec,
        model_spec=model_spec,
        may_open=may_open,
        ctx=ctx,
        data=data,
        data_signature=data_signature,
        weights=weights,
        task=task,
        recipe=Recipe({**recipe, "steps": length.total}),
        length=length,
    )


def _read_weights(job: TrialJob) -> dict[str, Tensor]:
    """Read the initial weights. Raises ChangedFileError if the file is no longer the one that was planned."""
    path = Path(job.weights)
    if job.weights_sha256:
        with path.open("rb") as content:
            if digest_of(content) != job.weights_sha256:
                raise changed_file_error(job.weights)
    return read_weights(path)

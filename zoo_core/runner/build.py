"""Prepares a task for its data, and builds models for a signature, with initial weights if given."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from zoo_core.entries import resolve_entry
from zoo_core.entries.unpackaged import PLUGIN, call
from zoo_core.errors import EntryError, WeightsError
from zoo_core.kinds import make_task
from zoo_core.measure.randomness import seed_everything
from zoo_core.protocols import Context, Data, Task
from zoo_core.recipe import Recipe
from zoo_core.specs import ModelSpec, Signature, TaskSpec
from zoo_core.weights import load_into


def reseed(ctx: Context) -> None:
    """Seed Python, numpy and torch with the context's seed, and give the context a fresh generator."""
    ctx.generator = seed_everything(ctx.seed, ctx.device)


def prepare_task(spec: TaskSpec, ctx: Context, data: Data, recipe: Recipe) -> Task:
    """Seed everything, then make the task's object and hand it the data, which have the adapted signature."""
    reseed(ctx)
    task = make_task(spec)
    task.prepare(ctx, data, recipe)
    return task


def build_model(
    spec: ModelSpec, signature: Signature, recipe: Mapping[str, Any], weights: Mapping[str, Tensor] | None = None
) -> nn.Module:
    """Build a model on the CPU. Weights go to the build function's parameter `weights`, or else into the built model.

    Raises WeightsError if the weights do not fit, EntryError if the build function returns no `nn.Module`.
    """
    options = {key: recipe[key] for key in spec.options}
    entry = resolve_entry(spec.entry)
    try:
        if weights is not None and "weights" in inspect.signature(entry).parameters:
            options["weights"] = weights
        model = call(entry, signature, options) if spec.plugin == PLUGIN else entry(signature, **options)
        if not isinstance(model, nn.Module):
            returned = type(model).__name__
            raise EntryError(f"model {spec.qualified}: {spec.entry} returned a {returned}, not a torch.nn.Module")
        if weights is not None and "weights" not in options:
            load_into(model, weights)
    except WeightsError as error:
        raise WeightsError(f"model {spec.qualified}: {error}") from error
    return model

"""A test harness: trains a task's model for a few steps on a few examples, on the CPU. Torch inside."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from zoo_core import recipe as recipes
from zoo_core.checks import NotApplicableError
from zoo_core.checks.data import SmallData
from zoo_core.kinds import KINDS, adapted_signature, kind_recipe
from zoo_core.measure.devices import autocast
from zoo_core.measure.randomness import seed_everything
from zoo_core.optional import HasExampleInput
from zoo_core.protocols import Context, Step, Stop, Task
from zoo_core.recipe import Recipe
from zoo_core.runner.build import build_model, prepare_task, reseed
from zoo_core.specs import ModelSpec, TaskSpec

TRAIN_BATCH_SIZE = 8
PREDICT_BATCH_SIZE = 4
TRAIN_STEPS = 3
MAX_INPUT_VALUES = 1 << 19  # numbers in the inputs of one batch, equal to two grey images of 512x512


@dataclass(frozen=True, kw_only=True, slots=True)
class Harness:
    """A task, a model and data. `start` prepares a training from them, as a trial does."""

    task: TaskSpec
    model: ModelSpec
    data: SmallData
    cache: Path

    def affordable(self, count: int) -> int:
        """Limit `count` examples to MAX_INPUT_VALUES, but not below two: BatchNorm cannot train on one example."""
        size = math.prod(length or 1 for length in self.data.signature.input_shape)
        return max(2, min(count, MAX_INPUT_VALUES // size))

    def recipe(self, **changes: Any) -> Recipe:
        """Resolve the pair's quick recipe with small batches and few steps. Ignores changes of unknown keys."""
        params = recipes.parameters(self.task, self.model, kind_recipe(self.task))
        quick = {**self.task.quick, **self.model.quick}
        small = {"batch_size": self.affordable(TRAIN_BATCH_SIZE), "steps": TRAIN_STEPS, "holdout": True}
        known = {key: value for key, value in {**small, **changes}.items() if key in params}
        return recipes.resolve_recipe(params, quick, known)

    def start(self, *, seed: int = 0, model_seed: int | None = None, **changes: Any) -> Started:
        """Prepare the task with `seed`, and build the model with `model_seed` or else with `seed`."""
        recipe = self.recipe(**changes)
        data = self.data.fresh_copy()
        data.signature = adapted_signature(self.model, self.task, data.signature, recipe)
        ctx = Context(seed=seed, cache=self.cache, offline=True)
        task = prepare_task(self.task, ctx, data, recipe)
        seed_everything(seed if model_seed is None else model_seed, "cpu")
        model = build_model(self.model, data.signature, recipe)
        reseed(ctx)
        return Started(ctx, task, model, recipe, data, self.affordable(PREDICT_BATCH_SIZE))

    def with_train(self, count: int) -> Harness:
        """Return the same harness with at most `count` training examples."""
        return replace(self, data=self.data.fresh_copy(count))


@dataclass(slots=True)
class Started:
    """A prepared task and a built model. `predict_batch_size` is the default size of an example input."""

    ctx: Context
    task: Task
    model: nn.Module
    recipe: Recipe
    data: SmallData
    predict_batch_size: int

    def steps(self, *, dtype: str = "float32") -> Iterator[Step]:
        """Train, and yield each Step of the task."""
        done = 0
        self.ctx.progress = lambda: min(1.0, done / self.recipe.steps)
        events = self.task.train(self.ctx, self.model, self.recipe)
        with contextlib.closing(cast(Any, events)):
            while True:
                with autocast("cpu", dtype):
                    event = next(events, None)
                if event is None or isinstance(event, Stop):
                    return
                if isinstance(event, Step):
                    done += event.steps
                    yield event

    def train(self, *, dtype: str = "float32") -> list[dict[str, float]]:
        """Train to the end. Returns the logs of every step."""
        return [{name: float(value) for name, value in step.logs.items()} for step in self.steps(dtype=dtype)]

    def example(self, count: int = 0) -> Any:
        """Return an input of the model's forward with `count` examples. Raises NotApplicableError without one."""
        if not isinstance(self.task, HasExampleInput):
            raise NotApplicableError("the task gives no example input")
        return self.task.example_input(self.ctx, count or self.predict_batch_size)

    def predict(self, x: Any, model: nn.Module | None = None) -> list[Tensor]:
        """Return the output tensors of the model (default: the built one), in evaluation mode without gradients."""
        model = self.model if model is None else model
        model.eval()
        with torch.no_grad():
            return tensors(model(x))


def first_of(value: Any) -> Any:
    """Return the first example of a batch, keeping a batch dimension. Accepts nested lists, tuples and dicts."""
    if isinstance(value, dict):
        return {key: first_of(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(first_of(item) for item in value)
    return value[:1] if isinstance(value, Tensor) else value


def tensors(value: Any) -> list[Tensor]:
    """Return all tensors in nested lists, tuples and dicts."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [tensor for item in value for tensor in tensors(item)]
    return []


def stand_in_for(task: TaskSpec) -> ModelSpec:
    """Return the smallest model of a shared kind, so that checks of a task need no plugin's model."""
    return ModelSpec(name="stand-in", entry=KINDS[task.kind].smallest_model_entry, kind=task.kind, plugin="zoo-core")

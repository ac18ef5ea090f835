"""A test harness: a task's body and a model on a few examples, for a few steps, on the CPU. Torch inside."""

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
from zoo_core.kinds import KINDS, adapted_signature, kind_recipe, make_body
from zoo_core.measure.randomness import seed_everything
from zoo_core.optional import HasExampleInput
from zoo_core.protocols import Context, Step, Task
from zoo_core.recipe import Recipe
from zoo_core.runner.build import build_model
from zoo_core.specs import ModelSpec, TaskSpec

BATCH = 8
FEW = 4  # examples that are answered together
STEPS = 3
VALUES = 1 << 19  # numbers in the inputs of a batch at most: of 512x512 grey images two


@dataclass(frozen=True, kw_only=True, slots=True)
class Harness:
    """Task, model and data; `start` brings them together as a trial does."""

    task: TaskSpec
    model: ModelSpec
    data: SmallData
    cache: Path

    def affordable(self, count: int) -> int:
        """At most `count` examples, fewer where they are large; two at least, since BatchNorm cannot train on one."""
        size = math.prod(length or 1 for length in self.data.signature.input_shape)
        return max(2, min(count, VALUES // size))

    def recipe(self, **changes: Any) -> Recipe:
        """The pair's quick recipe with small batches and few steps; changes of keys that it does not have are left."""
        params = recipes.parameters(self.task, self.model, kind_recipe(self.task))
        quick = {**self.task.quick, **self.model.quick}
        small = {"batch_size": self.affordable(BATCH), "steps": STEPS, "holdout": True}
        known = {key: value for key, value in {**small, **changes}.items() if key in params}
        return recipes.resolve_recipe(params, quick, known)

    def start(self, *, seed: int = 0, model_seed: int | None = None, **changes: Any) -> Started:
        """Prepare the task's body and build the model, each from its seed."""
        recipe = self.recipe(**changes)
        data = self.data.anew()
        data.signature = adapted_signature(self.model, self.task, data.signature, recipe)
        ctx = Context(seed=seed, cache=self.cache, offline=True, dataset=data.spec)
        ctx.generator = seed_everything(seed, "cpu")
        body = make_body(self.task)
        body.prepare(ctx, data, recipe)
        seed_everything(seed if model_seed is None else model_seed, "cpu")
        model = build_model(self.model, data.signature, recipe)
        ctx.generator = seed_everything(seed, "cpu")
        return Started(ctx, body, model, recipe, data, self.affordable(FEW))

    def with_train(self, count: int) -> Harness:
        """The same with only so many examples to train on."""
        return replace(self, data=self.data.anew(count))


@dataclass(slots=True)
class Started:
    """A body that is prepared and a model that is built."""

    ctx: Context
    body: Task
    model: nn.Module
    recipe: Recipe
    data: SmallData
    few: int

    def steps(self, *, dtype: str = "float32") -> Iterator[Step]:
        """Train: the steps as the task yields them."""
        done = 0
        self.ctx.progress = lambda: min(1.0, done / self.recipe.steps)
        events = self.body.train(self.ctx, self.model, self.recipe)
        with contextlib.closing(cast(Any, events)):
            while True:
                with torch.autocast("cpu", torch.bfloat16, enabled=dtype != "float32"):
                    event = next(events, None)
                if event is None:
                    return
                if isinstance(event, Step):
                    done += event.steps
                    yield event

    def train(self, *, dtype: str = "float32") -> list[dict[str, float]]:
        """Train to the end; the logs of every step."""
        return [{name: float(value) for name, value in step.logs.items()} for step in self.steps(dtype=dtype)]

    def example(self, count: int = 0) -> Any:
        """The argument of the model's forward, for `count` examples, or for a few."""
        if not isinstance(self.body, HasExampleInput):
            raise NotApplicableError("the task gives no example input")
        return self.body.example_input(self.ctx, count or self.few)

    def answers(self, x: Any, model: nn.Module | None = None) -> list[Tensor]:
        """The tensors that the model answers with, in eval mode and without gradients."""
        model = self.model if model is None else model
        model.eval()
        with torch.no_grad():
            return tensors(model(x))


def first_of(value: Any) -> Any:
    """The first example of a batch: of a tensor, or of those in a list, tuple or dict."""
    if isinstance(value, dict):
        return {key: first_of(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(first_of(item) for item in value)
    return value[:1] if isinstance(value, Tensor) else value


def tensors(value: Any) -> list[Tensor]:
    """All tensors in a tensor, or in a list, tuple or dict of such."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [tensor for item in value for tensor in tensors(item)]
    return []


def stand_in_for(task: TaskSpec) -> ModelSpec:
    """The smallest model of a shared kind, so that a check of a task depends on no plugin's model."""
    return ModelSpec(name="stand-in", entry=KINDS[task.kind].smallest_model, kind=task.kind, plugin="zoo-core")

"""The task body that the supervised kinds share; what differs between them is a `Treaty`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from zoo_core.data.batches import Batch, DeviceSplit
from zoo_core.data.columns import Array
from zoo_core.data.open import Data
from zoo_core.protocols import Context, Evaluation, Phase, Step
from zoo_core.recipe import Recipe
from zoo_core.specs import Signature, TaskSpec
from zoo_core.train import supervised_steps

EVALUATION_BATCH = 256
PICTURED = 512  # test examples looked at for pictures


class Treaty(Protocol):
    """A kind's terms: what goes into a model, what its output costs, what the outputs score."""

    def inputs(self, batch: Batch) -> Tensor:
        """The argument of the model's forward."""

    def loss(self, output: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """The loss and the batch's score in the task's metric, both scalar."""

    def evaluate(self, outputs: Array, truth: Array) -> Evaluation:
        """Scores of a whole split: outputs (n, ...) of the model, truth the column `y`."""


class Supervised:
    """A `Task` for columns `x` and `y`; see `Treaty` for what a kind adds. A treaty may have `pictures` and `ready`."""

    def __init__(self, spec: TaskSpec, make_treaty: Callable[[Signature, Recipe, Context], Treaty]) -> None:
        self.spec = spec
        self._make_treaty = make_treaty
        self._splits: dict[str, DeviceSplit] = {}

    def prepare(self, ctx: Context, data: Data, recipe: Recipe) -> None:
        self._data = data
        self._treaty = self._make_treaty(data.signature, recipe, ctx)
        self._splits["train"] = DeviceSplit(data.split("train", holdout=recipe.holdout), ctx.device)

    def epoch_steps(self, recipe: Recipe) -> int:
        return -(-len(self._splits["train"]) // int(recipe.batch_size))

    def train(self, ctx: Context, model: nn.Module, recipe: Recipe) -> Iterator[Step | Phase]:
        treaty = self._treaty
        if hasattr(treaty, "ready"):
            treaty.ready(model)

        def loss_and_score(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
            return treaty.loss(model(treaty.inputs(batch)), batch)

        yield from supervised_steps(ctx, model, self._splits["train"], loss_and_score, recipe)

    def evaluate(self, ctx: Context, model: nn.Module, split: str) -> Evaluation:
        outputs, truth = [], []
        for batch in self._split(ctx, split).in_order(EVALUATION_BATCH):
            outputs.append(model(self._treaty.inputs(batch)).float())
            truth.append(batch["y"])
        return self._treaty.evaluate(torch.cat(outputs).cpu().numpy(), torch.cat(truth).cpu().numpy())

    def example_input(self, ctx: Context, batch_size: int) -> Tensor:
        return self._treaty.inputs(self._splits["train"].first(batch_size))

    def pictures(self, ctx: Context, model: nn.Module) -> dict[str, np.ndarray[Any, Any]]:
        if not hasattr(self._treaty, "pictures"):
            return {}
        split = self._split(ctx, "test")
        batch = split.first(min(PICTURED, len(split)))
        outputs = model(self._treaty.inputs(batch)).float().cpu().numpy()
        pictures: dict[str, np.ndarray[Any, Any]] = self._treaty.pictures(
            batch["x"].cpu().numpy(), outputs, batch["y"].cpu().numpy()
        )
        return pictures

    def _split(self, ctx: Context, name: str) -> DeviceSplit:
        if name not in self._splits:
            self._splits[name] = DeviceSplit(self._data.split(name), ctx.device)
        return self._splits[name]

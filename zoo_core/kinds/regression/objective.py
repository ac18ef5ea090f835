"""The objective of kind `regression`: loss, scores and a picture."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from zoo_core.columns import Array
from zoo_core.data.batches import Batch, DeviceSplit
from zoo_core.errors import PluginError
from zoo_core.kinds.objective import OwnLoss, RowReader, own_loss
from zoo_core.kinds.supervised import Supervised
from zoo_core.metrics import mean_absolute_error, mean_squared_error, r_squared, r_squared_by_example
from zoo_core.pictures import GREY, ORANGE, scatter
from zoo_core.protocols import Context, Evaluation
from zoo_core.recipe import Recipe
from zoo_core.specs import Signature, TaskSpec

MAX_POINTS = 1000  # examples in a picture
LOSSES: Mapping[str, Callable[..., Tensor]] = {"mse": F.mse_loss, "mae": F.l1_loss, "huber": F.huber_loss}


def regression_task(spec: TaskSpec) -> Supervised:
    """Make a task of this kind from its spec."""
    return Supervised(spec, functools.partial(RegressionObjective, metric=spec.metric))


class RegressionObjective:
    """The recipe's loss, by default the mean squared error, or the model's own."""

    def __init__(self, signature: Signature, recipe: Recipe, ctx: Context, *, metric: str = "mse") -> None:
        self._metric = metric
        self._loss = LOSSES[recipe.get("loss", "mse")]
        self._own: OwnLoss | None = None
        self._outputs = signature.outputs or 1

    def take_loss(self, own: OwnLoss | None) -> None:
        self._own = own

    def study(self, train: DeviceSplit) -> None:
        """Raise PluginError for targets of another shape than outputs, which the losses would broadcast."""
        y = train.first(2).get("y")
        if y is not None and tuple(y.shape[1:]) != (self._outputs,):
            shape = ", ".join(map(str, ("n", *y.shape[1:])))
            raise PluginError(
                f"the data's column y is ({shape}); kind regression wants (n, {self._outputs}), by the signature's "
                "`outputs`: change the loader or the signature"
            )

    def inputs(self, batch: Batch) -> Tensor:
        return batch["x"]

    def loss(self, output: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        output, targets = output.float(), batch["y"]
        loss = own_loss(self._own, output, targets) if self._own is not None else self._loss(output, targets)
        if self._metric == "mse" and self._own is None and self._loss is F.mse_loss:
            return loss, loss
        with torch.no_grad():
            return loss, self._score(output, targets)

    def _score(self, output: Tensor, targets: Tensor) -> Tensor:
        """Compute the task's metric for a batch, without synchronising."""
        if self._metric == "mae":
            return F.l1_loss(output, targets)
        error = F.mse_loss(output, targets)
        if self._metric != "r2":
            return error
        errors, deviations = (output - targets).square().sum(0), (targets - targets.mean(0)).square().sum(0)
        return (1 - errors / deviations).mean()

    def evaluate(self, outputs: Array, columns: Mapping[str, Array]) -> Evaluation:
        targets = columns["y"]
        scores = {
            "mse": mean_squared_error(outputs, targets),
            "mae": mean_absolute_error(outputs, targets),
            "r2": r_squared(outputs, targets),
        }
        per_example = {"score": self._by_example(outputs, targets)}
        if "group" in columns:
            per_example["group"] = columns["group"]
        return Evaluation(scores, per_example=per_example)

    def _by_example(self, outputs: Array, targets: Array) -> Array:
        """Compute values by example (n,) whose mean is the task's metric."""
        if self._metric == "r2":
            return r_squared_by_example(outputs, targets)
        errors = outputs.astype(np.float64) - targets
        values: Array = (np.abs(errors) if self._metric == "mae" else errors**2).mean(axis=1)
        return values

    def pictures(self, read_rows: RowReader, outputs: Array, targets: Array) -> dict[str, np.ndarray[Any, Any]]:
        """Plot targets in grey and predictions in orange over the input, or over the target for several inputs."""
        rows = np.linspace(0, len(targets) - 1, min(MAX_POINTS, len(targets))).astype(int)
        predictions, expected = outputs.reshape(len(outputs), -1)[rows], targets.reshape(len(targets), -1)[rows]
        x = read_rows(rows.tolist()).reshape(len(rows), -1)
        if x.shape[1] > 1:
            x = expected
        plot = scatter([(_points(x, expected), GREY), (_points(x, predictions), ORANGE)])
        return {"thumbnail": plot, "answers": plot}


def _points(x: Array, y: Array) -> Array:
    """Return points (n, 2) from the first columns of x and y."""
    return np.stack([x[:, 0], y[:, 0]], axis=1)

"""Kind `regression`, version 1: numbers from numbers.

Columns: x float32 (n, *input_shape), y float32 (n, outputs), in the data's units.
Model: forward takes float32 (batch, *input_shape) as it is, returns (batch, outputs). It owns no loss.
Loss: mean squared error. Metric: `mse` (lower is better); also `mae` and `r2`.
One unit is one example.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from torch.nn import functional as F

from zoo_core.data.batches import Batch
from zoo_core.data.columns import Array
from zoo_core.kinds.supervised import Supervised
from zoo_core.metrics import mean_absolute_error, mean_squared_error, r_squared
from zoo_core.protocols import Context, Evaluation
from zoo_core.recipe import Recipe
from zoo_core.specs import Signature, TaskSpec


def Regression(spec: TaskSpec) -> Supervised:
    """The ready body of this kind."""
    return Supervised(spec, RegressionTreaty)


class RegressionTreaty:
    def __init__(self, signature: Signature, recipe: Recipe, ctx: Context) -> None:
        pass

    def inputs(self, batch: Batch) -> Tensor:
        return batch["x"]

    def loss(self, output: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        loss = F.mse_loss(output, batch["y"])
        return loss, loss

    def evaluate(self, outputs: Array, columns: Mapping[str, Array]) -> Evaluation:
        truth = columns["y"]
        scores = {
            "mse": mean_squared_error(outputs, truth),
            "mae": mean_absolute_error(outputs, truth),
            "r2": r_squared(outputs, truth),
        }
        return Evaluation(scores, per_example={"score": ((outputs - truth) ** 2).mean(axis=1)})

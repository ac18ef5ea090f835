"""The objective of kind `regression`: loss, scores and a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from zoo_core.columns import Array
from zoo_core.data.batches import Batch
from zoo_core.kinds.supervised import Supervised
from zoo_core.metrics import mean_absolute_error, mean_squared_error, r_squared
from zoo_core.pictures import GREY, ORANGE, scatter
from zoo_core.protocols import Context, Evaluation
from zoo_core.recipe import Recipe
from zoo_core.specs import Signature, TaskSpec

DRAWN = 1000  # points of a picture, at most


def Regression(spec: TaskSpec) -> Supervised:
    """The ready body of this kind."""
    return Supervised(spec, RegressionObjective)


class RegressionObjective:
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

    def pictures(
        self, look: Callable[[Sequence[int]], Array], outputs: Array, truth: Array
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Test examples in grey, answers in orange: over the input where there is one, else answer over truth."""
        some = np.linspace(0, len(truth) - 1, min(DRAWN, len(truth))).astype(int)
        answers, true = outputs.reshape(len(outputs), -1)[some], truth.reshape(len(truth), -1)[some]
        x = look(some.tolist()).reshape(len(some), -1)
        if x.shape[1] > 1:
            x = true
        plot = scatter([(_columns(x, true), GREY), (_columns(x, answers), ORANGE)])
        return {"thumbnail": plot, "answers": plot}


def _columns(x: Array, y: Array) -> Array:
    """Points (n, 2) of the first column of each."""
    return np.stack([x[:, 0], y[:, 0]], axis=1)

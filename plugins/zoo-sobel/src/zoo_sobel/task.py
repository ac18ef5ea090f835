"""Kind `zoo-sobel/filter`, version 1: the response of a linear filter of 3x3 pixels.

Data: column x, uint8 (n, 1, height + 2, width + 2), grey levels; column y, integer (n, 1, height, width), the filter's
response in grey levels, one pixel less on every side; column place, integer (n, 2), top and left of the patch in its
photo. An optional column `group`, integer (n,), numbers the photos.
Model: forward takes float (batch, 1, H, W), grey levels from -0.5 (black) to 0.5 (white), and returns
(batch, 1, H - 2, W - 2). It must not depend on the size. A model without parameters is not trained.
Loss: the mean squared error, in the unit of the inputs. A Sobel response is from -4 to 4.
Scores: the metric `max_error`, the largest absolute error of all pixels, and `mse` (lower is better). The largest error
is no mean over examples, so there are no results by example: the leaderboard compares models by seeds, on these photos.
One unit is one patch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo_core import Context, Evaluation, Recipe, Signature, TaskSpec
from zoo_core.data.batches import Batch
from zoo_core.data.columns import Array
from zoo_core.kinds.supervised import Supervised
from zoo_sobel.pictures import filter_pictures

WHITE, MIDDLE = 255.0, 0.5
STEP = 0.25  # of the grey level of one pixel, to find a model's kernel


class Filter(Supervised):
    """The task of this kind."""

    def __init__(self, spec: TaskSpec) -> None:
        super().__init__(spec, FilterObjective)

    def pictures(self, ctx: Context, model: nn.Module) -> dict[str, np.ndarray[Any, Any]]:
        """Draw the first photo of test with both responses, and the model's kernel beside Sobel's."""
        split = self._split(ctx, "test")
        groups = self._data.split("test").columns.get("group")
        count = len(split) if groups is None else int(np.sum(np.asarray(groups) == 0))
        batch = split.first(count)
        outputs = self._forward_from_columns(model)(batch)
        x, y, places = (batch[name].cpu().numpy() for name in ("x", "y", "place"))
        return filter_pictures(x, y / WHITE, outputs.float().cpu().numpy(), places, kernel_of(model, ctx.device))


class FilterObjective:
    """Inputs, loss and scores of this kind; see `zoo_core.kinds.objective.Objective`."""

    def __init__(self, signature: Signature, recipe: Recipe, ctx: Context) -> None:
        pass

    def inputs(self, batch: Batch) -> Tensor:
        """Return centred grey levels: a kernel's normal equations are four times better conditioned than on [0, 1]."""
        return batch["x"].float() / WHITE - MIDDLE

    def output_shape(self, x: Tensor) -> tuple[int, ...]:
        count, channels, height, width = x.shape
        return (count, channels, height - 2, width - 2)

    def loss(self, output: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        output, target = output.float(), batch["y"].float() / WHITE
        return F.mse_loss(output, target), (output.detach() - target).abs().max()

    def reduce(self, output: Tensor, batch: Batch) -> Tensor:
        """Return the largest absolute error and the mean squared error of each patch: (batch, 2)."""
        errors = (output.float() - batch["y"].float() / WHITE).flatten(1)
        return torch.stack([errors.abs().amax(1), errors.square().mean(1)], dim=1)

    def evaluate(self, outputs: Array, columns: Mapping[str, Array]) -> Evaluation:
        """Score a split from the errors of its patches (n, 2)."""
        return Evaluation({"max_error": float(outputs[:, 0].max()), "mse": float(outputs[:, 1].mean(dtype=np.float64))})


def kernel_of(model: nn.Module, device: str) -> Array:
    """Return the kernel that a model is at mid-grey, (3, 3): the change of its output with each pixel.

    For a convolution it is the kernel itself, up to rounding.
    """
    grey = torch.zeros(10, 1, 3, 3, device=device)
    grey[1:] += STEP * torch.eye(9, device=device).view(9, 1, 3, 3)
    output = model(grey).float().flatten()
    kernel: Array = ((output[1:] - output[0]) / STEP).view(3, 3).cpu().numpy()
    return kernel

"""Kind `zoo-basics/points`, version 1: a class from a point in the plane.

Data: column x, float32 (n, 2), coordinates; column y, integer (n,), classes from 0.
Model: forward takes float (batch, 2), coordinates that are standardised by the mean and std of train, and returns
logits (batch, classes).
Loss: the recipe's `loss`, by default cross-entropy; or the model's own `loss(output, target)`, target int64 (batch,).
Scores: the metric `accuracy`; macro precision, recall and F1; a table per class, and the confusion matrix.
Pictures: the decision surface, and how it forms during the training. One unit is one point.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zoo_basics.drawing import Box, Panel, blend, box_around, sheet, spread
from zoo_core import Context, Data, Evaluation, Recipe, Signature, TaskSpec
from zoo_core.data.batches import Batch, DeviceSplit
from zoo_core.data.columns import Array
from zoo_core.kinds.classification import ClassLoss, class_names, classification_evaluation
from zoo_core.kinds.objective import OwnLoss
from zoo_core.kinds.supervised import Supervised

GRID = (64, 80)  # rows and columns of the points at which the decision surface is computed
PANELS = 6  # states of the training in its picture
SHOWN = 300  # points drawn over the surface


class TwoClasses(Supervised):
    """The task of this kind: `Supervised`, with pictures of the decision surface."""

    def __init__(self, spec: TaskSpec) -> None:
        super().__init__(spec, PointsObjective)
        self._states: list[tuple[float, Array]] = []  # progress, and the surface (rows, columns)

    def prepare(self, ctx: Context, data: Data, recipe: Recipe) -> None:
        super().prepare(ctx, data, recipe)
        self._box = box_around(self._split(ctx, "train").first(len(self._split(ctx, "train")))["x"].cpu().numpy())

    def train(self, ctx: Context, model: nn.Module, recipe: Recipe) -> Any:
        self._states = []
        yield from super().train(ctx, model, recipe)

    def evaluate(self, ctx: Context, model: nn.Module, split: str) -> Evaluation:
        if split == "val":
            self._states.append((ctx.progress(), self._surface(ctx, model)))
        return super().evaluate(ctx, model, split)

    def pictures(self, ctx: Context, model: nn.Module) -> dict[str, Array]:
        """Draw the final surface with points of test, and the states of the training."""
        batch = self._split(ctx, "test").first(min(SHOWN, len(self._split(ctx, "test"))))
        x, y = batch["x"].cpu().numpy(), batch["y"].cpu().numpy()
        final = self._surface(ctx, model)
        drawn = {"thumbnail": surface_panel(final, x, y, self._box, "").draw()}
        earlier = [(share, surface) for share, surface in self._states if share < 1]
        states = [*spread(earlier, PANELS - 1), (1.0, final)]
        panels = [
            surface_panel(surface, x, y, self._box, f"{share:.0%} of the training").draw() for share, surface in states
        ]
        return {**drawn, "training": sheet(panels, columns=3)}

    def _surface(self, ctx: Context, model: nn.Module) -> Array:
        """Return the probability of class 1 at points of the box, (rows, columns), the first row at the top."""
        points = torch.from_numpy(self._box.grid(*GRID)).to(ctx.device)
        with torch.no_grad():
            logits = self._forward_from_columns(model)({"x": points}).float()
        return logits.softmax(1)[:, -1].view(GRID).cpu().numpy()


def surface_panel(surface: Array, x: Array, y: Array, box: Box, caption: str) -> Panel:
    """Draw the surface from blue (class 0) to orange (class 1), white where both are equally probable."""
    colours = np.array(((0, 114, 178), (213, 94, 0)), np.uint8)
    return Panel(
        box=box,
        background=blend(surface),
        caption=caption,
        points=[(x[y == label], tuple(colours[min(label, 1)].tolist())) for label in (0, 1)],
    )


class PointsObjective:
    """Inputs, loss and scores of this kind; see `zoo_core.kinds.objective.Objective`."""

    def __init__(self, signature: Signature, recipe: Recipe, ctx: Context) -> None:
        self._classes = class_names(signature)
        self._loss = ClassLoss(recipe.get("loss", "cross-entropy"), 0.0)
        self._mean = self._std = torch.zeros(())

    def study(self, train: DeviceSplit) -> None:
        """Compute mean and std of the coordinates of train."""
        x = train.first(len(train))["x"].cpu().double()  # some accelerators have no float64
        self._mean, std = (values.float().to(train.device) for values in (x.mean(0), x.std(0)))
        self._std = torch.where(std > 0, std, torch.ones_like(std))

    def inputs(self, batch: Batch) -> Tensor:
        return (batch["x"].float() - self._mean) / self._std

    def output_shape(self, x: Tensor) -> tuple[int, ...]:
        return (len(x), len(self._classes))

    def take_loss(self, own: OwnLoss | None) -> None:
        self._loss.take_loss(own)

    def loss(self, output: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        labels = batch["y"].long()
        return self._loss(output.float(), labels), (output.detach().argmax(1) == labels).float().mean()

    def evaluate(self, outputs: Array, columns: Mapping[str, Array]) -> Evaluation:
        return classification_evaluation(outputs, columns, self._classes)

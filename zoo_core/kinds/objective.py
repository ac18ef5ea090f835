"""The objective: the part of a kind that owns a model's inputs, its loss and its scores.

`Objective` has the three methods that every objective needs. The other Protocols are optional methods, one each:
`Supervised` uses those that an objective has. A misspelt name is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor, nn

from zoo_core.columns import Array
from zoo_core.data.batches import Batch, DeviceSplit
from zoo_core.protocols import Context, Evaluation
from zoo_core.recipe import Recipe

Forward: TypeAlias = Callable[[Batch], Tensor]
Predictions: TypeAlias = Sequence[
    Sequence[tuple[str, float]]
]  # per example: pairs of class and probability, best first


class Objective(Protocol):
    """A model's inputs, its loss and its scores; made by `make_objective(signature, recipe, ctx)`."""

    def inputs(self, batch: Batch) -> Tensor:
        """Return the argument of the model's forward for a batch of columns, on the device."""

    def loss(self, output: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the loss and the batch's score in the task's metric, both scalar tensors on the device."""

    def evaluate(self, outputs: Array, columns: Mapping[str, Array]) -> Evaluation:
        """Score a whole split: the model's outputs (n, ...) and all columns of the split except `x`."""


class RowReader:
    """Reads single rows of a split, for pictures; `rows` are numbers in the split's order."""

    def __init__(self, split: DeviceSplit, forward: Forward) -> None:
        self._split, self._forward = split, forward

    def __call__(self, rows: Sequence[int]) -> Array:
        """Return `x` of these rows."""
        return self._split.at(torch.as_tensor(rows))["x"].cpu().numpy()

    def outputs(self, rows: Sequence[int]) -> Array:
        """Return the model's whole outputs for these rows; use it for a few rows only."""
        return self._forward(self._split.at(torch.as_tensor(rows))).float().cpu().numpy()


@runtime_checkable
class HasReady(Protocol):
    """An objective that prepares the model."""

    def ready(self, model: nn.Module) -> None:
        """Prepare the model before it is used, for example its memory layout."""


@runtime_checkable
class HasStudy(Protocol):
    """An objective that depends on the training data."""

    def study(self, train: DeviceSplit) -> None:
        """Read the train split once, before any model is used, for example to weight the classes."""


@runtime_checkable
class HasAugment(Protocol):
    """An objective that augments training batches."""

    def augment(self, recipe: Recipe, ctx: Context) -> Callable[[Batch], Batch] | None:
        """Return a function that augments a training batch, or None if the recipe asks for no augmentation."""


@runtime_checkable
class HasReduce(Protocol):
    """An objective whose model outputs are too large to keep for a whole split."""

    def reduce(self, output: Tensor, batch: Batch) -> Tensor:
        """Return what `evaluate` and `pictures` need of a batch's output: (batch, ...)."""


@runtime_checkable
class HasObjectivePictures(Protocol):
    """An objective that shows its results."""

    def pictures(self, read_rows: RowReader, outputs: Array, targets: Array) -> Mapping[str, Array]:
        """Return pictures of the test split by name: uint8 (height, width, 3). `targets` is the column `y`."""


@runtime_checkable
class ReadsFiles(Protocol):
    """An objective whose models can predict local files. `predictions` may have its old name, `answers`."""

    def read(self, files: Sequence[Path], shape: tuple[int | None, ...]) -> Batch:
        """Read the files as one batch, with inputs of the data's `shape`, on the device."""

    def predictions(self, outputs: Array, top: int) -> Predictions:
        """Return the `top` predictions for each row of outputs."""


@runtime_checkable
class ReadsFilesOld(Protocol):
    """`ReadsFiles` before `predictions` got its name."""

    def read(self, files: Sequence[Path], shape: tuple[int | None, ...]) -> Batch: ...

    def answers(self, outputs: Array, top: int) -> Predictions: ...


OBJECTIVE_PROTOCOLS: tuple[type, ...] = (
    Objective,
    HasReady,
    HasStudy,
    HasAugment,
    HasReduce,
    HasObjectivePictures,
    ReadsFiles,
)


def predictor(objective: Any) -> Callable[[Array, int], Predictions] | None:
    """Return the method that names the predictions for files, if the objective can also read files."""
    if isinstance(objective, ReadsFiles):
        return objective.predictions
    return objective.answers if isinstance(objective, ReadsFilesOld) else None

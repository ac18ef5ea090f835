"""The objective: the part of a kind that owns a model's inputs, its loss and its scores.

`Objective` has the three methods that every objective needs. Each other Protocol has an optional method, which
`Supervised` uses if the objective has it. `Supervised` refuses objectives with a misspelt method.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor, nn

from zoo_core.columns import Array
from zoo_core.data.batches import Batch, DeviceSplit
from zoo_core.errors import IncompatibleError, RecipeError
from zoo_core.protocols import Context, Deferred, Evaluation
from zoo_core.recipe import Recipe

Forward: TypeAlias = Callable[[Batch], Tensor]
OwnLoss: TypeAlias = Callable[[Tensor, Tensor], Tensor]  # of a model: (output, target) -> scalar
# For each example, pairs of class and probability, best first.
Predictions: TypeAlias = Sequence[Sequence[tuple[str, float]]]


class Objective(Protocol):
    """A model's inputs, its loss and its scores; made by `make_objective(signature, recipe, ctx)`."""

    def inputs(self, batch: Batch) -> Tensor:
        """Return the argument of the model's forward for a batch of columns, on the device."""

    def loss(self, output: Tensor, batch: Batch) -> tuple[Tensor, Tensor | Deferred]:
        """Return the loss and the batch's score in the task's metric, both scalar tensors on the device.

        The score may be `Deferred`: then it is computed later, for many steps at once.
        """

    def evaluate(self, outputs: Array, columns: Mapping[str, Array]) -> Evaluation:
        """Score a whole split: the model's outputs (n, ...) and all columns of the split except `x`."""


class RowReader:
    """Reads examples of a split, for pictures. `rows` are their numbers in the order of the split."""

    def __init__(self, split: DeviceSplit, forward: Forward) -> None:
        self._split, self._forward = split, forward

    def __call__(self, rows: Sequence[int]) -> Array:
        """Return the column `x` of these rows."""
        return self._split.at(torch.as_tensor(rows))["x"].cpu().numpy()

    def outputs(self, rows: Sequence[int]) -> Array:
        """Return the model's outputs for these rows, not reduced. Outputs may be large: ask for a few rows."""
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
class HasBlockInputs(Protocol):
    """An objective whose inputs depend on each example alone, so that those of many batches are made at once."""

    def block_inputs(self, block: Batch) -> Tensor:
        """Return what `inputs` returns for each batch of a block, with the same bits, one after the other.

        Only training batches that are not augmented come in blocks.
        """


@runtime_checkable
class HasOutputShape(Protocol):
    """An objective of a plugin's own kind that states what forward returns. A shared kind states it itself."""

    def output_shape(self, x: Any) -> tuple[int, ...]:
        """Return the shape of forward's output for its inputs `x`: one floating-point tensor, (batch, ...).

        Training, evaluation and `zoo check` require it of every model.
        """


@runtime_checkable
class HasReduce(Protocol):
    """An objective whose model outputs are too large to keep for a whole split."""

    def reduce(self, output: Tensor, batch: Batch) -> Tensor:
        """Return the part of a batch's output that `evaluate` and `pictures` need: (batch, ...)."""


@runtime_checkable
class HasTrimmed(Protocol):
    """An objective whose inputs are larger than the examples, such as padded images, and so are its model's outputs."""

    def trimmed(self, output: Tensor, x: Tensor) -> Tensor:
        """Return the part of a batch's output that belongs to its examples, column `x`. An exported file returns it."""


@runtime_checkable
class HasObjectivePictures(Protocol):
    """An objective that shows its results."""

    def pictures(self, read_rows: RowReader, outputs: Array, targets: Array) -> Mapping[str, Array]:
        """Return pictures of the test split by name: uint8 (height, width, 3).

        `targets` is the column `y`. If the data have no `y`, `Supervised` raises PluginError.
        """


@runtime_checkable
class ReadsFiles(Protocol):
    """An objective whose models can predict local files."""

    def read(self, files: Sequence[Path], shape: tuple[int | None, ...]) -> Batch:
        """Read the files as one batch, with inputs of the data's `shape`, on the device."""

    def predictions(self, outputs: Array, top: int) -> Predictions:
        """Return the `top` predictions for each row of outputs."""


@runtime_checkable
class TakesLoss(Protocol):
    """An objective that uses the loss of a model that has one."""

    def take_loss(self, own: OwnLoss | None) -> None:
        """Minimise `own(output, target)` from now on, or the kind's loss if it is None. Called before each training.

        `own_loss` calls it and checks its result.
        """


OBJECTIVE_PROTOCOLS: tuple[type, ...] = (
    Objective,
    HasReady,
    HasStudy,
    HasAugment,
    HasBlockInputs,
    HasOutputShape,
    HasReduce,
    HasTrimmed,
    HasObjectivePictures,
    ReadsFiles,
    TakesLoss,
)


def give_own_loss(objective: Objective, model: nn.Module, recipe: Recipe, kind: str) -> None:
    """Give the objective the model's own loss, or None if it has none.

    An attribute `loss` that cannot be called, such as a number, is none. Raises RecipeError if the recipe names a loss
    too, IncompatibleError if the model's takes other arguments or the objective cannot use it.
    """
    attribute = getattr(model, "loss", None)
    own: OwnLoss | None = attribute if callable(attribute) else None
    if own is not None:
        _require_output_and_target(own)
    if own is not None and "loss" in recipe:
        raise RecipeError(f"loss={recipe.loss}, but the model has its own `loss`: remove one of the two")
    if isinstance(objective, TakesLoss):
        objective.take_loss(own)
    elif own is not None:
        raise IncompatibleError(
            f"the model has its own `loss`, which kind {kind} cannot use: rename it, or give the kind's objective a "
            "method `take_loss`"
        )


def _require_output_and_target(own: OwnLoss) -> None:
    """Raise IncompatibleError for a model's `loss` that cannot be called as `loss(output, target)`."""
    try:
        signature = inspect.signature(own.forward if isinstance(own, nn.Module) else own)
    except (TypeError, ValueError):  # it is not written in Python
        return
    try:
        signature.bind(None, None)
    except TypeError as error:
        raise IncompatibleError(
            f"the model's `loss{signature}` would be called as `loss(output, target)` ({error}): give it these two "
            "arguments, or rename it if it is something else"
        ) from error


def own_loss(own: OwnLoss, output: Tensor, target: Tensor) -> Tensor:
    """Return a model's own loss. Raises IncompatibleError if it is not a scalar tensor with a gradient."""
    loss = own(output, target)
    if not isinstance(loss, Tensor):
        raise IncompatibleError(f"the model's `loss` returned a {type(loss).__name__}: return a scalar tensor")
    if loss.dim():
        raise IncompatibleError(
            f"the model's `loss` returned a tensor of shape {tuple(loss.shape)}: return one number, such as its mean"
        )
    if output.requires_grad and not loss.requires_grad:
        raise IncompatibleError(
            "the model's `loss` has no gradient: compute it from `output` with torch, without `detach` and `.item()`"
        )
    return loss


def predictor(objective: Any) -> Callable[[Array, int], Predictions] | None:
    """Return the method that names the predictions for files, or None if the objective cannot read files.

    The method may have its name of earlier versions, `answers`.
    """
    if isinstance(objective, ReadsFiles):
        return objective.predictions
    earlier: Callable[[Array, int], Predictions] | None = getattr(objective, "answers", None)
    return earlier if hasattr(objective, "read") else None

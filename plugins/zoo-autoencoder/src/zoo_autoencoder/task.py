"""Kinds `zoo-autoencoder/reconstruction` and `zoo-autoencoder/generation`, version 1.

Columns: x uint8 (n, channels, height, width); y integer (n,), the class, if there is one, which only pictures use.
Images for a model are float (batch, channels, height, width) with pixels in [0, 1]; in denoising also outside of it.

`reconstruction`, of the tasks `compression` and `denoising`. Model: forward takes images and returns images of the
same shape. For `compression` it also has `encode(x)`, which returns codes float (batch, numbers), and `decode(code)`,
which returns images; forward is decode(encode(x)). See `zoo_autoencoder.reconstruction`.
`generation`. Model: `encode(x)` returns the mean and the log-variance of q(z | x), float (batch, numbers) each.
`decode(z)` returns the logits of the pixels, float (batch, channels, height, width). forward(x) is decode(mean).
See `zoo_autoencoder.generation`.

`max_code`: the largest number of code numbers that a model may use for one image; 0 is no limit.
A model may have `fit(batches)`, as PCA has. It is called once before the first step, with all training images without
noise, in batches. The kinds own the loss.
One unit is one image. `holdout`: a tenth of the train images is held out for val.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from zoo_autoencoder.generation import Generation
from zoo_autoencoder.reconstruction import Compression, Denoising
from zoo_core import Context, Data, Evaluation, Phase, Recipe, Signature, Step, TaskSpec
from zoo_core.data.batches import Batch, DeviceSplit
from zoo_core.kinds.inputs import ImageInputs
from zoo_core.outputs import OutputForm
from zoo_core.train import epoch_steps, supervised_steps

FIT_BATCH = 1000  # images
MAX_PICTURED = 2000  # test images on the map of codes; other pictures show some of them
Batches = Callable[[int], Iterator[Tensor]]  # batch size -> all images of a split, in order


class Objective(Protocol):
    """The differences between the tasks. Images `x` are float (batch, channels, height, width) in [0, 1]."""

    def example_input(self, x: Tensor) -> Tensor:
        """Return the argument of forward for images of the data."""

    def require(self, model: nn.Module, x: Tensor) -> None:
        """Raise IncompatibleError or WrongOutputError if the model does not keep the kind's contract."""

    def loss(self, model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the training loss and the score, both scalar."""

    def evaluate(self, model: nn.Module, batches: Batches, split: str) -> Evaluation:
        """Score all images of a split."""

    def pictures(self, model: nn.Module, x: Tensor, y: np.ndarray[Any, Any]) -> dict[str, np.ndarray[Any, Any]]:
        """Draw pictures of test images and their classes y, integer (n,)."""


def compression(spec: TaskSpec) -> Autoencoding:
    """Make the task `compression`."""
    return Autoencoding(spec, Compression)


def denoising(spec: TaskSpec) -> Autoencoding:
    """Make the task `denoising`."""
    return Autoencoding(spec, Denoising)


def generation(spec: TaskSpec) -> Autoencoding:
    """Make the task `generation`."""
    return Autoencoding(spec, Generation)


class Autoencoding:
    """The `Task` of both kinds; an `Objective` holds the differences."""

    def __init__(self, spec: TaskSpec, make: Callable[[str, Signature, Recipe, Context], Objective]) -> None:
        self.spec = spec
        self._make = make

    def prepare(self, ctx: Context, data: Data, recipe: Recipe) -> None:
        self._data, self._recipe = data, recipe
        self._inputs = ImageInputs(data.signature, normalize=False, device=ctx.device)
        self._objective = self._make(self.spec.kind, data.signature, recipe, ctx)
        self._splits = {"train": self._on_device(ctx, "train")}

    def output_form(self) -> OutputForm:
        """Return what forward returns: images of the shape of its inputs, or their logits."""
        return OutputForm(kind=self.spec.kind, shape=lambda x: tuple(x.shape), values="pixels")

    def epoch_steps(self, recipe: Recipe) -> int:
        return epoch_steps(self._splits["train"], recipe)

    def example_input(self, ctx: Context, batch_size: int) -> Tensor:
        return self._objective.example_input(self._images(self._splits["train"].first(batch_size)))

    def train(self, ctx: Context, model: nn.Module, recipe: Recipe) -> Iterator[Step | Phase]:
        self._inputs.ready(model)
        self._require(model)
        train = self._splits["train"]
        if hasattr(model, "fit"):
            yield Phase("fit")
            with torch.no_grad():
                cast(Any, model).fit(self._images(batch) for batch in train.in_order(FIT_BATCH))

        def loss_and_score(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
            return self._objective.loss(model, self._images(batch))

        yield from supervised_steps(ctx, model, train, loss_and_score, recipe)

    def evaluate(self, ctx: Context, model: nn.Module, split: str) -> Evaluation:
        self._inputs.ready(model)
        if split not in self._splits:
            self._splits[split] = self._on_device(ctx, split)
        images = self._splits[split]
        return self._objective.evaluate(model, lambda size: map(self._images, images.in_order(size)), split)

    def pictures(self, ctx: Context, model: nn.Module) -> dict[str, np.ndarray[Any, Any]]:
        """Draw images beside their reconstructions, and what the codes mean; see the objectives."""
        self._inputs.ready(model)
        test = self._splits["test"]
        batch = test.first(min(MAX_PICTURED, len(test)))
        y = batch["y"].cpu().numpy() if "y" in batch else np.zeros(len(batch["x"]), np.int64)
        return self._objective.pictures(model, self._images(batch), y)

    def _on_device(self, ctx: Context, name: str) -> DeviceSplit:
        return DeviceSplit(self._data.split(name, holdout=self._recipe.holdout), ctx.device)

    def _images(self, batch: Batch) -> Tensor:
        """Return the images of a batch: float (batch, channels, height, width) in [0, 1]."""
        return self._inputs.normalized(self._inputs.as_float(batch["x"]))

    def _require(self, model: nn.Module) -> None:
        """Refuse a model that breaks the contract before it is trained, without a change to its statistics."""
        mode = model.training
        with torch.no_grad():
            self._objective.require(model.eval(), self._images(self._splits["train"].first(2)))
        model.train(mode)

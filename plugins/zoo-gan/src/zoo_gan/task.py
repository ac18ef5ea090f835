"""Kinds `zoo-gan/points` and `zoo-gan/images`, version 1: generate examples from noise that resemble real ones.

Columns: x float32 (n, coordinates) for points, which are in order along their line in val and test; or x uint8
(n, 1, 28, 28) for images, with y, the digit.
Model: a module with submodules `generator` and `discriminator` and an option `latent`; it owns no loss. The generator
maps standard normal noise z (batch, latent) to examples (batch, *input_shape): points standardized by the mean and std
of the signature, images in [-1, 1]. The discriminator maps such examples to logits (batch,), high for real ones.
Forward is the generator's.
Loss: a recipe key, like the gradient penalty and the discriminator's steps per generator step; see `zoo_gan.training`.
Evaluation uses a moving average of the generator's weights (`ema`).
Metrics, lower is better: `distance` of points to the line, `frechet` of images in the judge's features; see
`zoo_gan.points` and `zoo_gan.images`. Val is scored on fewer generated examples than test, so do not compare scores of
different splits.
One unit is one real example shown to the discriminator; one step is one update of the generator.
`holdout`: a tenth of the train images is held out for val, although a GAN could train on it: without val there is no
learning curve. The curve has its own val split.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn

from zoo_core import Context, Evaluation, Phase, Recipe, Signature, Step, TaskSpec
from zoo_core.data.batches import DeviceSplit
from zoo_core.data.columns import Array
from zoo_core.data.open import Data
from zoo_core.outputs import FiniteOutputs, OutputForm
from zoo_gan.images import Images
from zoo_gan.models.adversaries import Adversaries
from zoo_gan.points import Points
from zoo_gan.training import adversarial_steps, averaged_copy

BATCH = 500  # examples generated at once
# Added to the trial's seed, so that evaluation and pictures use other noise than training.
EVALUATION_SEED, PICTURE_SEED = 1_000_003, 2_000_003


class Form(Protocol):
    """The differences between points and images."""

    snapshot_size: int  # examples in one snapshot of the training

    def to_model_range(self, x: Tensor) -> Tensor:
        """Scale real examples like those of a generator."""

    def to_data(self, generated: Tensor) -> Array:
        """Scale generated examples like those in the data."""

    def samples(self, split: str, real: int) -> int:
        """Return how many examples to generate for scoring a split of `real` examples."""

    def evaluate(self, generated: Array, split: str, real: Mapping[str, Array]) -> Evaluation:
        """Score generated examples against all columns of a split."""

    def pictures(
        self,
        make: Callable[[Tensor], Array],
        z: Tensor,
        real: Mapping[str, Array],
        snapshots: list[tuple[float, Array]],
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Draw pictures. `make` generates from noise such as `z` (n, latent); `snapshots` are (progress, examples)."""


def PointGan(spec: TaskSpec) -> Gan:
    """Make the task of kind `zoo-gan/points`."""
    return Gan(spec, Points)


def ImageGan(spec: TaskSpec) -> Gan:
    """Make the task of kind `zoo-gan/images`."""
    return Gan(spec, Images)


class Gan:
    """The `Task` of both kinds; a `Form` holds the differences."""

    def __init__(self, spec: TaskSpec, make_form: Callable[[Signature, Context], Form]) -> None:
        self.spec = spec
        self._make_form = make_form
        self._snapshots: list[tuple[float, Array]] = []

    def prepare(self, ctx: Context, data: Data, recipe: Recipe) -> None:
        self._data, self._recipe = data, recipe
        self._form = self._make_form(data.signature, ctx)
        self._train = DeviceSplit(data.split("train", holdout=recipe.holdout), ctx.device)

    def output_form(self) -> OutputForm:
        """Return what forward, the generator's, returns for noise z (batch, latent)."""
        sizes = cast(tuple[int, ...], self._data.signature.input_shape)
        return OutputForm(
            kind=self.spec.kind, shape=lambda z: (z.shape[0], *sizes), values="examples", part="the generator"
        )

    def epoch_steps(self, recipe: Recipe) -> int:
        return max(1, round(self._train.steps(int(recipe.batch_size)) / int(recipe.critic_steps)))

    def train(self, ctx: Context, model: nn.Module, recipe: Recipe) -> Iterator[Step | Phase]:
        average = averaged_copy(model)
        self._snapshots = [(0.0, self._snapshot(ctx, average))]
        batches = self._train.shuffled(recipe.batch_size, ctx.generator)
        real = (self._form.to_model_range(batch["x"]) for batch in batches)
        yield from adversarial_steps(ctx, cast(Adversaries, model), average, real, recipe)

    def evaluate(self, ctx: Context, model: nn.Module, split: str) -> Evaluation:
        if split == "val":
            self._snapshots.append((ctx.progress(), self._snapshot(ctx, model)))
        real = self._data.split(split, holdout=self._recipe.holdout)
        generated = self._make(model, self._noise(ctx, self._form.samples(split, len(real)), EVALUATION_SEED))
        return self._form.evaluate(generated, split, self._columns(split))

    def example_input(self, ctx: Context, batch_size: int) -> Tensor:
        return self._noise(ctx, batch_size, PICTURE_SEED)

    def pictures(self, ctx: Context, model: nn.Module) -> dict[str, np.ndarray[Any, Any]]:
        """Draw a thumbnail, samples, walks through the noise, and the training as snapshots of the val evaluations."""
        z = self._noise(ctx, self._form.snapshot_size, PICTURE_SEED)
        return self._form.pictures(lambda z: self._make(model, z), z, self._columns("test"), self._snapshots)

    def _columns(self, split: str) -> dict[str, Array]:
        found = self._data.split(split, holdout=self._recipe.holdout)
        rows = slice(None) if found.rows is None else found.rows
        return {name: np.asarray(cast(Array, column)[rows]) for name, column in found.columns.items()}

    def _noise(self, ctx: Context, count: int, seed: int) -> Tensor:
        """Draw noise float32 (count, latent), the same at every step and for every model of one trial seed."""
        generator = torch.Generator(ctx.device).manual_seed(ctx.seed + seed)
        return torch.randn(count, self._recipe.latent, generator=generator, device=ctx.device)

    def _make(self, model: nn.Module, z: Tensor) -> Array:
        """Generate examples, scaled like the data, from noise; the model is in evaluation mode.

        Raises WrongOutputError, and DivergedError for examples that are not finite, which a grey level cannot show.
        """
        form, finite, examples = self.output_form(), FiniteOutputs(), []
        for part in torch.split(z, BATCH):
            generated = model(part)
            form.require(generated, part)
            finite.add(generated)
            examples.append(self._form.to_data(generated))
        finite.require("generated examples")
        return np.concatenate(examples)

    def _snapshot(self, ctx: Context, model: nn.Module) -> Array:
        """Generate a few examples, always from the same noise."""
        mode = model.training
        with torch.no_grad():
            generated = self._make(model.eval(), self._noise(ctx, self._form.snapshot_size, PICTURE_SEED))
        model.train(mode)
        return generated

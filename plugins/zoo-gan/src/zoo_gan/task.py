"""Kinds `zoo-gan/points` and `zoo-gan/images`, version 1: examples made out of noise, that look like real ones.

Columns: x float32 (n, coordinates), or uint8 (n, 1, 28, 28) with y, the digit; those of points lie, in val and test, in
order along the line that they are on.
Model: a module with the submodules `generator` and `discriminator`, and an option `latent`. The generator takes noise
z (batch, latent), of the standard normal distribution, and returns examples (batch, *input_shape): points shifted and
scaled by the signature's mean and deviation, images in [-1, 1]. The discriminator takes such examples and returns
(batch,) logits, high for real. Forward is the generator's. A model owns no loss.
Loss: a recipe key, as are the gradient penalty and the discriminator's steps for one of the generator's; see
`zoo_gan.training`. What is scored is an average of the generator's weights over the last steps (`ema`).
Metrics, lower is better: `distance` of points to the line, `frechet` of images in the judge's features; see
`zoo_gan.points` and `zoo_gan.images`. Val is scored on fewer generated examples than test, so only trials of one split
compare.
One unit is one real example that the discriminator saw; one step is one of the generator.
`holdout`: a tenth of the train images is held out for val, though a GAN could use it: without val nothing is known of
the way there. The curve has a val split of its own.
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
from zoo_gan.images import Images
from zoo_gan.models.adversaries import Adversaries
from zoo_gan.points import Points
from zoo_gan.training import adversarial_steps, averaged

BATCH = 500  # examples generated at once
# Seeds of the noise that is looked at, apart from the seed that training begins with.
SCORED, SHOWN = 1_000_003, 2_000_003


class Form(Protocol):
    """What is special to points or to images."""

    shown: int  # examples of a glimpse, for the film of the training

    def as_made(self, x: Tensor) -> Tensor:
        """Real examples as a generator makes them."""

    def as_data(self, made: Tensor) -> Array:
        """What a generator made as the data hold it."""

    def samples(self, split: str, real: int) -> int:
        """How many examples are generated to score a split of so many real ones."""

    def evaluate(self, made: Array, split: str, real: Mapping[str, Array]) -> Evaluation:
        """Scores of made examples against all columns of a split."""

    def pictures(
        self, make: Callable[[Tensor], Array], z: Tensor, real: Mapping[str, Array], film: list[tuple[float, Array]]
    ) -> dict[str, np.ndarray[Any, Any]]:
        """`make` generates from noise, `z` (many, latent) is some; `film`: glimpses by their share of the training."""


def PointGan(spec: TaskSpec) -> Gan:
    """The body of `zoo-gan/points`."""
    return Gan(spec, Points)


def ImageGan(spec: TaskSpec) -> Gan:
    """The body of `zoo-gan/images`."""
    return Gan(spec, Images)


class Gan:
    """A `Task` for both kinds; what differs between them is a `Form`."""

    def __init__(self, spec: TaskSpec, make_form: Callable[[Signature, Context], Form]) -> None:
        self.spec = spec
        self._make_form = make_form
        self._film: list[tuple[float, Array]] = []

    def prepare(self, ctx: Context, data: Data, recipe: Recipe) -> None:
        self._data, self._recipe = data, recipe
        self._form = self._make_form(data.signature, ctx)
        self._train = DeviceSplit(data.split("train", holdout=recipe.holdout), ctx.device)

    def epoch_steps(self, recipe: Recipe) -> int:
        return max(1, round(self._train.steps(int(recipe.batch_size)) / int(recipe.critic_steps)))

    def train(self, ctx: Context, model: nn.Module, recipe: Recipe) -> Iterator[Step | Phase]:
        average = averaged(model)
        self._film = [(0.0, self._glimpse(ctx, average))]
        batches = self._train.shuffled(recipe.batch_size, ctx.generator)
        real = (self._form.as_made(batch["x"]) for batch in batches)
        yield from adversarial_steps(ctx, cast(Adversaries, model), average, real, recipe)

    def evaluate(self, ctx: Context, model: nn.Module, split: str) -> Evaluation:
        if split == "val":
            self._film.append((ctx.progress(), self._glimpse(ctx, model)))
        real = self._data.split(split, holdout=self._recipe.holdout)
        made = self._make(model, self._noise(ctx, self._form.samples(split, len(real)), SCORED))
        return self._form.evaluate(made, split, self._columns(split))

    def example_input(self, ctx: Context, batch_size: int) -> Tensor:
        return self._noise(ctx, batch_size, SHOWN)

    def pictures(self, ctx: Context, model: nn.Module) -> dict[str, np.ndarray[Any, Any]]:
        """A thumbnail, samples, a walk through the noise, and the way there as the val evaluations saw it."""
        z = self._noise(ctx, self._form.shown, SHOWN)
        return self._form.pictures(lambda z: self._make(model, z), z, self._columns("test"), self._film)

    def _columns(self, split: str) -> dict[str, Array]:
        found = self._data.split(split, holdout=self._recipe.holdout)
        rows = slice(None) if found.rows is None else found.rows
        return {name: np.asarray(cast(Array, column)[rows]) for name, column in found.columns.items()}

    def _noise(self, ctx: Context, count: int, seed: int) -> Tensor:
        """The same for every step and every model of a seed: float32 (count, latent)."""
        generator = torch.Generator(ctx.device).manual_seed(ctx.seed + seed)
        return torch.randn(count, self._recipe.latent, generator=generator, device=ctx.device)

    def _make(self, model: nn.Module, z: Tensor) -> Array:
        """Examples as the data hold them, from noise; the model is in eval mode."""
        return np.concatenate([self._form.as_data(model(part)) for part in torch.split(z, BATCH)])

    def _glimpse(self, ctx: Context, model: nn.Module) -> Array:
        """A few examples, of the same noise each time."""
        mode = model.training
        with torch.no_grad():
            made = self._make(model.eval(), self._noise(ctx, self._form.shown, SHOWN))
        model.train(mode)
        return made

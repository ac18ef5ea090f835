"""The task of kind `zoo-autoencoder/generation`: a density of images with a code of a few numbers.

Model: p(x) is the mean over a standard normal z of independent Bernoulli pixels, whose logits decode(z) returns.
Pixels: with `pixels=binary` an image is a random black and white one, whose pixels are white with the probability of
their grey level (Salakhutdinov and Murray 2008; anew in each step, as Burda et al. 2016). For val and test it is drawn
once and is the same for all models, so that all bounds are bounds of log p(x). With `pixels=grey` the grey levels
themselves are the targets, as in many tutorials: then no score is a bound of a density.

Scores in nats per image, lower is better: the metric `negative_elbo` (Kingma and Welling 2014, arXiv:1312.6114);
`importance_weighted`, the negative bound of Burda et al. 2016 (arXiv:1509.00519); `reconstruction` and `kl`, whose sum
is the negative ELBO. All of them use the same samples of z: one for each image of val, `importance_samples` for each
image of test. `active_units` counts the code numbers that the decoder can use: the mean of q(z | x) has a variance
above 0.01 over the images (Burda et al.).

Loss: the negative ELBO, in which the KL divergence has a weight that rises from 0 to 1 in the first `kl_warmup` of the
training (Sønderby et al. 2016, arXiv:1602.02282).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from zoo_autoencoder.bounds import (
    bernoulli_nats,
    importance_weighted_nats,
    kl_to_standard_normal,
    log_prior_ratio,
    sample,
)
from zoo_autoencoder.contract import Contract
from zoo_autoencoder.pictures import SHEET, THUMBNAIL, Codec, beside, code_pictures
from zoo_core import Context, Evaluation, Recipe, Signature
from zoo_core.outputs import FiniteOutputs

BATCH = 256  # images
PIXEL_SEEDS, SAMPLE_SEEDS = {"val": 1_000_003, "test": 2_000_003}, {"val": 3_000_003, "test": 4_000_003}
PICTURE_SEED = 5_000_003
ACTIVE_VARIANCE = 0.01
PICTURED = 64  # images that are drawn at most

Picture = np.ndarray[Any, Any]  # uint8 (height, width, 3)
Batches = Callable[[int], Iterator[Tensor]]


class Generation:
    """Variational autoencoders; see `zoo_autoencoder.task.Objective`."""

    def __init__(self, kind: str, signature: Signature, recipe: Recipe, ctx: Context) -> None:
        shape = cast(tuple[int, ...], signature.input_shape)
        self._contract = Contract(kind=kind, image_shape=shape, max_code=recipe.max_code, pixels="logits")
        self._classes = signature.classes
        self._binary: bool = recipe.pixels == "binary"
        self._kl_warmup, self._samples = float(recipe.kl_warmup), int(recipe.importance_samples)
        self._ctx = ctx

    def example_input(self, x: Tensor) -> Tensor:
        return self._fixed_pixels(x, torch.Generator().manual_seed(PIXEL_SEEDS["val"]))

    def require(self, model: nn.Module, x: Tensor) -> None:
        self._contract.images(model, self._contract.gaussian(model, x)[0])

    def loss(self, model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the negative ELBO with the present weight of the KL divergence, and with all of it as score."""
        if self._binary:
            x = (torch.rand(x.shape, generator=self._ctx.generator, device=x.device) < x).float()
        mean, log_variance = self._contract.gaussian(model, x)
        noise = torch.randn(mean.shape, generator=self._ctx.generator, device=x.device)
        logits = self._contract.images(model, sample(mean, log_variance, noise))
        reconstruction = bernoulli_nats(logits, x).mean()
        kl = kl_to_standard_normal(mean, log_variance).sum(1).mean()
        weight = min(1.0, self._ctx.progress() / self._kl_warmup) if self._kl_warmup else 1.0
        return reconstruction + weight * kl, (reconstruction + kl).detach()

    def evaluate(self, model: nn.Module, batches: Batches, split: str) -> Evaluation:
        pixels = torch.Generator().manual_seed(PIXEL_SEEDS[split])
        noise = torch.Generator().manual_seed(SAMPLE_SEEDS[split])
        samples = self._samples if split == "test" else 1
        parts, means, finite = [], [], FiniteOutputs()
        for x in batches(BATCH):
            nats, mean = self._nats(model, self._fixed_pixels(x, pixels), samples, noise)
            finite.add(nats)
            parts.append(nats)
            means.append(mean)
        finite.require(f"images of {split}")
        reconstruction, kl, weighted = torch.cat(parts).cpu().double().unbind(1)  # some accelerators have no float64
        active = torch.cat(means).var(0, correction=0) > ACTIVE_VARIANCE
        scores = {
            "negative_elbo": float((reconstruction + kl).mean()),
            "importance_weighted": float(weighted.mean()),
            "reconstruction": float(reconstruction.mean()),
            "kl": float(kl.mean()),
            "active_units": float(active.sum()),
        }
        return Evaluation(scores, per_example={"score": (reconstruction + kl).numpy()})

    def pictures(self, model: nn.Module, x: Tensor, y: np.ndarray[Any, Any]) -> dict[str, Picture]:
        """Draw generated images, reconstructions, a map of the codes, and images of interpolated and changed codes."""
        x = self._fixed_pixels(x, torch.Generator().manual_seed(PIXEL_SEEDS["test"]))
        codes = torch.cat([self._contract.gaussian(model, part)[0] for part in torch.split(x, BATCH)])
        codec = Codec(codes, lambda code: self._contract.images(model, code).float().sigmoid())
        generator = torch.Generator().manual_seed(PICTURE_SEED + self._ctx.seed)
        generated = codec.decode(torch.randn(SHEET.columns * SHEET.rows, codes.shape[1], generator=generator))
        return {
            "thumbnail": beside(THUMBNAIL, generated),
            "generated": beside(SHEET, generated),
            "reconstructions": beside(SHEET, x[:PICTURED], codec.decode(codes[:PICTURED])),
            **code_pictures(codec, y, self._classes),
        }

    def _fixed_pixels(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Return grey images as they are, or else binary ones, drawn on the CPU to be the same on every device."""
        if not self._binary:
            return x
        return (torch.rand(x.shape, generator=generator).to(x.device) < x).float()

    def _nats(self, model: nn.Module, x: Tensor, samples: int, noise: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return reconstruction, KL divergence and importance-weighted bound of images (batch, 3), and their codes."""
        mean, log_variance = self._contract.gaussian(model, x)
        log_likelihoods, log_weights = [], []
        for _ in range(samples):
            drawn = torch.randn(mean.shape, generator=noise).to(mean.device)
            z = sample(mean, log_variance, drawn)
            log_likelihoods.append(-bernoulli_nats(self._contract.images(model, z), x))
            log_weights.append(log_likelihoods[-1] + log_prior_ratio(z, drawn, log_variance))
        reconstruction = -torch.stack(log_likelihoods).mean(0)
        kl = kl_to_standard_normal(mean, log_variance).sum(1)
        bound = importance_weighted_nats(torch.stack(log_weights))
        return torch.stack([reconstruction, kl, bound], dim=1), mean

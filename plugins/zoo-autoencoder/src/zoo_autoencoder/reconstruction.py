"""The tasks of kind `zoo-autoencoder/reconstruction`: compression to a few numbers, and denoising.

`compression`: an image must pass through `max_code` numbers. The task encodes all images of a split, and then decodes
the codes in batches of another size, so that nothing but the code connects the two. A code is float32; the task does
not count its bits. Scores: the metric `mse`, the mean squared error of pixels in [0, 1], and `psnr` in dB.

`denoising`: white Gaussian noise with the std `sigma` is added to the pixels and not clipped. In training it is new
in every step; for val and test it is the same for all models, seeds and epochs. Scores: the metric `psnr_gain`, the
PSNR of the output minus that of the noisy image, in dB, averaged over images; `psnr` of the output; `mse`.

PSNR is 10 log10(1 / mse) of one image, for pixels in [0, 1]. It counts errors below 1e-10 as 1e-10, so it is at most
100 dB. Outputs are scored as they are: a model that wants its pixels to be in [0, 1] limits them itself.
Both tasks train with the mean squared error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from zoo_autoencoder.contract import Contract
from zoo_autoencoder.pictures import SHEET, THUMBNAIL, Codec, beside, code_pictures
from zoo_core import Context, Evaluation, Recipe, Signature
from zoo_core.outputs import FiniteOutputs, OutputForm

BATCH, DECODING_BATCH = 256, 200  # images; they differ, so that a decoder cannot use what the encoder saw last
LEAST_MSE = 1e-10  # of one image, for PSNR
NOISE_SEEDS = {"val": 1_000_003, "test": 2_000_003}
PICTURED = 64  # images that are drawn at most

Picture = np.ndarray[Any, Any]  # uint8 (height, width, 3)
Batches = Callable[[int], Iterator[Tensor]]


class Compression:
    """Reconstruction from a code of a given size; see `zoo_autoencoder.task.Objective`."""

    def __init__(self, kind: str, signature: Signature, recipe: Recipe, ctx: Context) -> None:
        shape = cast(tuple[int, ...], signature.input_shape)
        self._contract = Contract(kind=kind, image_shape=shape, max_code=recipe.max_code, pixels="pixels")
        self._form = OutputForm(kind=kind, shape=lambda x: tuple(x.shape), values="pixels")
        self._classes = signature.classes

    def example_input(self, x: Tensor) -> Tensor:
        return x

    def require(self, model: nn.Module, x: Tensor) -> None:
        self._contract.images(model, self._contract.code(model, x))

    def loss(self, model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        output = model(x)
        self._form.require(output, x)
        loss = squared_errors(output, x).mean()
        return loss, loss.detach()

    def evaluate(self, model: nn.Module, batches: Batches, split: str) -> Evaluation:
        finite = FiniteOutputs()
        codes = torch.cat([self._contract.code(model, x).float() for x in batches(BATCH)])
        finite.add(codes)
        finite.require(f"codes of {split}")
        errors = []
        for code, x in zip(torch.split(codes, DECODING_BATCH), batches(DECODING_BATCH), strict=True):
            errors.append(squared_errors(self._contract.images(model, code), x))
        mse = _joined(errors, split)
        return Evaluation(
            {"mse": float(mse.mean()), "psnr": float(psnr(mse).mean())}, per_example={"score": mse.numpy()}
        )

    def pictures(self, model: nn.Module, x: Tensor, y: np.ndarray[Any, Any]) -> dict[str, Picture]:
        """Draw images and reconstructions, a map of the codes, and images of interpolated and changed codes."""
        codes = torch.cat([self._contract.code(model, part).float() for part in torch.split(x, BATCH)])
        codec = Codec(codes, lambda code: self._contract.images(model, code))
        x, restored = x[:PICTURED], codec.decode(codes[:PICTURED])
        return {
            "thumbnail": beside(THUMBNAIL, x, restored),
            "reconstructions": beside(SHEET, x, restored),
            **code_pictures(codec, y, self._classes),
        }


class Denoising:
    """Removal of Gaussian noise; see `zoo_autoencoder.task.Objective`."""

    def __init__(self, kind: str, signature: Signature, recipe: Recipe, ctx: Context) -> None:
        self._form = OutputForm(kind=kind, shape=lambda x: tuple(x.shape), values="pixels")
        self._sigma: float = recipe.sigma
        self._ctx = ctx  # whose generator is replaced before the training

    def example_input(self, x: Tensor) -> Tensor:
        return self._with_fixed_noise(x, _generator("val"))

    def require(self, model: nn.Module, x: Tensor) -> None:
        self._form.require(model(x), x)

    def loss(self, model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the mean squared error as loss, and as score the PSNR gain over noise of the variance sigma^2."""
        noise = torch.randn(x.shape, generator=self._ctx.generator, device=x.device)
        noisy = x + self._sigma * noise
        output = model(noisy)
        self._form.require(output, noisy)
        errors = squared_errors(output, x)
        gain = psnr(errors.detach()) - psnr(squared_errors(noisy, x))
        return errors.mean(), gain.mean()

    def evaluate(self, model: nn.Module, batches: Batches, split: str) -> Evaluation:
        generator = _generator(split)
        errors, before = [], []
        for x in batches(BATCH):
            noisy = self._with_fixed_noise(x, generator)
            output = model(noisy)
            self._form.require(output, noisy)
            errors.append(squared_errors(output, x))
            before.append(squared_errors(noisy, x))
        mse = _joined(errors, split)
        gain = psnr(mse) - psnr(torch.cat(before).cpu().double())
        scores = {"psnr_gain": float(gain.mean()), "psnr": float(psnr(mse).mean()), "mse": float(mse.mean())}
        return Evaluation(scores, per_example={"score": gain.numpy()})

    def pictures(self, model: nn.Module, x: Tensor, y: np.ndarray[Any, Any]) -> dict[str, Picture]:
        """Draw images, the same with noise, and the model's outputs."""
        x = x[:PICTURED]
        noisy = self._with_fixed_noise(x, _generator("test"))
        output = model(noisy)
        return {"thumbnail": beside(THUMBNAIL, noisy, output), "denoised": beside(SHEET, x, noisy, output)}

    def _with_fixed_noise(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Add noise drawn on the CPU, so that it is the same on every device."""
        return x + self._sigma * torch.randn(x.shape, generator=generator).to(x.device)


def squared_errors(output: Tensor, x: Tensor) -> Tensor:
    """Return the mean squared error of each image: float32 (batch,)."""
    return (output.float() - x).square().flatten(1).mean(1)


def psnr(mse: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio in dB of images with pixels in [0, 1].

    >>> psnr(torch.tensor([1.0, 0.01, 0.0])).tolist()
    [0.0, 20.0, 100.0]
    """
    return -10 * mse.clamp(min=LEAST_MSE).log10()


def _joined(errors: list[Tensor], split: str) -> Tensor:
    """Join the errors of a split: float64 (n,), on the CPU, which has it. Raises DivergedError if one is not finite."""
    finite = FiniteOutputs()
    for part in errors:
        finite.add(part)
    finite.require(f"images of {split}")
    return torch.cat(errors).cpu().double()


def _generator(split: str) -> torch.Generator:
    return torch.Generator().manual_seed(NOISE_SEEDS[split])

"""Compression and denoising: scores by hand and by scikit-learn, what the models get, and which models are refused."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn
from zoo_autoencoder.drawn import draw_digits
from zoo_autoencoder.models.conv import conv_ae
from zoo_autoencoder.models.dense import ae
from zoo_autoencoder.models.pca import Pca, pca
from zoo_autoencoder.reconstruction import Compression, Denoising, psnr

from zoo_core import Context, IncompatibleError, Recipe, Signature
from zoo_core.outputs import OutputForm

KIND = "zoo-autoencoder/reconstruction"
SIGNATURE = Signature(input_shape=(1, 28, 28), outputs=10, classes=tuple("0123456789"))
SIGMA = 0.5


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.from_numpy(draw_digits(450, np.random.default_rng(3))[0][:, None]).float() / 255


def compression(max_code: int = 16) -> Compression:
    return Compression(KIND, SIGNATURE, Recipe({"max_code": max_code}), Context())


def denoising(seed: int = 0, sigma: float = SIGMA) -> Denoising:
    ctx = Context(seed=seed)
    task = Denoising(KIND, SIGNATURE, Recipe({"sigma": sigma}), ctx)
    ctx.generator = torch.Generator().manual_seed(seed)  # the runner seeds anew after it has prepared the task
    return task


def batches(x: Tensor) -> Callable[[int], Iterator[Tensor]]:
    return lambda size: iter(torch.split(x, size))


def fitted(x: Tensor, code_size: int) -> Pca:
    model = pca(SIGNATURE, code_size)
    assert isinstance(model, Pca)
    model.fit(iter(torch.split(x, 100)))
    return model


class Keeps(nn.Module):
    """A model whose decoder answers with what the encoder saw last, whatever the code."""

    def encode(self, x: Tensor) -> Tensor:
        self.last = x
        return torch.zeros(len(x), 1)

    def decode(self, code: Tensor) -> Tensor:
        return torch.cat([self.last, self.last])[: len(code)]

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


# scores


def test_pca_errs_by_what_scikit_learns_reconstruction_does(images: Tensor) -> None:
    train, test = images[:300], images[300:]
    reference = PCA(16, svd_solver="full").fit(train.flatten(1).double().numpy())
    flat = test.flatten(1).double().numpy()
    expected = ((reference.inverse_transform(reference.transform(flat)) - flat) ** 2).mean(axis=1)
    found = compression().evaluate(fitted(train, 16), batches(test), "test")
    assert found.scores["mse"] == pytest.approx(expected.mean(), abs=1e-6)
    assert found.per_example["score"] == pytest.approx(expected, abs=1e-6)
    assert found.scores["psnr"] == pytest.approx((-10 * np.log10(expected)).mean(), abs=1e-4)


def test_pca_keeps_no_more_components_than_there_are_pixels_and_few_images_are_enough(images: Tensor) -> None:
    small = Signature(input_shape=(1, 2, 3))
    model = pca(small, 99)
    assert isinstance(model, Pca)
    x = torch.rand(4, 1, 2, 3, generator=torch.Generator().manual_seed(0))
    model.fit(iter([x]))
    assert model.encode(x).shape == (4, 6)
    assert torch.allclose(model(x), x, atol=1e-5)
    assert torch.allclose(fitted(images[:5], 16)(images[:5]), images[:5], atol=1e-4)


def test_psnr_is_that_of_its_definition() -> None:
    a, b = np.full((4, 4), 0.5), np.full((4, 4), 0.75)
    # skimage.metrics.peak_signal_noise_ratio(a, b, data_range=1): 10 log10(1 / mean((a - b)^2))
    expected = 10 * math.log10(1 / ((a - b) ** 2).mean())
    assert float(psnr(torch.tensor(0.0625))) == pytest.approx(expected, rel=1e-6)
    assert float(psnr(torch.tensor(0.0))) == pytest.approx(100)


def test_the_noisy_image_as_answer_gains_nothing_and_the_mean_squared_error_is_that_of_the_noise(
    images: Tensor,
) -> None:
    found = denoising().evaluate(nn.Identity(), batches(images), "test")
    assert found.scores["psnr_gain"] == 0
    assert found.scores["mse"] == pytest.approx(SIGMA**2, rel=0.01)
    assert found.scores["psnr"] == pytest.approx(-20 * math.log10(SIGMA), abs=0.05)


class Halves(nn.Module):
    """Halves what it gets: the error is (x + noise) / 2 - x = (noise - x) / 2."""

    def forward(self, x: Tensor) -> Tensor:
        return x / 2


def test_the_gain_is_the_difference_of_both_ratios_for_each_image(images: Tensor) -> None:
    seen = []

    class Seeing(Halves):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x)
            return super().forward(x)

    found = denoising().evaluate(Seeing(), batches(images), "test")
    noise = (torch.cat(seen) - images).flatten(1).double().numpy()
    errors = (noise - images.flatten(1).double().numpy()) / 2
    expected = 10 * np.log10((noise**2).mean(axis=1) / (errors**2).mean(axis=1))
    assert found.per_example["score"] == pytest.approx(expected, abs=1e-4)
    assert found.scores["psnr_gain"] == pytest.approx(expected.mean(), abs=1e-4)


# noise


def noise_of(task: Denoising, x: Tensor, split: str) -> Tensor:
    seen = []

    class Seeing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x)
            return x

    task.evaluate(Seeing(), batches(x), split)
    return torch.cat(seen) - x


def test_every_model_seed_and_epoch_is_scored_on_the_same_noise_and_val_has_other_noise(images: Tensor) -> None:
    first = noise_of(denoising(seed=0), images, "test")
    assert torch.equal(first, noise_of(denoising(seed=7), images, "test"))
    assert not torch.equal(first, noise_of(denoising(), images, "val"))
    assert float(first.std()) == pytest.approx(SIGMA, rel=0.01)
    assert float(first.mean()) == pytest.approx(0, abs=0.005)
    assert not torch.equal(first[0], first[1])


def test_training_noise_is_new_in_every_step_and_follows_the_seed(images: Tensor) -> None:
    x = images[:20]
    task, again, other = denoising(0), denoising(0), denoising(1)
    losses = [float(task.loss(nn.Identity(), x)[0]) for _ in range(3)]
    assert len(set(losses)) == 3
    assert losses == [float(again.loss(nn.Identity(), x)[0]) for _ in range(3)]
    assert losses[0] != float(other.loss(nn.Identity(), x)[0])


def test_the_loss_is_the_mean_squared_error_and_the_score_the_gain(images: Tensor) -> None:
    x = images[:20]
    loss, score = compression().loss(Halves(), x)
    assert float(loss) == pytest.approx(float((x / 2).square().mean()), rel=1e-6)
    assert float(score) == float(loss)
    loss, score = denoising().loss(nn.Identity(), x)
    assert float(loss) == pytest.approx(SIGMA**2, rel=0.05)
    assert float(score) == 0


# the contract


def test_only_the_code_passes_from_encoder_to_decoder(images: Tensor) -> None:
    model = Keeps()
    assert torch.equal(model(images), images)
    assert compression().evaluate(model, batches(images), "test").scores["mse"] > 0.05


class Codes(nn.Module):
    """Returns a given code for each image, and images of a given shape."""

    def __init__(self, code: Any, shape: tuple[int, ...] = (1, 28, 28)) -> None:
        super().__init__()
        self.code, self.shape = code, shape

    def encode(self, x: Tensor) -> Any:
        return self.code

    def decode(self, code: Tensor) -> Tensor:
        return torch.zeros(len(code), *self.shape)


REFUSED: dict[str, tuple[nn.Module, str]] = {
    "no encode": (nn.Identity(), "Identity has no method `encode`: the task needs `encode(x)`"),
    "a code that is too large": (
        Codes(torch.zeros(2, 17)),
        "encode returned 17 numbers for each image, and the recipe ",
    ),
    "no tensor": (Codes(None), "encode returned None"),
    "a pair": (Codes((torch.zeros(2, 4), torch.zeros(2, 4))), "encode returned a tuple of 2: (2, 4), (2, 4)"),
    "a code for the whole batch": (Codes(torch.zeros(4)), "encode returned (4,), float32"),
    "a map of codes": (Codes(torch.zeros(2, 4, 7, 7)), "encode returned (2, 4, 7, 7), float32"),
    "whole numbers": (Codes(torch.zeros(2, 4, dtype=torch.int64)), "encode returned (2, 4), int64"),
    "images of another size": (Codes(torch.zeros(2, 4), (1, 14, 14)), "decode returned (2, 1, 14, 14), float32"),
    "flat images": (Codes(torch.zeros(2, 4), (784,)), "end with `reshape(len(x), 1, 28, 28)`"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_model_without_a_code_of_the_allowed_size_is_refused_before_it_is_trained(case: str) -> None:
    model, words = REFUSED[case]
    with pytest.raises(Exception, match=re.escape(words)) as caught:
        compression().require(model, torch.zeros(2, 1, 28, 28))
    assert type(caught.value).__name__ in ("IncompatibleError", "WrongOutputError")


def test_the_limit_of_the_code_is_a_recipe_key_and_0_is_none() -> None:
    model = Codes(torch.zeros(2, 17))
    compression(max_code=17).require(model, torch.zeros(2, 1, 28, 28))
    compression(max_code=0).require(model, torch.zeros(2, 1, 28, 28))
    with pytest.raises(IncompatibleError, match=r"--set code_size=16, or allow more with --set max_code=17"):
        compression().require(model, torch.zeros(2, 1, 28, 28))


def test_a_denoiser_needs_no_code_but_images_of_the_same_shape() -> None:
    denoising().require(nn.Conv2d(1, 1, 3, padding=1), torch.zeros(2, 1, 28, 28))
    with pytest.raises(Exception, match=re.escape("forward returned (2, 1, 26, 26), float32")):
        denoising().require(nn.Conv2d(1, 1, 3), torch.zeros(2, 1, 28, 28))


def test_numbers_that_are_not_finite_end_the_trial(images: Tensor) -> None:
    for model in (Codes(torch.full((200, 4), torch.nan)), Keeps()):
        x = images[:200].clone()
        x[3] = torch.inf if isinstance(model, Keeps) else 0.0
        with pytest.raises(Exception, match="not finite"):
            compression().evaluate(model, batches(x), "test")


# models


@pytest.mark.parametrize("build", [lambda s: ae(s, 5, [12, 8]), lambda s: conv_ae(s, 5, 4, 8), lambda s: pca(s, 5)])
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 8, 12)])
def test_every_model_codes_images_in_as_many_numbers_as_asked(
    build: Callable[[Signature], nn.Module], shape: tuple[int, ...]
) -> None:
    model: Any = build(Signature(input_shape=shape)).eval()
    x = torch.rand(3, *shape, generator=torch.Generator().manual_seed(0))
    assert model.encode(x).shape == (3, 5)
    OutputForm(kind=KIND, shape=lambda x: tuple(x.shape)).require(model(x), x)
    assert torch.equal(model(x), model.decode(model.encode(x)))


def test_a_convolutional_model_says_which_sizes_it_takes() -> None:
    with pytest.raises(IncompatibleError, match="images of 30x28 pixels: height and width must be divisible by 4"):
        conv_ae(Signature(input_shape=(1, 30, 28)), 4, 4, 8)

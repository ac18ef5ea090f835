"""Generation: scores of models whose densities are known, the pixels that all models get, and refused models."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence
from zoo_autoencoder.drawn import draw_digits
from zoo_autoencoder.generation import Generation
from zoo_autoencoder.models.conv import conv_vae
from zoo_autoencoder.models.dense import vae

from zoo_core import Context, Recipe, Signature

KIND = "zoo-autoencoder/generation"
SIGNATURE = Signature(input_shape=(1, 28, 28), outputs=10, classes=tuple("0123456789"))
DEFAULTS = {"max_code": 16, "pixels": "binary", "kl_warmup": 0.0, "importance_samples": 8}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.from_numpy(draw_digits(300, np.random.default_rng(3))[0][:, None]).float() / 255


def generation(seed: int = 0, progress: float = 1.0, **changes: Any) -> Generation:
    ctx = Context(seed=seed)
    task = Generation(KIND, SIGNATURE, Recipe({**DEFAULTS, **changes}), ctx)
    # The runner seeds anew, and states the progress, after it has prepared the task.
    ctx.generator, ctx.progress = torch.Generator().manual_seed(seed), lambda: progress
    return task


def batches(x: Tensor) -> Callable[[int], Iterator[Tensor]]:
    return lambda size: iter(torch.split(x, size))


class Known(nn.Module):
    """q(z | x) = N(mean, exp(log_variance)) for two numbers, and the same logit for every pixel, whatever z is."""

    def __init__(self, mean: float = 0.0, log_variance: float = 0.0, logit: float = 0.0) -> None:
        super().__init__()
        self.mean, self.log_variance, self.logit = mean, log_variance, logit
        self.seen: list[Tensor] = []

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        self.seen.append(x)
        return torch.full((len(x), 2), self.mean), torch.full((len(x), 2), self.log_variance)

    def decode(self, code: Tensor) -> Tensor:
        return torch.full((len(code), 1, 28, 28), self.logit)


def test_a_model_of_grey_noise_needs_one_bit_for_each_pixel_by_every_bound(images: Tensor) -> None:
    scores = generation().evaluate(Known(), batches(images), "test").scores
    nats = 784 * math.log(2)
    assert scores["negative_elbo"] == pytest.approx(nats, rel=1e-6)
    assert scores["importance_weighted"] == pytest.approx(nats, rel=1e-6)
    assert scores["kl"] == 0
    assert scores["active_units"] == 0


def test_the_elbo_is_reconstruction_and_divergence_and_the_weighted_bound_is_better(images: Tensor) -> None:
    model = Known(mean=0.5, log_variance=-0.7, logit=-1.5)
    found = generation(importance_samples=64).evaluate(model, batches(images), "test")
    seen = torch.cat(model.seen)
    p = 1 / (1 + math.exp(1.5))
    white = seen.flatten(1).sum(1).double().numpy()
    reconstruction = -(white * math.log(p) + (784 - white) * math.log(1 - p))
    kl = 2 * float(kl_divergence(Normal(0.5, math.exp(-0.35)), Normal(0.0, 1.0)))
    assert found.scores["reconstruction"] == pytest.approx(reconstruction.mean(), rel=1e-6)
    assert found.scores["kl"] == pytest.approx(kl, rel=1e-6)
    assert found.per_example["score"] == pytest.approx(reconstruction + kl, rel=1e-5)
    assert found.scores["negative_elbo"] == pytest.approx(reconstruction.mean() + kl, rel=1e-6)
    # z has no influence, so log p(x) is -reconstruction, and 64 samples come near to it.
    assert reconstruction.mean() - 0.05 < found.scores["importance_weighted"] < reconstruction.mean() + 0.1


def test_more_samples_make_the_bound_tighter_for_a_real_model(images: Tensor) -> None:
    model = vae(SIGNATURE, 4, [16]).eval()
    with torch.no_grad():
        scores = [generation(importance_samples=k).evaluate(model, batches(images), "test").scores for k in (1, 8, 64)]
    bounds = [item["importance_weighted"] for item in scores]
    assert bounds[0] > bounds[1] > bounds[2]
    assert scores[2]["negative_elbo"] > bounds[2]
    assert scores[2]["negative_elbo"] == pytest.approx(bounds[0], rel=1e-3)  # the bound of one sample is an ELBO


def test_all_models_and_seeds_are_scored_on_the_same_black_and_white_images(images: Tensor) -> None:
    one, other, val = Known(), Known(logit=1.0), Known()
    generation(seed=0).evaluate(one, batches(images), "test")
    generation(seed=1).evaluate(other, batches(images), "test")
    generation(seed=0).evaluate(val, batches(images), "val")
    pixels = torch.cat(one.seen)
    assert torch.equal(pixels, torch.cat(other.seen))
    assert not torch.equal(pixels, torch.cat(val.seen))
    assert set(pixels.unique().tolist()) == {0.0, 1.0}
    assert (pixels[images == 0] == 0).all()
    assert (pixels[images == 1] == 1).all()
    between = (images > 0.4) & (images < 0.6)
    assert float(pixels[between].mean()) == pytest.approx(0.5, abs=0.05)


def test_grey_pixels_are_used_as_they_are_if_the_recipe_asks_for_it(images: Tensor) -> None:
    model = Known()
    generation(pixels="grey").evaluate(model, batches(images), "test")
    assert torch.equal(torch.cat(model.seen), images)


def test_images_are_black_and_white_anew_in_each_step(images: Tensor) -> None:
    model, task = Known(), generation()
    task.loss(model, images)
    task.loss(model, images)
    assert set(model.seen[0].unique().tolist()) == {0.0, 1.0}
    assert not torch.equal(*model.seen)


def test_the_weight_of_the_divergence_rises_to_1_and_the_score_has_all_of_it(images: Tensor) -> None:
    model = Known(mean=2.0)
    kl = 2 * float(kl_divergence(Normal(2.0, 1.0), Normal(0.0, 1.0)))
    bits = 784 * math.log(2)
    for progress, weight in ((0.0, 0.0), (0.1, 0.5), (0.2, 1.0), (0.9, 1.0)):
        loss, score = generation(progress=progress, kl_warmup=0.2).loss(model, images)
        assert float(loss) == pytest.approx(bits + weight * kl, rel=1e-5)
        assert float(score) == pytest.approx(bits + kl, rel=1e-5)


def test_a_number_counts_as_active_if_it_depends_on_the_image(images: Tensor) -> None:
    class Half(Known):
        def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
            mean, log_variance = super().encode(x)
            brightness = x.flatten(1).mean(1)
            return torch.stack([(brightness > brightness.median()).float(), mean[:, 1]], dim=1), log_variance

    assert generation().evaluate(Half(), batches(images), "test").scores["active_units"] == 1


class Pair(nn.Module):
    def __init__(self, pair: Any) -> None:
        super().__init__()
        self.pair = pair

    def encode(self, x: Tensor) -> Any:
        return self.pair

    def decode(self, code: Tensor) -> Tensor:
        return torch.zeros(len(code), 1, 28, 28)


REFUSED: dict[str, tuple[Any, str]] = {
    "one tensor": (torch.zeros(2, 8), "encode returned (2, 8); zoo-autoencoder/generation wants a pair (mean, log-var"),
    "three": ((torch.zeros(2, 8),) * 3, "encode returned a tuple of 3"),
    "other sizes": ((torch.zeros(2, 8), torch.zeros(2, 1)), "a mean (2, 8) and a log-variance (2, 1)"),
    "no tensor": ((torch.zeros(2, 8), None), "the log-variance of encode returned None"),
    "too many": ((torch.zeros(2, 17),) * 2, "the mean of encode returned 17 numbers for each image"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_model_that_returns_no_distribution_of_the_allowed_size_is_refused(case: str) -> None:
    pair, words = REFUSED[case]
    with pytest.raises(Exception, match=re.escape(words)) as caught:
        generation().require(Pair(pair), torch.zeros(2, 1, 28, 28))
    assert type(caught.value).__name__ in ("IncompatibleError", "WrongOutputError")


@pytest.mark.parametrize("build", [lambda s: vae(s, 5, [12, 8]), lambda s: conv_vae(s, 5, 4, 8)])
def test_every_model_has_a_distribution_of_codes_and_logits_of_pixels(build: Callable[[Signature], nn.Module]) -> None:
    model: Any = build(SIGNATURE).eval()
    x = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    mean, log_variance = model.encode(x)
    assert mean.shape == log_variance.shape == (3, 5)
    assert not torch.equal(mean, log_variance)
    assert torch.equal(model(x), model.decode(mean))
    generation().require(model, x)

"""Adversarial training: steps, losses, averages, and the models."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from zoo_gan.models.adversaries import Adversaries
from zoo_gan.models.conv import dcgan
from zoo_gan.models.dense import images, points
from zoo_gan.models.wgan import wgan
from zoo_gan.plugin import GAN
from zoo_gan.training import LOSSES, adversarial_steps, averaged_copy, gradient_penalty, update_average

from zoo_core import Context, Recipe, Signature, Step

POINT = Signature(input_shape=(2,))
IMAGE = Signature(input_shape=(1, 28, 28), outputs=10)
MODELS = {
    "gan": (POINT, lambda: points(POINT, 3, [8, 8])),
    "mlp-gan": (IMAGE, lambda: images(IMAGE, 3, [8, 16])),
    "dcgan": (IMAGE, lambda: dcgan(IMAGE, 3, 4)),
    "wgan-gp of points": (POINT, lambda: wgan(POINT, 3, 8)),
    "wgan-gp of images": (IMAGE, lambda: wgan(IMAGE, 3, 4)),
}


def recipe(**changes: Any) -> Recipe:
    defaults = {key: getattr(value, "default", value) for key, value in GAN.items()}
    return Recipe({**defaults, "latent": 3, **changes})


def context(seed: int = 0) -> Context:
    return Context(generator=torch.Generator().manual_seed(seed))


def play(model: Adversaries, signature: Signature, **changes: Any) -> tuple[list[Step], Adversaries]:
    average = averaged_copy(model)
    generator = torch.Generator().manual_seed(1)
    real = (torch.randn(6, *signature.input_shape, generator=generator) for _ in itertools.count())
    return [*adversarial_steps(context(), model, average, real, recipe(**changes))], average


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_a_generator_and_a_discriminator_as_the_objective_requires(name: str) -> None:
    signature, make = MODELS[name]
    model, z = make().eval(), torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    made = model.generator(z)
    assert made.shape == (5, *signature.input_shape)
    assert model.discriminator(made).shape == (5,)
    assert torch.equal(model(z), made)


@pytest.mark.parametrize("penalty", [0.0, 10.0])
@pytest.mark.parametrize("name", MODELS)
def test_both_sides_learn_in_every_step_and_the_average_is_what_is_scored(name: str, penalty: float) -> None:
    signature, make = MODELS[name]
    model = make()
    before = {key: value.clone() for key, value in model.named_parameters()}
    steps, average = play(model, signature, steps=2, penalty=penalty, ema=0.5)
    for key, value in model.named_parameters():
        # A bias before BatchNorm, or all alike in a Wasserstein loss, has no effect, and a first weight may be dead.
        assert "bias" in key or not torch.equal(value, before[key]), key
    assert [step.n for step in steps] == [6, 6]
    assert all(step.eval_model is average and step.logs.keys() == {"loss", "critic"} for step in steps)
    assert all(torch.isfinite(value) for step in steps for value in step.logs.values())


def test_the_discriminators_steps_for_one_of_the_generators_count_as_examples_and_as_one_step() -> None:
    steps, _ = play(points(POINT, 3, [8]), POINT, steps=4, critic_steps=3)
    assert [(step.n, step.steps) for step in steps] == [(18, 1)] * 4


def test_the_generators_step_leaves_the_discriminator_alone() -> None:
    model = points(POINT, 3, [8])
    before = [value.clone() for value in model.discriminator.parameters()]
    play(model, POINT, steps=1, critic_lr=0.0)
    assert all(torch.equal(a, b) for a, b in zip(before, model.discriminator.parameters(), strict=True))


def test_the_non_saturating_loss_is_cross_entropy() -> None:
    real, made = torch.tensor([0.3, -2.0]), torch.tensor([1.0, 4.0])
    loss, entropy = LOSSES["non-saturating"], F.binary_cross_entropy_with_logits
    expected = entropy(real, torch.ones(2)) + entropy(made, torch.zeros(2))
    assert loss.critic(real, made).item() == pytest.approx(expected.item(), abs=1e-6)
    assert loss.generator(made).item() == pytest.approx(entropy(made, torch.ones(2)).item(), abs=1e-6)


def test_the_wasserstein_loss_is_a_difference_of_means() -> None:
    real, made = torch.tensor([1.0, 3.0]), torch.tensor([5.0, 6.0])
    assert LOSSES["wasserstein"].critic(real, made).item() == 3.5
    assert LOSSES["wasserstein"].generator(made).item() == -5.5


class Slope(nn.Module):
    """A critic whose gradient is (3, 4) everywhere."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ torch.tensor([3.0, 4.0])


def test_the_gradient_penalty_of_a_slope_of_5_is_16() -> None:
    x = torch.zeros(7, 2)
    assert gradient_penalty(context(), Slope(), x, x + 1).item() == pytest.approx(16)


def test_the_average_moves_by_the_share_it_does_not_keep_and_counts_are_copied() -> None:
    kept, now = nn.BatchNorm1d(1), nn.BatchNorm1d(1)
    with torch.no_grad():
        now.weight.fill_(3)
        now.running_mean.fill_(8)
        now.num_batches_tracked.fill_(7)
    update_average(kept, now, 0.75)
    assert (kept.weight.item(), kept.running_mean.item(), kept.num_batches_tracked.item()) == (1.5, 2, 7)


def test_without_an_average_the_last_weights_are_scored() -> None:
    model = dcgan(IMAGE, 3, 4)
    _, average = play(model, IMAGE, steps=2, ema=0.0)
    for key, value in average.state_dict().items():
        assert torch.allclose(value, model.state_dict()[key]), key


def test_the_same_generator_gives_the_same_steps() -> None:
    model = points(POINT, 3, [8])
    state = {key: value.clone() for key, value in model.state_dict().items()}
    first, _ = play(model, POINT, steps=3)
    model.load_state_dict(state)
    again, _ = play(model, POINT, steps=3)
    assert [step.logs["loss"].item() for step in first] == [step.logs["loss"].item() for step in again]


def test_a_step_in_bfloat16_uses_the_discriminators_new_weights() -> None:
    """Autocast keeps the weights it has cast; the second net's turn must not see those from before the first's."""
    model = dcgan(IMAGE, 3, 4)
    seen = []
    model.discriminator[0].register_forward_hook(lambda layer, args, output: seen.append(output.detach().clone()))
    with torch.autocast("cpu", torch.bfloat16):
        average = averaged_copy(model)
        steps = adversarial_steps(
            context(), model, average, iter([torch.zeros(4, 1, 28, 28)] * 2), recipe(steps=1, critic_lr=0.5)
        )
        next(steps)
    _, of_made, again = seen
    assert not torch.equal(of_made, again)

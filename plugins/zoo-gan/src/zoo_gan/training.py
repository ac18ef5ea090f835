"""Adversarial training: a generator of steps with two optimizers."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from zoo_core import Context, Recipe, Step
from zoo_core.outputs import OutputForm
from zoo_core.train import FUSED, rate_factor, update_average
from zoo_gan.models.adversaries import Adversaries


@dataclass(frozen=True, slots=True)
class Losses:
    """The scalar losses of both nets, computed from logits (batch,) of real and of generated examples."""

    critic: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


LOSSES = {
    # Goodfellow et al. 2014: cross-entropy of real against generated, and -log D(generated) for the generator.
    "non-saturating": Losses(
        critic=lambda real, generated: F.softplus(-real).mean() + F.softplus(generated).mean(),
        generator=lambda generated: F.softplus(-generated).mean(),
    ),
    # Arjovsky et al. 2017.
    "wasserstein": Losses(
        critic=lambda real, generated: generated.mean() - real.mean(), generator=lambda generated: -generated.mean()
    ),
}


# A wrong shape would be broadcast in the losses without an error.
GENERATED = OutputForm(
    kind="zoo-gan", shape=lambda real: tuple(real.shape), values="examples, like the real ones", part="the generator"
)
LOGITS = OutputForm(
    kind="zoo-gan", shape=lambda examples: tuple(examples.shape[:1]), values="logits", part="the discriminator"
)


def averaged_copy(model: nn.Module) -> Adversaries:
    """Copy the generator, to hold a moving average; share the discriminator with the model."""
    original = cast(Adversaries, getattr(model, "_orig_mod", model))  # the original of a compiled model
    average = Adversaries(copy.deepcopy(original.generator), original.discriminator)
    average.generator.requires_grad_(False)
    return average


def adversarial_steps(
    ctx: Context, model: Adversaries, average: Adversaries, real: Iterator[Tensor], recipe: Recipe
) -> Iterator[Step]:
    """Yield `recipe.steps` steps of the generator, each after `critic_steps` updates of the discriminator.

    `real` yields batches in the scale of generated examples. The generator learns from the last batch that it
    generated for the discriminator. Logs: `loss` of the generator, and the last `critic` loss of the discriminator.
    """
    generator, critic = model.generator, model.discriminator
    generator_parameters, critic_parameters = [*generator.parameters()], [*critic.parameters()]
    generator_optimizer = _adam(generator_parameters, recipe.lr, recipe)
    critic_optimizer = _adam(critic_parameters, recipe.critic_lr, recipe)
    losses = LOSSES[recipe.loss]
    for number in range(recipe.steps):
        factor = rate_factor(recipe.schedule, 0.0, ctx.progress())
        generator_optimizer.param_groups[0]["lr"] = recipe.lr * factor
        critic_optimizer.param_groups[0]["lr"] = recipe.critic_lr * factor
        examples = 0
        for turn in range(1, recipe.critic_steps + 1):
            x = next(real)
            examples += len(x)
            z = torch.randn(len(x), recipe.latent, generator=ctx.generator, device=ctx.device)
            with torch.set_grad_enabled(turn == recipe.critic_steps):
                generated = generator(z)
            GENERATED.require(generated, x)
            critic_loss = losses.critic(*_logits(critic, x, generated.detach()))
            if recipe.penalty:
                critic_loss = critic_loss + recipe.penalty * gradient_penalty(ctx, critic, x, generated.detach())
            _update(critic_loss, critic_parameters, critic_optimizer)
        generator_loss = losses.generator(_judged(critic, generated))
        _update(generator_loss, generator_parameters, generator_optimizer)
        update_average(average.generator, generator, min(recipe.ema, (1 + number) / (10 + number)))
        logs = {"loss": generator_loss.detach(), "critic": critic_loss.detach()}
        yield Step(examples, logs, eval_model=average)


def gradient_penalty(ctx: Context, critic: nn.Module, real: Tensor, generated: Tensor) -> Tensor:
    """Average (|gradient| - 1)^2 at random points between real and generated examples (Gulrajani et al. 2017)."""
    shape = (len(real), *[1] * (real.dim() - 1))
    share = torch.rand(shape, generator=ctx.generator, device=real.device)
    between = torch.lerp(generated.float(), real.float(), share).requires_grad_()
    (gradient,) = torch.autograd.grad(_judged(critic, between).sum(), between, create_graph=True)
    penalty: Tensor = (gradient.flatten(1).norm(dim=1) - 1).square().mean()
    return penalty


def _logits(critic: nn.Module, real: Tensor, generated: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logits of both, in one pass unless BatchNorm would mix the two batches."""
    if any(isinstance(module, _BatchNorm) for module in critic.modules()):
        return _judged(critic, real), _judged(critic, generated)
    both = _judged(critic, torch.cat([real, generated.to(real.dtype)]))
    return both[: len(real)], both[len(real) :]


def _judged(critic: nn.Module, examples: Tensor) -> Tensor:
    """Return the discriminator's logits (batch,). Raises WrongOutputError for an output of another form."""
    logits: Tensor = critic(examples)
    LOGITS.require(logits, examples)
    return logits


def _update(loss: Tensor, parameters: list[nn.Parameter], optimizer: torch.optim.Optimizer) -> None:
    """Update these parameters only, although the loss depends on both nets."""
    gradients = torch.autograd.grad(loss, parameters)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    optimizer.step()
    torch.clear_autocast_cache()  # it holds the weights from before this update, which the other net's update would use


def _adam(parameters: list[nn.Parameter], lr: float, recipe: Recipe) -> torch.optim.Optimizer:
    fused = parameters[0].device.type in FUSED
    return torch.optim.Adam(parameters, lr=lr, betas=(recipe.beta1, recipe.beta2), fused=fused)

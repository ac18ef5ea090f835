"""The game of two nets: a step generator with two optimizers."""

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
from zoo_core.train import FUSED, rate_factor
from zoo_gan.models.adversaries import Adversaries


@dataclass(frozen=True, slots=True)
class Loss:
    """What each side wants small: of the logits (batch,) for real and for made examples, scalar."""

    critic: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


LOSSES = {
    # Goodfellow et al. 2014: cross-entropy of real against made, and -log D(made) for the generator.
    "non-saturating": Loss(
        critic=lambda real, made: F.softplus(-real).mean() + F.softplus(made).mean(),
        generator=lambda made: F.softplus(-made).mean(),
    ),
    # Arjovsky et al. 2017.
    "wasserstein": Loss(critic=lambda real, made: made.mean() - real.mean(), generator=lambda made: -made.mean()),
}


def averaged(model: nn.Module) -> Adversaries:
    """A copy whose generator is to follow the model's; the discriminator is the model's own."""
    original = cast(Adversaries, getattr(model, "_orig_mod", model))  # of a compiled one
    average = Adversaries(copy.deepcopy(original.generator), original.discriminator)
    average.generator.requires_grad_(False)
    return average


def adversarial_steps(
    ctx: Context, model: Adversaries, average: Adversaries, real: Iterator[Tensor], recipe: Recipe
) -> Iterator[Step]:
    """Take `recipe.steps` steps of the generator, each after `critic_steps` of the discriminator.

    `real` gives batches as the generator makes them. The discriminator's last batch of made examples is also the one
    that the generator learns from. Logs: `loss`, the generator's, and `critic`, the discriminator's last.
    """
    generator, critic = model.generator, model.discriminator
    making, telling = [*generator.parameters()], [*critic.parameters()]
    maker, teller = _adam(making, recipe.lr, recipe), _adam(telling, recipe.critic_lr, recipe)
    loss = LOSSES[recipe.loss]
    for number in range(recipe.steps):
        factor = rate_factor(recipe.schedule, 0.0, ctx.progress())
        maker.param_groups[0]["lr"] = recipe.lr * factor
        teller.param_groups[0]["lr"] = recipe.critic_lr * factor
        examples = 0
        for turn in range(1, recipe.critic_steps + 1):
            x = next(real)
            examples += len(x)
            z = torch.randn(len(x), recipe.latent, generator=ctx.generator, device=ctx.device)
            with torch.set_grad_enabled(turn == recipe.critic_steps):
                made = generator(z)
            critic_loss = loss.critic(*_logits(critic, x, made.detach()))
            if recipe.penalty:
                critic_loss = critic_loss + recipe.penalty * gradient_penalty(ctx, critic, x, made.detach())
            _descend(critic_loss, telling, teller)
        generator_loss = loss.generator(critic(made))
        _descend(generator_loss, making, maker)
        follow(average.generator, generator, min(recipe.ema, (1 + number) / (10 + number)))
        logs = {"loss": generator_loss.detach(), "critic": critic_loss.detach()}
        yield Step(examples, logs, eval_model=average)


def gradient_penalty(ctx: Context, critic: nn.Module, real: Tensor, made: Tensor) -> Tensor:
    """The mean of (|gradient| - 1)^2 at random places between real and made examples: Gulrajani et al. 2017. Scalar."""
    shape = (len(real), *[1] * (real.dim() - 1))
    share = torch.rand(shape, generator=ctx.generator, device=real.device)
    between = torch.lerp(made.float(), real.float(), share).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    penalty: Tensor = (gradient.flatten(1).norm(dim=1) - 1).square().mean()
    return penalty


def follow(average: nn.Module, net: nn.Module, decay: float) -> None:
    """Move the average's weights and running statistics towards the net's; what is counted is copied."""
    with torch.no_grad():
        torch._foreach_lerp_([*average.parameters()], [*net.parameters()], 1 - decay)
        for kept, now in zip(average.buffers(), net.buffers(), strict=True):
            if kept.is_floating_point():
                kept.lerp_(now, 1 - decay)
            else:
                kept.copy_(now)


def _logits(critic: nn.Module, real: Tensor, made: Tensor) -> tuple[Tensor, Tensor]:
    """For both: at once where the net takes examples one by one, apart where BatchNorm looks at all of a batch."""
    if any(isinstance(module, _BatchNorm) for module in critic.modules()):
        return critic(real), critic(made)
    both: Tensor = critic(torch.cat([real, made.to(real.dtype)]))
    return both[: len(real)], both[len(real) :]


def _descend(loss: Tensor, parameters: list[nn.Parameter], optimizer: torch.optim.Optimizer) -> None:
    """One step; the gradients of these parameters alone are computed, though the loss came through both nets."""
    gradients = torch.autograd.grad(loss, parameters)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    optimizer.step()
    torch.clear_autocast_cache()  # it holds the weights from before the step, and the other net's turn comes next


def _adam(parameters: list[nn.Parameter], lr: float, recipe: Recipe) -> torch.optim.Optimizer:
    fused = parameters[0].device.type in FUSED
    return torch.optim.Adam(parameters, lr=lr, betas=(recipe.beta1, recipe.beta2), fused=fused)

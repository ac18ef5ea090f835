"""The supervised step generator that most tasks reuse, with its optimizers and schedules."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TypeAlias

import torch
from torch import Tensor, nn

from zoo_core.data.batches import Batch, DeviceSplit
from zoo_core.protocols import Context, Step
from zoo_core.recipe import Recipe

FUSED = ("cpu", "cuda")  # device types whose fused optimizers are kept by torch

Loss: TypeAlias = Callable[[nn.Module, Batch], tuple[Tensor, Tensor]]  # (loss, score), both scalar


def supervised_steps(
    ctx: Context, model: nn.Module, split: DeviceSplit, loss_and_score: Loss, recipe: Recipe
) -> Iterator[Step]:
    """Take `recipe.steps` steps over shuffled batches; reads the keys of `zoo_core.kinds.SUPERVISED`."""
    optimizer = make_optimizer(model, recipe, ctx.device)
    parameters = optimizer.param_groups[0]["params"]
    scheduled = recipe.schedule != "constant" or recipe.warmup > 0
    batches = split.shuffled(recipe.batch_size, ctx.generator)
    for _ in range(recipe.steps):
        batch = next(batches)
        if scheduled:
            optimizer.param_groups[0]["lr"] = recipe.lr * rate_factor(recipe.schedule, recipe.warmup, ctx.progress())
        loss, score = loss_and_score(model, batch)
        for parameter in parameters:  # optimizer.zero_grad() does this in 60 us instead of 1
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        if recipe.clip_norm:
            nn.utils.clip_grad_norm_(parameters, recipe.clip_norm)
        optimizer.step()
        yield Step(len(next(iter(batch.values()))), {"loss": loss.detach(), "score": score.detach()})


def make_optimizer(model: nn.Module, recipe: Recipe, device: str) -> torch.optim.Optimizer:
    """The recipe's optimizer over all trainable parameters, fused where torch can."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    fused = torch.device(device).type in FUSED
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=recipe.lr,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay,
            fused=fused,
        )
    adam = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    return adam(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay, fused=fused)


def rate_factor(schedule: str, warmup: float, progress: float) -> float:
    """The learning rate as a share of its highest, at `progress` in [0, 1]: a linear rise, then the schedule to 0."""
    if progress < warmup:
        return progress / warmup
    left = (1 - progress) / (1 - warmup) if warmup < 1 else 0.0
    if schedule == "cosine":
        return (1 - math.cos(math.pi * left)) / 2
    return left if schedule == "linear" else 1.0

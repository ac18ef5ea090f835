"""The supervised training loop that most tasks reuse, with its optimizers and schedules."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TypeAlias

import torch
from torch import Tensor, nn

from zoo_core.data.batches import Batch, DeviceSplit
from zoo_core.protocols import Context, Step
from zoo_core.recipe import Recipe

FUSED = ("cpu", "cuda")  # device types for which torch has fused optimizers

Loss: TypeAlias = Callable[[nn.Module, Batch], tuple[Tensor, Tensor]]  # (loss, score), both scalar


def supervised_steps(
    ctx: Context, model: nn.Module, split: DeviceSplit, loss_and_score: Loss, recipe: Recipe
) -> Iterator[Step]:
    """Take `recipe.steps` optimizer steps over shuffled batches, and yield a Step after each.

    loss_and_score: maps model and batch to (loss, score), scalar tensors; the loss is minimised, both are logged.
    recipe: has the keys of `zoo_core.kinds.SUPERVISED`.

    >>> import numpy as np
    >>> from zoo_core.columns import Split
    >>> split = DeviceSplit(Split({"x": np.ones((4, 1), np.float32), "y": np.ones((4, 1), np.float32)}), "cpu")
    >>> def loss_and_score(model, batch):
    ...     loss = ((model(batch["x"]) - batch["y"]) ** 2).mean()
    ...     return loss, -loss
    >>> recipe = Recipe({"steps": 3, "batch_size": 2, "optimizer": "sgd", "lr": 0.1, "momentum": 0.0, "nesterov": False,
    ...                  "weight_decay": 0.0, "schedule": "constant", "warmup": 0.0, "clip_norm": 0.0})
    >>> [step.n for step in supervised_steps(Context(), nn.Linear(1, 1), split, loss_and_score, recipe)]
    [2, 2, 2]
    """
    optimizer = make_optimizer(model, recipe, ctx.device)
    parameters = optimizer.param_groups[0]["params"]
    scheduled = recipe.schedule != "constant" or recipe.warmup > 0
    batches = split.shuffled(recipe.batch_size, ctx.generator)
    for _ in range(recipe.steps):
        batch = next(batches)
        if scheduled:
            optimizer.param_groups[0]["lr"] = recipe.lr * rate_factor(recipe.schedule, recipe.warmup, ctx.progress())
        loss, score = loss_and_score(model, batch)
        for parameter in parameters:  # takes 1 us; optimizer.zero_grad() takes 60
            parameter.grad = None
        loss.backward()  # type: ignore[no-untyped-call]
        if recipe.clip_norm:
            nn.utils.clip_grad_norm_(parameters, recipe.clip_norm)
        optimizer.step()
        yield Step(len(next(iter(batch.values()))), {"loss": loss.detach(), "score": score.detach()})


def make_optimizer(model: nn.Module, recipe: Recipe, device: str) -> torch.optim.Optimizer:
    """Make the recipe's optimizer for all trainable parameters, fused if torch supports it on the device.

    Reads `optimizer` (`sgd`, `adam` or `adamw`), `lr` and `weight_decay`; for `sgd` also `momentum` and `nesterov`.

    >>> recipe = Recipe({"optimizer": "adam", "lr": 0.001, "weight_decay": 0.0})
    >>> type(make_optimizer(nn.Linear(1, 1), recipe, "cpu")).__name__
    'Adam'
    """
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
    """Return the learning rate as a share of its maximum, at `progress` in [0, 1].

    It rises linearly from 0 during the share `warmup`; then `cosine` and `linear` fall to 0, `constant` stays at 1.

    >>> [rate_factor("linear", 0.2, progress) for progress in (0.0, 0.1, 0.2, 0.6, 1.0)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    if progress < warmup:
        return progress / warmup
    left = (1 - progress) / (1 - warmup) if warmup < 1 else 0.0
    if schedule == "cosine":
        return (1 - math.cos(math.pi * left)) / 2
    return left if schedule == "linear" else 1.0

"""Checks of how a model learns: a few steps on a few examples."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from zoo_core import recipe as recipes
from zoo_core.checks import CheckFailedError, NotApplicableError
from zoo_core.checks.model import ModelSubject
from zoo_core.kinds import KINDS

if TYPE_CHECKING:
    from torch import Tensor

State: TypeAlias = "Mapping[str, Tensor]"
BY_HEART = 8  # examples that are learned by heart
PATIENCE = 100  # steps
# What is tried to learn a few examples: the model's own recipe, then others that suit most.
RATES: tuple[dict[str, Any], ...] = ({}, {"optimizer": "adam", "lr": 0.01}, {"optimizer": "adam", "lr": 0.001})
KEPT = ("optimizer", "lr", "momentum", "nesterov", "batch_size", "image_size", "normalize")


def finite_loss(subject: ModelSubject) -> None:
    _refuse_infinite(subject.harness.start().train())


def _refuse_infinite(logs: list[dict[str, float]]) -> None:
    if not any(logs):
        raise NotApplicableError("the task logs nothing")
    for number, values in enumerate(logs, 1):
        for name, value in values.items():
            if not math.isfinite(value):
                raise CheckFailedError(f"{name} is {value} at step {number}")


def gradients(subject: ModelSubject) -> None:
    started = subject.harness.start()
    parameters = dict(started.model.named_parameters())
    if not parameters:
        raise NotApplicableError("it has no parameters")
    trainable = {name: item for name, item in parameters.items() if item.requires_grad}
    before = {name: item.detach().clone() for name, item in trainable.items()}
    if not trainable:
        raise CheckFailedError("it has no trainable parameter")
    reached: set[str] = set()
    hooks = [
        cast(Any, item).register_post_accumulate_grad_hook(lambda _, name=name: reached.add(name))
        for name, item in trainable.items()
    ]
    try:
        started.train()
    finally:
        for hook in hooks:
            hook.remove()
    # A task that computes gradients by `torch.autograd.grad` calls no hook.
    reached |= {name for name, item in trainable.items() if item.grad is not None or (item != before[name]).any()}
    missed = [name for name in trainable if name not in reached]
    if missed:
        raise CheckFailedError(f"{len(missed)} of {len(trainable)} parameters get no gradient, such as {missed[0]}")


def overfits(subject: ModelSubject) -> None:
    kind = KINDS.get(subject.harness.task.kind)
    if kind is None:
        raise NotApplicableError("the kind is a plugin's own: what its losses mean is not known")
    if not any(item.requires_grad for item in subject.trained.model.parameters()):
        raise NotApplicableError("it has no parameters to learn with")
    count, share = subject.harness.affordable(BY_HEART), kind.max_overfit_loss
    harness = subject.harness.with_train(count)
    plain = {key: recipes.as_param(value).default for key, value in kind.recipe.items() if key not in KEPT}
    tried = []
    for rate in RATES:
        started = harness.start(**{**plain, **rate, "batch_size": count, "steps": PATIENCE})
        losses: list[float] = []
        for step in started.steps():
            losses.append(float(step.logs["loss"]))
            if sum(losses[-3:]) / 3 <= share * losses[0] and len(losses) > 3:
                return
        tried.append(sum(losses[-3:]) / 3)
    raise CheckFailedError(
        f"of {count} examples the loss fell from {losses[0]:.3g} to {min(tried):.3g} at best in {PATIENCE} steps; "
        f"{share:g} of the first is asked for"
    )


def same_seed(subject: ModelSubject) -> None:
    first, logs, last = _seeded(subject)
    first_again, logs_again, last_again = _seeded(subject)
    _refuse_unequal(first, first_again, "two instances from seed 3 have other first weights")
    if logs != logs_again:
        raise CheckFailedError("two trainings from seed 3 differ in their losses")
    _refuse_unequal(last, last_again, "two trainings from seed 3 end with other weights")


def _seeded(subject: ModelSubject) -> tuple[State, list[dict[str, float]], State]:
    """First weights, losses and last weights of a short training."""
    started = subject.harness.start(seed=3)
    first = {name: tensor.clone() for name, tensor in started.model.state_dict().items()}
    return first, started.train(), started.model.state_dict()


def _refuse_unequal(one: State, other: State, complaint: str) -> None:
    import torch

    for name, tensor in one.items():
        if not torch.equal(tensor, other[name]):
            raise CheckFailedError(f"{complaint}, such as {name}")


def other_seed(subject: ModelSubject) -> None:
    import torch

    one, other = (subject.harness.start(seed=seed).model for seed in (3, 4))
    if not any(item.requires_grad for item in one.parameters()):
        raise NotApplicableError("it has no weights to draw")
    others = other.state_dict()
    if all(torch.equal(tensor, others[name]) for name, tensor in one.state_dict().items()):
        raise CheckFailedError("seeds 3 and 4 give the same first weights")


def bf16(subject: ModelSubject) -> None:
    _refuse_infinite(subject.harness.start(steps=1).train(dtype="bfloat16"))

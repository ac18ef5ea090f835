"""Checks of a model's training: a few steps on a few examples."""

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

    from zoo_core.checks.harness import Harness

StateDict: TypeAlias = "Mapping[str, Tensor]"
OVERFIT_EXAMPLES = 8
MAX_OVERFIT_STEPS = 100
# Settings to try for overfitting: the model's own recipe, then settings that suit most models.
OVERFIT_SETTINGS: tuple[dict[str, Any], ...] = (
    {},
    {"optimizer": "adam", "lr": 0.01},
    {"optimizer": "adam", "lr": 0.001},
)
# Overfitting uses the model's values of these recipe keys and the kind's defaults of all others.
MODEL_RECIPE_KEYS = ("optimizer", "lr", "momentum", "nesterov", "batch_size", "image_size", "normalize")


def finite_loss(subject: ModelSubject) -> None:
    _require_finite(subject.harness.start().train())


def _require_finite(logs: list[dict[str, float]]) -> None:
    if not any(logs):
        raise NotApplicableError("the task logs nothing")
    for step, values in enumerate(logs, 1):
        for name, value in values.items():
            if not math.isfinite(value):
                raise CheckFailedError(f"{name} is {value} at step {step}")


def logits(subject: ModelSubject) -> None:
    from zoo_core.checks.losses import LossWatch

    with LossWatch() as watch:
        subject.harness.start(steps=1).train()
    if not watch.calls:
        raise NotApplicableError("its task calls no loss that takes logits")
    if watch.problem:
        raise CheckFailedError(watch.problem)


def gradients(subject: ModelSubject) -> None:
    started = subject.harness.start()
    parameters = dict(started.model.named_parameters())
    if not parameters:
        raise NotApplicableError("it has no parameters")
    trainable = {name: item for name, item in parameters.items() if item.requires_grad}
    initial = {name: item.detach().clone() for name, item in trainable.items()}
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
    # A task that computes gradients with `torch.autograd.grad` calls no hook.
    reached |= {name for name, item in trainable.items() if item.grad is not None or (item != initial[name]).any()}
    missed = [name for name in trainable if name not in reached]
    if missed:
        raise CheckFailedError(f"{len(missed)} of {len(trainable)} parameters get no gradient, such as {missed[0]}")


def overfits(subject: ModelSubject) -> None:
    kind = KINDS.get(subject.harness.task.kind)
    if kind is None:
        raise NotApplicableError("its kind belongs to a plugin, so it is unknown which loss counts as overfitting")
    if not any(item.requires_grad for item in subject.trained.model.parameters()):
        raise NotApplicableError("it has no trainable parameters")
    count, share = subject.harness.affordable(OVERFIT_EXAMPLES), kind.max_overfit_loss_share
    harness = subject.harness.with_train(count)
    defaults = {
        key: recipes.as_param(value).default for key, value in kind.recipe.items() if key not in MODEL_RECIPE_KEYS
    }
    initial, final_losses = 0.0, []
    for settings in OVERFIT_SETTINGS:
        changes = {**defaults, **settings, "batch_size": count, "steps": MAX_OVERFIT_STEPS}
        initial, final = _overfit(harness, share, changes)
        if final <= share * initial:
            return
        final_losses.append(final)
    raise CheckFailedError(
        f"on {count} examples the loss fell from {initial:.3g} to {min(final_losses):.3g} at best in "
        f"{MAX_OVERFIT_STEPS} steps; required: {share:g} of the first loss"
    )


def _overfit(harness: Harness, share: float, changes: Mapping[str, Any]) -> tuple[float, float]:
    """Train until the loss is below this share of its first value. Returns the first loss and the last, smoothed."""
    losses: list[float] = []
    smoothed = math.inf  # mean of the last three losses
    for step in harness.start(**changes).steps():
        losses.append(float(step.logs["loss"]))
        if len(losses) > 3:
            smoothed = sum(losses[-3:]) / 3
        if smoothed <= share * losses[0]:
            break
    return losses[0], smoothed


def same_seed(subject: ModelSubject) -> None:
    first, logs, last = _weights_and_logs(subject)
    first_again, logs_again, last_again = _weights_and_logs(subject)
    _require_equal(first, first_again, "two instances built with seed 3 have different initial weights")
    if logs != logs_again:
        raise CheckFailedError("two trainings with seed 3 have different losses")
    _require_equal(last, last_again, "two trainings with seed 3 end with different weights")


def _weights_and_logs(subject: ModelSubject) -> tuple[StateDict, list[dict[str, float]], StateDict]:
    """Train for a few steps with seed 3. Returns the initial weights, the logs and the final weights."""
    started = subject.harness.start(seed=3)
    initial = {name: tensor.clone() for name, tensor in started.model.state_dict().items()}
    return initial, started.train(), started.model.state_dict()


def _require_equal(one: StateDict, other: StateDict, complaint: str) -> None:
    import torch

    for name, tensor in one.items():
        if not torch.equal(tensor, other[name]):
            raise CheckFailedError(f"{complaint}, such as {name}")


def other_seed(subject: ModelSubject) -> None:
    import torch

    one, other = (subject.harness.start(seed=seed).model for seed in (3, 4))
    if not any(item.requires_grad for item in one.parameters()):
        raise NotApplicableError("it has no random weights")
    others = other.state_dict()
    if all(torch.equal(tensor, others[name]) for name, tensor in one.state_dict().items()):
        raise CheckFailedError("seeds 3 and 4 give the same initial weights")


def bf16(subject: ModelSubject) -> None:
    _require_finite(subject.harness.start(steps=1).train(dtype="bfloat16"))

"""The supervised training loop that most tasks reuse, with its optimizers, schedules and average of weights."""

from __future__ import annotations

import copy
import functools
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias, cast

import torch
from torch import Tensor, nn

from zoo_core.data.batches import Batch, DeviceSplit
from zoo_core.errors import IncompatibleError, RecipeError
from zoo_core.protocols import Context, Deferred, Step
from zoo_core.recipe import GAMMA, MILESTONES, Recipe

FUSED = ("cpu", "cuda")  # device types for which torch has fused optimizers
# OneCycleLR's defaults in torch: the share of the rise, lr / first rate, first rate / last rate.
CYCLE_RISE, CYCLE_START, CYCLE_END = 0.3, 25.0, 1e4

Score: TypeAlias = Tensor | Deferred  # scalar
Gradients: TypeAlias = tuple[int, Tensor, Score]  # number of examples, and the means of loss and score over them
Loss: TypeAlias = Callable[[nn.Module, Batch], tuple[Tensor, Score]]  # (loss, score), both scalar


def supervised_steps(
    ctx: Context, model: nn.Module, split: DeviceSplit, loss_and_score: Loss, recipe: Recipe
) -> Iterator[Step]:
    """Take `recipe.steps` optimizer steps over shuffled batches, and yield a Step after each.

    loss_and_score: maps model and batch to (loss, score), scalar tensors; the loss is minimised, both are logged. The
        score may be `Deferred`.
    recipe: has the keys of `zoo_core.kinds.SUPERVISED`. `accumulate` batches make one step, whose gradient is the mean
        over their examples; the last step of an epoch may have fewer. BatchNorm sees each batch alone. With `ema`, each
        Step has the average of the weights as `eval_model`.
    A model without parameters, such as a fixed filter, takes its steps without an optimizer.

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
    if next(model.parameters(), None) is None:  # optimizers refuse an empty list of parameters
        yield from _steps_without_parameters(ctx, model, split, loss_and_score, recipe)
        return
    optimizer = make_optimizer(model, recipe, ctx.device)
    parameters = optimizer.param_groups[0]["params"]
    scheduled = recipe.schedule != "constant" or recipe.warmup > 0
    drops = {"milestones": recipe.get("milestones", MILESTONES), "gamma": recipe.get("gamma", GAMMA)}
    average = WeightAverage(model, recipe.ema) if recipe.get("ema") else None
    searches = isinstance(optimizer, torch.optim.LBFGS)
    fixed = {"loss_and_score": loss_and_score, "parameters": parameters, "clip_norm": recipe.clip_norm}
    compute = functools.partial(new_gradients, model, **fixed)
    steps = batches_by_step(split, recipe, ctx.generator)
    for _ in range(recipe.steps):
        batches = next(steps)
        if scheduled:
            factor = rate_factor(recipe.schedule, recipe.warmup, ctx.progress(), **drops)
            optimizer.param_groups[0]["lr"] = recipe.lr * factor
        if searches:
            examples, loss, score = step_with_line_search(optimizer, functools.partial(compute, batches=batches))
        else:
            examples, loss, score = compute(batches=batches)
            optimizer.step()
        if average is not None:
            average.update()
        yield Step(examples, {"loss": loss, "score": score}, eval_model=average.model if average else None)


def new_gradients(
    model: nn.Module,
    *,
    batches: Sequence[Batch],
    loss_and_score: Loss,
    parameters: Sequence[nn.Parameter],
    clip_norm: float,
) -> Gradients:
    """Replace the gradients by those of the batches, clipped to `clip_norm` unless it is 0; see `add_gradients`."""
    for parameter in parameters:  # takes 1 us; optimizer.zero_grad() takes 60
        parameter.grad = None
    found = add_gradients(model, batches, loss_and_score)
    if clip_norm:
        nn.utils.clip_grad_norm_(parameters, clip_norm)
    return found


def step_with_line_search(optimizer: torch.optim.Optimizer, compute: Callable[[], Gradients]) -> Gradients:
    """Take a step of an optimizer that asks for gradients several times; return those at the start of the step."""
    first: list[Gradients] = []

    def closure() -> Tensor:
        found = compute()
        first.append(found)
        return found[1]

    optimizer.step(closure)  # type: ignore[arg-type]  # it takes the loss as a tensor
    return first[0]


def _steps_without_parameters(
    ctx: Context, model: nn.Module, split: DeviceSplit, loss_and_score: Loss, recipe: Recipe
) -> Iterator[Step]:
    """Compute loss and score of `recipe.steps` steps, those of a step's last batch; nothing is changed."""
    steps = batches_by_step(split, recipe, ctx.generator)
    for _ in range(recipe.steps):
        batches = next(steps)
        loss, score = loss_and_score(model, batches[-1])
        yield Step(sum(len(next(iter(batch.values()))) for batch in batches), {"loss": loss, "score": score})


def epoch_steps(split: DeviceSplit, recipe: Recipe) -> int:
    """Return the optimizer steps of one pass over the split: batches divided by `accumulate`, rounded up."""
    return -(-split.steps(int(recipe.batch_size)) // int(recipe.get("accumulate", 1)))


def batches_by_step(split: DeviceSplit, recipe: Recipe, generator: torch.Generator | None) -> Iterator[list[Batch]]:
    """Yield the shuffled batches of each step, without end. No step has batches of two epochs."""
    batches, count = split.shuffled(recipe.batch_size, generator), split.steps(recipe.batch_size)
    accumulate = recipe.get("accumulate", 1)
    while True:
        for begin in range(0, count, accumulate):
            yield list(itertools.islice(batches, min(accumulate, count - begin)))


def add_gradients(model: nn.Module, batches: Sequence[Batch], loss_and_score: Loss) -> Gradients:
    """Add the gradients of the mean loss over all examples of the batches, one backward pass per batch.

    Returns the number of examples, and the means of loss and score over them.
    """
    sizes = [len(next(iter(batch.values()))) for batch in batches]
    examples = sum(sizes)
    if len(batches) == 1:
        loss, score = loss_and_score(model, batches[0])
        loss.backward()  # type: ignore[no-untyped-call]
        return examples, loss.detach(), score if isinstance(score, Deferred) else score.detach()
    means: list[Tensor] = []
    for batch, size in zip(batches, sizes, strict=True):
        loss, score = loss_and_score(model, batch)
        score = score.value() if isinstance(score, Deferred) else score
        values = loss * (size / examples), score * (size / examples)
        values[0].backward()  # type: ignore[no-untyped-call]
        parts = [value.detach() for value in values]
        means = [mean + part for mean, part in zip(means, parts, strict=True)] if means else parts
    return examples, means[0], means[1]


class WeightAverage:
    """An exponential moving average of a model's weights and running statistics, held by a copy: `model`.

    Update number n, from 0, moves the average by 1 - min(decay, (1 + n) / (10 + n)) of the way to the model, so that
    the average forgets the initial weights early (as TensorFlow's ExponentialMovingAverage with `num_updates`).
    Modules without trainable parameters are shared with the model. A compiled model has a compiled copy. Raises
    IncompatibleError for a model that cannot be copied, such as one with torch's old `weight_norm`.

    >>> net = nn.Linear(1, 1)
    >>> average = WeightAverage(net, decay=0.9)
    >>> before = net.weight.item()
    >>> with torch.no_grad():
    ...     _ = net.weight.add_(1.0)
    >>> average.update()
    >>> round(average.model.weight.item() - before, 4)
    0.9
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        original = cast(nn.Module, getattr(model, "_orig_mod", model))
        frozen: dict[int, object] = {id(module): module for module in original.modules() if _is_frozen(module)}
        try:
            copied = copy.deepcopy(original, frozen)
        except (RuntimeError, TypeError) as error:  # such as of a tensor with a history, or an open file
            raise IncompatibleError(f"`ema` averages a copy of the model, which cannot be copied: {error}") from error
        self.model = copied if original is model else cast(nn.Module, torch.compile(copied))
        self._decay, self._updates = decay, 0
        self._copied, self._original = copied, original

    def update(self) -> None:
        """Move the average towards the model as it is now, without waiting for the device."""
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        self._updates += 1
        update_average(self._copied, self._original, decay)


def _is_frozen(module: nn.Module) -> bool:
    parameters = list(module.parameters())
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)


def update_average(average: nn.Module, net: nn.Module, decay: float) -> None:
    """Move the average's weights and running statistics towards the net's; copy its integer buffers."""
    pairs = itertools.chain(
        zip(average.parameters(), net.parameters(), strict=True), zip(average.buffers(), net.buffers(), strict=True)
    )
    changed = [(kept, now) for kept, now in pairs if kept is not now]
    means = [(kept, now) for kept, now in changed if kept.is_floating_point() or kept.is_complex()]
    with torch.no_grad():
        torch._foreach_lerp_([kept for kept, _ in means], [now for _, now in means], 1 - decay)
        for kept, now in changed:
            if not (kept.is_floating_point() or kept.is_complex()):
                kept.copy_(now)


def make_optimizer(model: nn.Module, recipe: Recipe, device: str) -> torch.optim.Optimizer:
    """Make the recipe's optimizer for all trainable parameters, fused if torch supports it on the device.

    Reads `optimizer`, `lr` and `weight_decay`; for `sgd` also `momentum` and `nesterov`. `momentum` and `nesterov` are
    `sgd` with `momentum`, without and with Nesterov's form. `lbfgs` searches along a line on each batch, by the
    strong Wolfe conditions, and has no weight decay. Everything else is torch's default. Raises RecipeError.

    >>> recipe = Recipe({"optimizer": "adam", "lr": 0.001, "weight_decay": 0.0})
    >>> type(make_optimizer(nn.Linear(1, 1), recipe, "cpu")).__name__
    'Adam'
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    # None lets torch choose, which takes all parameters at once (foreach); False would take them one by one.
    fused = True if torch.device(device).type in FUSED else None
    if recipe.optimizer == "lbfgs":
        if recipe.weight_decay:
            raise RecipeError(f"optimizer=lbfgs has no weight decay: set weight_decay=0, not {recipe.weight_decay:g}")
        return torch.optim.LBFGS(parameters, lr=recipe.lr, line_search_fn="strong_wolfe")
    if recipe.optimizer in ("momentum", "nesterov"):
        if not recipe.momentum:
            raise RecipeError(f"optimizer={recipe.optimizer} with momentum=0 is plain sgd: set momentum, such as 0.9")
        is_nesterov = recipe.optimizer == "nesterov"
        recipe = Recipe({**recipe, "optimizer": "sgd", "nesterov": is_nesterov})
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=recipe.lr,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay,
            fused=fused,
        )
    if recipe.optimizer in ("rmsprop", "adagrad"):  # torch has no fused form of them for every device
        plain = torch.optim.RMSprop if recipe.optimizer == "rmsprop" else torch.optim.Adagrad
        return plain(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay)
    adam = torch.optim.AdamW if recipe.optimizer == "adamw" else torch.optim.Adam
    return adam(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay, fused=fused)


def rate_factor(
    schedule: str, warmup: float, progress: float, *, milestones: Sequence[float] = MILESTONES, gamma: float = GAMMA
) -> float:
    """Return the learning rate as a share of its maximum, at `progress` in [0, 1].

    It rises linearly from 0 during the share `warmup`. Then `cosine` and `linear` fall to 0, `step` is multiplied by
    `gamma` at each of the `milestones`, which are shares of the training, and `constant` stays at 1.
    `one-cycle` (Smith and Topin 2017, arXiv:1708.07120) rises along a cosine from 1/25 during the share `warmup`, or
    0.3 if that is 0, and falls along a cosine to 1/250,000: torch's OneCycleLR without its cycle of the momentum.

    >>> [rate_factor("linear", 0.2, progress) for progress in (0.0, 0.1, 0.2, 0.6, 1.0)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    >>> [rate_factor("step", 0.0, progress, milestones=[0.5], gamma=0.25) for progress in (0.0, 0.5, 1.0)]
    [1.0, 0.25, 0.25]
    >>> [round(rate_factor("one-cycle", 0.0, progress), 6) for progress in (0.0, 0.3, 1.0)]
    [0.04, 1.0, 4e-06]
    """
    if schedule == "one-cycle":
        return _one_cycle(warmup or CYCLE_RISE, progress)
    if progress < warmup:
        return progress / warmup
    if schedule == "step":
        return float(gamma) ** sum(progress >= milestone for milestone in milestones)
    left = (1 - progress) / (1 - warmup) if warmup < 1 else 0.0
    if schedule == "cosine":
        return (1 - math.cos(math.pi * left)) / 2
    return left if schedule == "linear" else 1.0


def _one_cycle(rise: float, progress: float) -> float:
    first = 1 / CYCLE_START
    if progress < rise:
        begin, end, share = first, 1.0, progress / rise
    else:
        begin, end, share = 1.0, first / CYCLE_END, (progress - rise) / (1 - rise) if rise < 1 else 1.0
    return end + (begin - end) * (1 + math.cos(math.pi * share)) / 2

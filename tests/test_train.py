"""The supervised training loop against torch's own: accumulation, averages of weights, schedules, optimizers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import lr_scheduler
from torch.optim.swa_utils import AveragedModel

from zoo_core.columns import Split
from zoo_core.data.batches import DeviceSplit
from zoo_core.errors import IncompatibleError, RecipeError
from zoo_core.kinds import KINDS
from zoo_core.measure.devices import autocast
from zoo_core.protocols import Context, Step
from zoo_core.recipe import Recipe, as_param, resolve_recipe
from zoo_core.train import WeightAverage, epoch_steps, make_optimizer, rate_factor, supervised_steps
from zoo_core.transfer import Transfer

OPTIMIZERS = {
    "sgd": lambda weights: torch.optim.SGD(weights, lr=0.02, momentum=0.9, fused=True),
    "adam": lambda weights: torch.optim.Adam(weights, lr=0.02, fused=True),
    "adamw": lambda weights: torch.optim.AdamW(weights, lr=0.02, weight_decay=0.0, fused=True),
    "rmsprop": lambda weights: torch.optim.RMSprop(weights, lr=0.02),
    "adagrad": lambda weights: torch.optim.Adagrad(weights, lr=0.02),
    "momentum": lambda weights: torch.optim.SGD(weights, lr=0.02, momentum=0.9, fused=True),
    "nesterov": lambda weights: torch.optim.SGD(weights, lr=0.02, momentum=0.9, nesterov=True, fused=True),
}


def recipe(**values: Any) -> Recipe:
    params = {key: as_param(value) for key, value in {**KINDS["regression"].recipe, "steps": 6}.items()}
    return resolve_recipe(params, None, {"lr": 0.02, "batch_size": 8, **values})


def split(count: int = 96) -> DeviceSplit:
    x = np.random.default_rng(0).normal(size=(count, 3)).astype(np.float32)
    return DeviceSplit(Split({"x": x, "y": np.sin(x.sum(axis=1, keepdims=True))}), "cpu")


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 1))


def loss_and_score(model: nn.Module, batch: Any) -> tuple[Tensor, Tensor]:
    loss = F.mse_loss(model(batch["x"]), batch["y"])
    return loss, -loss


def steps_of(model: nn.Module, data: DeviceSplit, settings: Recipe) -> Iterator[Step]:
    done = 0
    ctx = Context(generator=torch.Generator().manual_seed(1), progress=lambda: done / settings.steps)
    for step in supervised_steps(ctx, model, data, loss_and_score, settings):
        done += 1
        yield step


def trained(settings: Recipe, data: DeviceSplit | None = None, model: nn.Module | None = None) -> nn.Module:
    model = model or net()
    list(steps_of(model, data or split(), settings))
    return model


def weights(model: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_loop_is_torchs_own_to_the_last_bit(name: str) -> None:
    model, data = net(), split()
    optimizer = OPTIMIZERS[name]([*model.parameters()])
    batches = data.shuffled(8, torch.Generator().manual_seed(1))
    for _ in range(6):
        loss, _ = loss_and_score(model, next(batches))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert torch.equal(weights(trained(recipe(optimizer=name))), weights(model))


def test_lbfgs_is_torchs_with_a_line_search_on_each_batch() -> None:
    model, data = net(), split()
    optimizer = torch.optim.LBFGS([*model.parameters()], lr=0.5, line_search_fn="strong_wolfe")
    batches = data.shuffled(32, torch.Generator().manual_seed(1))
    first = []
    for _ in range(6):
        batch = next(batches)

        def closure(batch: Any = batch) -> Tensor:
            optimizer.zero_grad()
            loss, _ = loss_and_score(model, batch)
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        first.append(loss_and_score(model, batch)[0].item())
        optimizer.step(closure)  # type: ignore[no-untyped-call]
    mine, settings = net(), recipe(optimizer="lbfgs", lr=0.5, batch_size=32)
    assert [step.logs["loss"].item() for step in steps_of(mine, data, settings)] == pytest.approx(first)
    assert torch.equal(weights(mine), weights(model))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"optimizer": "lbfgs", "weight_decay": 0.1}, "lbfgs has no weight decay: set weight_decay=0, not 0.1"),
        ({"optimizer": "nesterov", "momentum": 0.0}, "nesterov with momentum=0 is plain sgd"),
    ],
)
def test_settings_that_an_optimizer_would_ignore_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        trained(recipe(**settings))


# Accumulation


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_four_batches_of_eight_train_like_one_of_thirty_two(name: str) -> None:
    large = trained(recipe(optimizer=name, batch_size=32, clip_norm=0.5))
    small = trained(recipe(optimizer=name, batch_size=8, accumulate=4, clip_norm=0.5))
    torch.testing.assert_close(weights(small), weights(large), rtol=1e-4, atol=1e-6)
    assert not torch.allclose(weights(small), weights(trained(recipe(optimizer=name, batch_size=8))), atol=1e-3)


def test_examples_of_a_smaller_batch_count_as_much_as_others() -> None:
    data = split(10)  # batches of 4, 4 and 2
    whole = trained(recipe(batch_size=10), data)
    torch.testing.assert_close(weights(trained(recipe(batch_size=4, accumulate=3), data)), weights(whole))


def test_a_step_ends_with_the_epoch_and_counts_its_examples() -> None:
    data, settings = split(20), recipe(batch_size=4, accumulate=3)  # five batches an epoch
    assert epoch_steps(data, settings) == 2
    assert [step.n for step in steps_of(net(), data, settings)] == [12, 8, 12, 8, 12, 8]
    assert epoch_steps(data, recipe(batch_size=4)) == 5
    assert epoch_steps(data, recipe(batch_size=4, accumulate=99)) == 1


def test_the_logs_of_a_step_are_means_over_its_examples() -> None:
    data, settings = split(10), recipe(batch_size=4, accumulate=3)
    whole = {"x": data.first(10)["x"], "y": data.first(10)["y"]}
    expected = float(loss_and_score(net(), whole)[0].detach())
    logs = next(steps_of(net(), data, settings)).logs
    assert float(logs["loss"]) == pytest.approx(expected, rel=1e-6)
    assert float(logs["score"]) == pytest.approx(-expected, rel=1e-6)
    assert not logs["loss"].requires_grad


def test_accumulation_under_autocast_uses_the_current_weights() -> None:
    found = []
    for settings in (recipe(batch_size=32), recipe(batch_size=8, accumulate=4)):
        model, steps = net(), None
        steps = steps_of(model, split(), settings)
        for _ in range(settings.steps):
            with autocast("cpu", "bfloat16"):
                next(steps)
        found.append(weights(model))
    torch.testing.assert_close(*found, rtol=0.02, atol=2e-3)
    assert (found[0] - weights(net())).abs().max() > 0.01


# The average of the weights


def test_the_average_follows_its_recursion_and_leaves_the_training_as_it_was() -> None:
    model, settings = net(), recipe(ema=0.5)
    expected = weights(model)
    for number, step in enumerate(steps_of(model, split(), settings)):
        decay = min(0.5, (1 + number) / (10 + number))
        expected = decay * expected + (1 - decay) * weights(model)
        assert step.eval_model is not None
        torch.testing.assert_close(weights(step.eval_model), expected)
    assert torch.equal(weights(model), weights(trained(recipe())))


def test_the_average_is_torchs_averaged_model_with_running_statistics() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))

    def average_of(kept: Tensor, now: Tensor, count: Any) -> Tensor:
        decay = min(0.7, float(count) / (9 + float(count)))  # torch's first update, number 0, copies the initial model
        return decay * kept + (1 - decay) * now if kept.is_floating_point() else now

    average, reference = WeightAverage(model, decay=0.7), AveragedModel(model, avg_fn=average_of, use_buffers=True)
    reference.update_parameters(model)
    for _ in range(30):
        with torch.no_grad():
            model(torch.randn(8, 3))
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
        average.update()
        reference.update_parameters(model)
    expected = reference.module.state_dict()
    for name, value in average.model.state_dict().items():
        torch.testing.assert_close(value, expected[name], msg=name)


def test_frozen_parts_are_shared_with_the_model() -> None:
    model = Transfer(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), nn.Linear(4, 1))
    average = WeightAverage(model, decay=0.9).model
    assert average.backbone is model.backbone
    assert average.head is not model.head


def test_a_model_that_cannot_be_copied_has_no_average_and_the_message_says_so() -> None:
    model = net()
    model.last = model(torch.ones(4, 3))  # an output with its history
    with pytest.raises(IncompatibleError, match="`ema` averages a copy of the model, which cannot be copied: Only Ten"):
        WeightAverage(model, decay=0.9)


def test_the_average_of_a_compiled_model_is_compiled() -> None:
    model = net()
    average = WeightAverage(torch.compile(model), decay=0.9)  # type: ignore[arg-type]
    assert average.model._orig_mod is not model
    with torch.no_grad():
        model[0].weight.add_(1.0)  # type: ignore[operator, union-attr, index]
    average.update()
    expected = weights(net())
    expected[:48] += 0.9
    torch.testing.assert_close(weights(average.model._orig_mod), expected)  # type: ignore[arg-type]


# Schedules


def rates(scheduler: Any, optimizer: torch.optim.Optimizer, count: int) -> list[float]:
    """The learning rates of `count` steps with one of torch's schedulers."""
    found = []
    for _ in range(count):
        found.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return found


def test_step_is_torchs_multi_step_lr() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    expected = rates(lr_scheduler.MultiStepLR(optimizer, [3, 7, 9], gamma=0.3), optimizer, 10)
    found = [rate_factor("step", 0.0, k / 10, milestones=[0.3, 0.7, 0.9], gamma=0.3) for k in range(10)]
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("rise", [0.0, 0.1, 0.5])
def test_one_cycle_is_torchs_one_cycle_lr(rise: float) -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    count = 4001
    options = {"pct_start": rise} if rise else {}  # 0 is torch's default, 0.3
    scheduler = lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=count, cycle_momentum=False, **options)  # type: ignore[arg-type]
    expected = rates(scheduler, optimizer, count - 1)
    found = [rate_factor("one-cycle", rise, k / (count - 1)) for k in range(count - 1)]
    assert found == pytest.approx(expected, abs=2e-3)  # torch's peak is up to one step earlier
    assert rate_factor("one-cycle", rise, 1.0) == pytest.approx(1 / 25 / 1e4)
    assert rate_factor("one-cycle", 1.0, 1.0) == pytest.approx(1 / 25 / 1e4)


@pytest.mark.parametrize("schedule", ["step", "one-cycle"])
def test_the_schedule_sets_the_rate_of_every_step(schedule: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []

    def recorded(*arguments: Any) -> torch.optim.Optimizer:
        optimizer = make_optimizer(*arguments)
        optimizer.register_step_pre_hook(lambda o, *_: seen.append(o.param_groups[0]["lr"]))
        return optimizer

    monkeypatch.setattr("zoo_core.train.make_optimizer", recorded)
    drops: Any = {"milestones": [0.5], "gamma": 0.2} if schedule == "step" else {}
    trained(recipe(schedule=schedule, **drops))
    expected = [0.02 * rate_factor(schedule, 0.0, k / 6, **drops) for k in range(6)]
    assert seen == pytest.approx(expected)
    assert len(set(seen)) > 1


class Doubled(nn.Module):
    """A model without parameters."""

    def forward(self, x: Tensor) -> Tensor:
        return 2 * x[:, :1]


def test_a_model_without_parameters_takes_its_steps_and_logs_its_loss() -> None:
    data, settings = split(), recipe(batch_size=40)
    taken = list(steps_of(Doubled(), data, settings))
    assert [step.n for step in taken] == [40, 40, 16, 40, 40, 16]
    whole = data.first(len(data))
    expected = F.mse_loss(2 * whole["x"][:, :1], whole["y"]).item()
    of_epoch = sum(step.n * step.logs["loss"].item() for step in taken[:3]) / len(data)
    assert of_epoch == pytest.approx(expected, rel=1e-5)


def test_a_model_whose_weights_are_all_frozen_is_still_refused() -> None:
    with pytest.raises(ValueError, match="empty parameter list"):
        list(steps_of(net().requires_grad_(False), split(), recipe()))

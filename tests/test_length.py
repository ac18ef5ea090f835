"""The length of a trial, and the steps at which it evaluates val."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo_core.errors import PluginError, RecipeError
from zoo_core.protocols import Step
from zoo_core.recipe import RUNNER_PARAMS, Recipe, resolve_recipe
from zoo_core.runner.length import Length, resolve_length

MANY = settings(max_examples=30, deadline=None)


def recipe(**changes: Any) -> Recipe:
    return resolve_recipe(RUNNER_PARAMS, {}, changes)


def length(epoch_steps: int | None = 100, budget_s: float | None = None, **changes: Any) -> Length:
    return resolve_length(recipe(**changes), epoch_steps, budget_s)


def looks(epoch_steps: int | None, **changes: Any) -> list[int]:
    """The steps at which the runner's own loop looks at val, for a task that takes the requested number of steps."""
    from zoo_core.runner import events
    from zoo_core.runner.training import Training

    keys = recipe(holdout=False, **changes)
    resolved = resolve_length(keys, epoch_steps, None)
    clock: Any = SimpleNamespace(label="train", train_s=0.0, spent_s=0.0)
    clock.start = clock.stop = lambda: None
    clock.relabel, clock.seconds = (lambda name: None), (lambda name: 0.0)
    points: list[int] = []

    def send(event: events.Event) -> None:
        if isinstance(event, events.Evaluated):
            points.append(event.point.step)

    model: Any = None
    spec: Any = SimpleNamespace(target=None, metric="m", higher_is_better=True)
    evaluate: Any = None
    training = Training(
        spec=spec,
        recipe=keys,
        length=resolved,
        budget_s=None,
        clock=clock,
        model=model,
        evaluate=evaluate,
        send=send,
    )
    steps: Iterator[Step] = (Step(1) for _ in range(resolved.total))
    training.run(steps)
    return points


def test_steps_are_taken_as_they_are():
    assert length(steps=300).total == 300


def test_steps_go_before_epochs():
    assert length(steps=300, epochs=10.0).total == 300


@pytest.mark.parametrize(("epochs", "total"), [(1.0, 100), (3.0, 300), (0.5, 50), (0.25, 25), (2.5, 250), (0.001, 1)])
def test_epochs_and_parts_of_one_are_turned_into_steps(epochs: float, total: int):
    assert length(epochs=epochs).total == total


@MANY
@given(st.floats(1e-9, 1000), st.integers(1, 10_000))
def test_epochs_are_rounded_to_the_nearest_step_and_never_to_none(epochs: float, epoch_steps: int):
    total = length(epoch_steps, epochs=epochs).total
    assert total == 1 or abs(total - epochs * epoch_steps) <= 0.5


def test_a_time_budget_goes_before_both():
    for changes in ({"steps": 300}, {"epochs": 3.0}, {}):
        assert length(budget_s=60.0, **changes).total == sys.maxsize


def test_a_task_without_epochs_takes_the_steps():
    found = length(None, steps=500, epochs=3.0)
    assert (found.total, found.epoch_steps, found.epoch(250)) == (500, None, None)


def test_a_task_without_epochs_and_without_steps_is_refused():
    with pytest.raises(RecipeError, match="`steps` is 0 and the task has no epochs: set `steps`"):
        length(None, epochs=3.0)


def test_no_epochs_and_no_steps_are_no_length():
    with pytest.raises(RecipeError, match="`epochs` and `steps` are 0"):
        length(epochs=0.0)


@pytest.mark.parametrize("epoch_steps", [0, -3, 2.5, True, "10", float("nan")])
def test_steps_of_an_epoch_are_a_positive_whole_number(epoch_steps: Any):
    with pytest.raises(PluginError, match=r"`epoch_steps` returned .*: return a whole number, 1 or more"):
        length(epoch_steps, epochs=10.0)


def test_a_time_budget_needs_neither_epochs_nor_steps():
    assert length(None, budget_s=60.0).total == sys.maxsize


def test_a_step_is_a_share_of_an_epoch():
    assert length(100).epoch(250) == 2.5


def test_ten_epochs_are_looked_at_once_an_epoch():
    assert looks(100, epochs=10.0) == list(range(100, 1001, 100))


def test_fifteen_epochs_too():
    assert looks(20, epochs=15.0) == list(range(20, 301, 20))


@pytest.mark.parametrize("epoch_steps", [7, 10, 13, 100, 469, 521])
@pytest.mark.parametrize("epochs", range(1, 10))
def test_of_a_few_epochs_every_end_is_among_the_points(epochs: int, epoch_steps: int):
    ends = {epoch_steps * number for number in range(1, epochs + 1)}
    assert ends - set(looks(epoch_steps, epochs=float(epochs))) == set()


def test_three_epochs_are_looked_at_at_every_quarter():
    assert looks(100, epochs=3.0) == list(range(25, 301, 25))


def test_two_hundred_epochs_have_twenty_points():
    assert looks(5, epochs=200.0) == list(range(50, 1001, 50))


def test_three_hundred_steps_of_a_longer_epoch_are_looked_at_every_thirty():
    assert looks(1000, steps=300) == list(range(30, 301, 30))


def test_a_task_without_epochs_is_looked_at_ten_times():
    assert looks(None, steps=500) == list(range(50, 501, 50))


def test_a_trial_shorter_than_ten_steps_is_looked_at_after_each():
    assert looks(1000, steps=4) == [1, 2, 3, 4]
    assert looks(2, epochs=3.0) == [1, 2, 3, 4, 5, 6]


@MANY
@given(st.integers(1, 60), st.floats(0.05, 60.0))
def test_a_trial_of_any_length_has_ten_to_thirty_points_and_the_last_is_its_end(epoch_steps: int, epochs: float):
    points = looks(epoch_steps, epochs=epochs)
    total = length(epoch_steps, epochs=epochs).total
    assert points[-1] == total
    assert min(total, 10) <= len(points) <= 31


@pytest.mark.parametrize(("eval_every", "points"), [(1.0, [100, 200, 300]), (2.0, [200, 300]), (0.5, [50, 100, 150])])
def test_eval_every_of_the_recipe_overrides_the_rule(eval_every: float, points: list[int]):
    assert looks(100, epochs=3.0, eval_every=eval_every)[: len(points)] == points


def test_more_often_than_every_step_is_every_step():
    assert length(100, eval_every=0.001).interval == 1.0


def test_under_a_time_budget_evaluations_follow_its_shares_unless_the_recipe_has_eval_every():
    assert length(budget_s=60.0).interval == float(sys.maxsize)
    assert length(budget_s=60.0, eval_every=0.5).interval == 50

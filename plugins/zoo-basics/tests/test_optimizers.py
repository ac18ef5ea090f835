"""The test functions, the oracle that counts, the optimizers, their tuning and their pictures."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import rosen
from torch import Tensor, nn
from zoo_basics.optimizers.data import Starts, starts
from zoo_basics.optimizers.functions import test_functions as all_functions
from zoo_basics.optimizers.models import gradient
from zoo_basics.optimizers.models.cma_es import CmaEs
from zoo_basics.optimizers.models.sampling import CrossEntropy, RandomSearch
from zoo_basics.optimizers.oracle import BudgetSpentError, Oracle
from zoo_basics.optimizers.pictures import path_sheet
from zoo_basics.optimizers.specs import CHANCES, DATASETS, FUNCTIONS, MODELS, TASK
from zoo_basics.optimizers.task import Minimisation, log10_excess, require_searcher

from zoo_core import Context, IncompatibleError, Recipe, Signature, UnknownSplitError

ONE = Signature(input_shape=(25,), outputs=1, extra={"functions": ["quadratic-100"]})
RATE = {"lowest": 1e-4, "highest": 1.0}
STD = {"lowest": 0.01, "highest": 1.0}
FUNCTION = all_functions()


def oracle(name: str = "quadratic-100", *, runs: int = 3, budget: int = 300, **more: Any) -> tuple[Oracle, Tensor]:
    points = torch.from_numpy(starts(name, "test"))[:runs, : FUNCTION[name].size]
    options = {"gradient_cost": 3, "noise": 0.1, "generator": torch.Generator().manual_seed(0), **more}
    return Oracle(FUNCTION[name].value, points, budget=budget, **options), points


def run(model: Any, name: str = "quadratic-100", *, scale: float, **more: Any) -> Oracle:
    asked, points = oracle(name, **more)
    with contextlib.suppress(BudgetSpentError):
        model(asked, points, scale)
    return asked


# functions


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_has_its_minimum_zero_where_it_says(name: str) -> None:
    function = FUNCTION[name]
    minimum = torch.tensor(function.minimum, dtype=torch.float64).requires_grad_()
    value = function.value(minimum)
    (slope,) = torch.autograd.grad(value, minimum)
    assert value.item() == pytest.approx(0, abs=1e-12)
    assert slope.norm().item() == pytest.approx(0, abs=1e-9)
    around = minimum.detach() + torch.randn(200, function.size, dtype=torch.float64) * 0.5
    assert (function.value(around) > 0).all()


@pytest.mark.parametrize("condition", [1, 100, 10_000])
def test_the_ratio_of_the_curvatures_is_the_condition(condition: int) -> None:
    hessian: Any = torch.autograd.functional.hessian(
        FUNCTION[f"quadratic-{condition}"].value, torch.zeros(2, dtype=torch.float64)
    )
    assert np.linalg.cond(hessian.numpy()) == pytest.approx(condition)
    assert condition == 1 or abs(hessian[0, 1]) > 0.1, "no axis of the valley is a coordinate"


def test_rosenbrock_is_scipys_and_rastrigin_has_a_minimum_near_every_whole_number() -> None:
    points = np.random.default_rng(0).normal(size=(20, 2))
    assert FUNCTION["rosenbrock"].value(torch.from_numpy(points)).numpy() == pytest.approx(rosen(points.T))
    at = FUNCTION["rastrigin"].value(torch.tensor([[1.0, 2.0], [0.5, 0.5]], dtype=torch.float64))
    assert at.tolist() == pytest.approx([5.0, 40.5])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_chance_level_is_that_of_the_starting_points(name: str) -> None:
    points = torch.from_numpy(starts(name, "test"))[:, : FUNCTION[name].size]
    assert log10_excess(FUNCTION[name].value(points)).mean().item() == pytest.approx(CHANCES[name], abs=0.01)


def test_a_data_set_has_the_starting_points_of_its_functions_and_splits_share_none() -> None:
    ctx = Context(dataset=DATASETS[0])
    test, train = (Starts(ctx).load(split) for split in ("test", "train"))
    assert np.array_equal(test["x"][test["function"] == 3], starts("rosenbrock", "test"))
    assert np.bincount(train["function"]).tolist() == [4] * 6
    assert not set(map(tuple, test["x"])) & set(map(tuple, train["x"]))
    with pytest.raises(UnknownSplitError, match="train, val, test"):
        Starts(ctx).load("rest")


# the oracle


def test_values_and_gradients_are_counted_up_to_the_budget() -> None:
    asked, points = oracle(budget=10)
    asked.values(points)
    asked.gradients(points)
    assert asked.spent == 4
    asked.values(points[:, None].repeat(1, 5, 1))
    assert asked.spent == 9
    with pytest.raises(BudgetSpentError):
        asked.gradients(points)
    values = asked.values(points[:, None].repeat(1, 4, 1))
    assert asked.spent == 10
    assert values.isinf().sum(1).tolist() == [3, 3, 3], "only one of four points was answered"
    with pytest.raises(BudgetSpentError):
        asked.values(points)


def test_the_oracles_of_single_runs_share_one_budget_however_often_they_are_asked_for() -> None:
    asked, points = oracle("quadratic-1", budget=9)
    asked.values(points)
    runs = asked.runs()
    with pytest.raises(BudgetSpentError):
        asked.values(points)
    for run in runs:
        run.values(points[:1])
    assert asked.runs()[0].spent == 0
    with pytest.raises(BudgetSpentError):
        asked.runs()[0].values(points[:1])
    asked, points = oracle("quadratic-1", budget=9)
    runs = asked.runs()
    runs[0].values(points[:1])
    asked.join(runs)
    assert asked.spent == 1


def test_gradients_are_right_and_their_noise_has_the_stated_size() -> None:
    asked, points = oracle(runs=12, budget=10**9)
    exact = asked.gradients(points)
    step = torch.tensor([1e-4, 0.0], dtype=torch.float64)  # central differences of a quadratic are exact
    value = FUNCTION["quadratic-100"].value
    assert torch.allclose(exact[:, 0], (value(points + step) - value(points - step)) / 2e-4)
    noise = torch.stack([asked.gradients(points, noisy=True) for _ in range(400)]) - exact
    share = noise.std(dim=(0, 2)) / exact.norm(dim=1)
    assert share.numpy() == pytest.approx(np.full(12, 0.1), rel=0.15)


def test_the_best_value_is_kept_and_nan_is_never_the_best() -> None:
    asked = Oracle(
        lambda x: torch.where(x[..., 0] > 0, torch.nan, x[..., 0]),
        torch.zeros(2, 1, dtype=torch.float64),
        budget=10,
        gradient_cost=1,
        noise=0.0,
        generator=None,
    )
    asked.values(torch.tensor([[-1.0], [-2.0]], dtype=torch.float64))
    asked.values(torch.tensor([[1.0], [-1.0]], dtype=torch.float64))
    asked.values(torch.tensor([[[1.0], [-3.0]], [[1.0], [2.0]]], dtype=torch.float64))
    assert asked.best.tolist() == [-3, -2]
    assert log10_excess(torch.tensor([torch.nan, torch.inf, 0.0, 100.0])).tolist() == [6, 6, -12, 2]


# optimizers


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_every_optimizer_lowers_a_bowl_within_its_budget(model: Any) -> None:
    from zoo_core.entries import resolve_entry

    options = {key: getattr(value, "default", value) for key, value in model.options.items()}
    searcher = resolve_entry(model.entry)(ONE, **options)
    asked = run(searcher, "quadratic-1", scale=0.5, budget=150)
    first = FUNCTION["quadratic-1"].value(torch.from_numpy(starts("quadratic-1", "test"))[:3, :2])
    assert asked.spent <= 150
    assert (asked.best < first / 2).all()


def test_gradient_descent_needs_one_step_where_the_curvature_is_one_over_the_rate() -> None:
    asked = run(gradient.gradient_descent(ONE, **RATE), "quadratic-1", scale=1.0, budget=6)
    assert asked.best.numpy() == pytest.approx(np.zeros(3), abs=1e-25)


def test_gradient_descent_shrinks_the_slow_axis_by_the_known_factor() -> None:
    cos, sin = math.cos(math.pi / 6), math.sin(math.pi / 6)
    start = torch.tensor([[cos, sin]], dtype=torch.float64)  # u = 1, v = 0: only the slow axis
    asked = Oracle(FUNCTION["quadratic-100"].value, start, budget=33, gradient_cost=3, noise=0.0, generator=None)
    with pytest.raises(BudgetSpentError):
        gradient.gradient_descent(ONE, **RATE)(asked, start, 0.01)
    assert asked.best.item() == pytest.approx(0.5 * (1 - 0.01) ** 20, rel=1e-9)  # ten steps, squared


def test_the_optimizers_of_torch_are_the_ones_that_their_names_say() -> None:
    point = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    made = {
        "momentum": gradient.momentum(ONE, **RATE, momentum=0.9),
        "nesterov": gradient.nesterov(ONE, **RATE, momentum=0.9),
        "adagrad": gradient.adagrad(ONE, **RATE),
        "rmsprop": gradient.rmsprop(ONE, **RATE),
        "adam": gradient.adam(ONE, **RATE),
        "adamw": gradient.adamw(ONE, **RATE),
    }
    optimizers = {name: model._make(point, 0.1) for name, model in made.items()}
    kinds = {name: type(optimizer).__name__ for name, optimizer in optimizers.items()}
    assert kinds == {
        "momentum": "SGD",
        "nesterov": "SGD",
        "adagrad": "Adagrad",
        "rmsprop": "RMSprop",
        "adam": "Adam",
        "adamw": "AdamW",
    }
    assert optimizers["nesterov"].param_groups[0]["nesterov"]
    assert not optimizers["momentum"].param_groups[0]["nesterov"]


def test_momentum_beats_descent_in_a_valley_and_curvature_beats_both() -> None:
    descent = run(gradient.gradient_descent(ONE, **RATE), scale=0.018)
    heavy = run(gradient.momentum(ONE, **RATE, momentum=0.8), scale=0.018)
    curved = run(gradient.Lbfgs(ONE, **RATE, history=10), scale=1.0)
    assert (heavy.best < descent.best / 10).all()
    assert (curved.best < 1e-12).all()


def test_sampling_finds_the_deepest_of_many_minima_more_often_than_descent() -> None:
    wide = run(CmaEs(ONE, **STD), "rastrigin", scale=1.0, runs=12, budget=600)
    descent = run(gradient.gradient_descent(ONE, **RATE), "rastrigin", scale=0.003, runs=12, budget=600)
    assert wide.best.median() < descent.best.median()


@pytest.mark.parametrize("make", [RandomSearch, CmaEs])
def test_a_search_draws_from_the_trials_generator_alone(make: Any) -> None:
    one, same = (run(make(ONE, **STD), scale=0.5, budget=60).best for _ in range(2))
    other = run(make(ONE, **STD), scale=0.5, budget=60, generator=torch.Generator().manual_seed(1)).best
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_an_elite_larger_than_the_population_is_the_whole_population() -> None:
    asked = run(CrossEntropy(ONE, **STD, population=4, elite=9), scale=0.5, budget=40)
    assert asked.spent == 40


# the task


def test_a_model_of_another_form_is_refused_with_what_it_lacks() -> None:
    with pytest.raises(IncompatibleError, match="no buffer `scales` of shape"):
        require_searcher(nn.Linear(1, 1), 6)
    model = RandomSearch(ONE, **STD)
    with pytest.raises(IncompatibleError, match=r"\(6,\)"):
        require_searcher(model, 6)
    model.lowest = -1.0
    with pytest.raises(IncompatibleError, match="two positive numbers"):
        require_searcher(model, 1)


class Data:
    """A data set of one function, as a task gets it."""

    signature = ONE

    def split(self, name: str, *, holdout: bool = True) -> Any:
        from zoo_core.columns import Split

        return Split(
            {"x": starts("quadratic-100", name), "function": np.zeros(len(starts("quadratic-100", name)), int)}
        )


def test_the_rate_with_the_lowest_mean_on_train_is_kept() -> None:
    task: Any = Minimisation(TASK)
    recipe = Recipe({"steps": 5, "holdout": False, "evaluations": 90, "gradient_cost": 3, "noise": 0.0})
    task.prepare(Context(), Data(), recipe)
    model = gradient.gradient_descent(ONE, **RATE)
    steps = list(task.train(Context(), model, recipe))
    losses = [step.logs["loss"].item() for step in steps]
    assert model.scales.tolist() == pytest.approx([0.01]), "0.1 and 1 are beyond 2 / 100 and diverge"
    assert steps[-1].logs["score"].item() == min(losses) == losses[2]
    evaluation = task.evaluate(Context(), model, "test")
    assert evaluation.scores["log10_excess"] == pytest.approx(evaluation.per_example["score"].mean())
    assert evaluation.tables["by function"].rows[0][3:] == [pytest.approx(0.01), 90]


def test_paths_are_drawn_on_maps_of_the_plane() -> None:
    path = np.random.default_rng(0).normal(size=(7, 2, 2))
    path[-1] = np.nan
    drawn = path_sheet([(name, FUNCTION[name], path) for name in ("rosenbrock", "rastrigin")])
    assert set(drawn) == {"thumbnail", "paths"}
    assert drawn["paths"].shape[1] == 2 * drawn["thumbnail"].shape[1] + 8
    assert path_sheet([]) == {}


def test_trials_tune_score_and_draw(zoo: Callable[..., Any], tmp_path: Path) -> None:
    models = [word for name in ("gd", "lbfgs") for word in ("--model", name)]
    done = zoo("bench", "optimizers", *models, "-d", "rosenbrock", "--preset", "quick", "--device", "cpu", "--json")
    assert done.code == 0, done.err
    records = {record["model"]["name"].partition(":")[2]: record for record in json.loads(done.out)}
    scores = {name: record["measured"]["scores"]["log10_excess"] for name, record in records.items()}
    assert scores["lbfgs"] < scores["gd"] < CHANCES["rosenbrock"]
    assert set(records["gd"]["measured"]["pictures"]) == {"thumbnail", "paths"}
    (row,) = records["gd"]["measured"]["tables"]["by function"]["rows"]
    assert row[0] == "rosenbrock"

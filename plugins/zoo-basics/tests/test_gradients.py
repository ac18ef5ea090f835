"""The composed functions, their reference gradients, and the methods that differentiate them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from zoo_basics.gradients.chains import ELEMENTARY, Chain
from zoo_basics.gradients.data import CASES, FUNCTIONS, ComposedFunctions, exact_gradient, point_of
from zoo_basics.gradients.methods import Autograd, ByHand, ComplexStep, FiniteDifferences
from zoo_basics.gradients.specs import TASK
from zoo_basics.gradients.task import Gradients

from zoo_core import Context, Recipe, Signature, UnknownSplitError, ZooError
from zoo_core.columns import Split

SIGNATURE = Signature(input_shape=(None,))
METHODS = {
    "autograd": (Autograd(SIGNATURE), 1e-12),
    "by-hand": (ByHand(SIGNATURE), 1e-12),
    "complex-step": (ComplexStep(SIGNATURE, 1e-100), 1e-12),
    "finite-differences": (FiniteDifferences(SIGNATURE, 6e-6), 1e-7),
}

# d/dx by the chain rule, on paper.
CLOSED_FORMS: dict[str, Callable[[float], float]] = {
    "x^2 at 11": lambda x: 2 * x,
    "1/x at 4": lambda x: -1 / x**2,
    "sqrt(x) at 9": lambda x: 1 / (2 * math.sqrt(x)),
    "log(x) at 0.5": lambda x: 1 / x,
    "sin(x^2) at 3": lambda x: 2 * x * math.cos(x * x),
    "exp(sin(x)) at 2": lambda x: math.exp(math.sin(x)) * math.cos(x),
    "log(1 + exp(sin(x^2))) at 1.5": lambda x: 2 * x * math.cos(x * x) / (1 + math.exp(-math.sin(x * x))),
    "1/(1 + exp(-x)) at -30": lambda x: math.exp(-x) / (1 + math.exp(-x)) ** 2,
    "tanh(exp(x)) at 1": lambda x: math.exp(x) / math.cosh(math.exp(x)) ** 2,
    "sqrt(exp(x)) at 20": lambda x: math.exp(x / 2) / 2,
}


@pytest.fixture(scope="module")
def test() -> dict[str, Any]:
    return ComposedFunctions(Context()).load("test")


def test_the_derivative_of_x_squared_at_11_is_22(test: dict[str, Any]) -> None:
    assert test["y"][0].tolist() == [22, 242, 22]  # of (w x + b)^2 with respect to x, w and b


@pytest.mark.parametrize("name", CLOSED_FORMS)
def test_the_reference_is_the_closed_form(name: str, test: dict[str, Any]) -> None:
    row = next(number for number, case in enumerate(CASES) if case.name == name)
    x = CASES[row].x[0]
    assert test["x"][row][0] == x
    assert test["y"][row][0] == pytest.approx(CLOSED_FORMS[name](x), rel=1e-14)


@pytest.mark.parametrize("method", METHODS)
def test_a_method_is_as_exact_as_it_can_be_on_every_function(method: str, test: dict[str, Any]) -> None:
    model, bound = METHODS[method]
    for row, case in enumerate(CASES):
        theta, exact = torch.from_numpy(test["x"][row]), test["y"][row]
        error = np.abs(model(case.chain, theta).numpy() - exact).max() / np.abs(exact).max()
        assert error <= bound, case.name


def test_differences_lose_half_of_the_digits_and_a_step_too_small_loses_more(test: dict[str, Any]) -> None:
    chain, theta, exact = CASES[4].chain, torch.from_numpy(test["x"][4]), test["y"][4]
    good, tiny = (FiniteDifferences(SIGNATURE, step)(chain, theta).numpy() - exact for step in (6e-6, 1e-13))
    assert 1e-13 < np.abs(good).max() < np.abs(tiny).max()


def test_functions_of_torch_and_of_the_reference_agree_and_have_their_derivatives() -> None:
    assert list(ELEMENTARY) == list(FUNCTIONS)
    z = torch.tensor([0.3, 1.7], dtype=torch.float64, requires_grad=True)
    for name, (function, derivative) in ELEMENTARY.items():
        values = function(z)
        assert values.tolist() == pytest.approx([float(FUNCTIONS[name](number)) for number in (0.3, 1.7)], rel=1e-14)
        (slopes,) = torch.autograd.grad(values.sum(), z)
        assert derivative(z.detach()).tolist() == pytest.approx(slopes.tolist(), rel=1e-13), name


def test_the_parts_of_a_net_join_to_the_same_point() -> None:
    chain = Chain((2, 3, 1), ("tanh", "identity"))
    theta = torch.arange(15, dtype=torch.float64)
    assert chain.size == 15
    x, layers = chain.parts(theta)
    assert [tuple(layer.weight.shape) for layer in layers] == [(3, 2), (1, 3)]
    assert torch.equal(chain.joined(x, [(layer.weight, layer.bias) for layer in layers]), theta)
    hidden = np.tanh(np.array([[2, 3], [4, 5], [6, 7]]) @ [0, 1] + [8, 9, 10])
    assert chain(theta).item() == pytest.approx(np.array([11, 12, 13]) @ hidden + 14)


def test_points_of_test_are_no_points_of_train_and_there_are_three_splits(test: dict[str, Any]) -> None:
    assert all(
        not np.array_equal(point_of(case, split), test["x"][row])
        for split in ("train", "val")
        for row, case in enumerate(CASES)
    )
    with pytest.raises(UnknownSplitError, match="test, val, train"):
        ComposedFunctions(Context()).load("rest")


def test_fifty_digits_leave_no_error_of_differences() -> None:
    case = CASES[7]  # far out, where the slope is 1e-13
    assert exact_gradient(case.chain, point_of(case, "test"))[0] == pytest.approx(math.exp(-30), rel=1e-12)


class Wrong(nn.Module):
    """Returns its answer, whatever the function."""

    def __init__(self, answer: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self._answer = answer

    def forward(self, chain: Chain, theta: Tensor) -> Any:
        return self._answer(theta)


class Data:
    signature = SIGNATURE

    def split(self, name: str, *, holdout: bool = True) -> Split:
        return Split(ComposedFunctions(Context()).load("test"), rows=np.array([0, 4]))


def scored(model: nn.Module) -> Any:
    task: Any = Gradients(TASK)
    task.prepare(Context(), Data(), Recipe({"holdout": False, "repeats": 1}))
    return task.evaluate(Context(), model, "test")


def test_the_gradient_zero_has_the_relative_error_one() -> None:
    evaluation = scored(Wrong(torch.zeros_like))
    assert evaluation.scores["max_relative_error"] == 1
    assert [row[:2] for row in evaluation.tables["by function"].rows] == [["x^2 at 11", 3], ["sin(x^2) at 3", 5]]
    assert evaluation.scores["us_per_gradient"] > 0


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda theta: theta[:1], "zoo-basics/gradient wants"),
        (lambda theta: None, "returned None"),
        (lambda theta: theta * torch.nan, "not finite"),
    ],
)
def test_what_is_no_gradient_is_refused(answer: Callable[[Tensor], Any], words: str) -> None:
    with pytest.raises(ZooError, match=words):
        scored(Wrong(answer))


def test_trials_reach_the_target_that_differences_miss(zoo: Callable[..., Any]) -> None:
    models = ("-m", "autograd", "-m", "finite-differences")
    done = zoo("bench", "autograd", *models, "--preset", "quick", "--device", "cpu", "--json")
    assert done.code == 0, done.err
    exact, differences = (record["measured"]["scores"]["max_relative_error"] for record in json.loads(done.out))
    assert exact <= 1e-12 < 1e-11 < differences < 1e-6

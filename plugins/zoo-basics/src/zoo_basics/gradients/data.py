"""The functions of the lesson, with points and reference gradients.

Columns: x ragged float64 (n; entries of theta), the points; y of the same form, the gradients; function int64 (n,), the
number of the function in CASES. Each split has points of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np

from zoo_basics.gradients.chains import Chain
from zoo_core import Context, Signature, UnknownSplitError
from zoo_core.data.columns import Array, Ragged

DIGITS = 50  # with which the reference is computed
STEP_DIGITS = 20  # the step of its differences is 1e-20, so that their error is about 1e-40
SEEDS = {"test": 2, "val": 1, "train": 3}
FACTORS = {"test": 1.0, "val": 1.1, "train": 1.2}  # of given inputs


@dataclass(frozen=True, slots=True)
class CaseOfFunction:
    """A function, and where it is differentiated.

    x: inputs; empty for drawn inputs and weights. A given x has weights of 1 and biases of 0.
    """

    name: str
    chain: Chain
    x: tuple[float, ...] = ()


def _chain(*functions: str) -> Chain:
    return Chain((1,) * (len(functions) + 1), functions)


CASES = (
    CaseOfFunction("x^2 at 11", _chain("square"), (11.0,)),
    CaseOfFunction("1/x at 4", _chain("reciprocal"), (4.0,)),
    CaseOfFunction("sqrt(x) at 9", _chain("root"), (9.0,)),
    CaseOfFunction("log(x) at 0.5", _chain("log"), (0.5,)),
    CaseOfFunction("sin(x^2) at 3", _chain("square", "sin"), (3.0,)),
    CaseOfFunction("exp(sin(x)) at 2", _chain("sin", "exp"), (2.0,)),
    CaseOfFunction("log(1 + exp(sin(x^2))) at 1.5", _chain("square", "sin", "softplus"), (1.5,)),
    CaseOfFunction("1/(1 + exp(-x)) at -30", _chain("logistic"), (-30.0,)),
    CaseOfFunction("tanh(exp(x)) at 1", _chain("exp", "tanh"), (1.0,)),
    CaseOfFunction("sqrt(exp(x)) at 20", _chain("exp", "root"), (20.0,)),
    CaseOfFunction("sin of sin, eight times, at 1", _chain(*["sin"] * 8), (1.0,)),
    CaseOfFunction("net 3-4-1, logistic", Chain((3, 4, 1), ("logistic", "logistic"))),
    CaseOfFunction("net 4-8-8-1, tanh", Chain((4, 8, 8, 1), ("tanh", "tanh", "identity"))),
    CaseOfFunction("squared error of a net 8-16-1", Chain((8, 16, 1), ("softplus", "square"))),
)

FUNCTIONS: dict[str, Any] = {  # as in `chains`, for mpmath's numbers
    "identity": lambda z: z,
    "square": lambda z: z * z,
    "reciprocal": lambda z: 1 / z,
    "root": mpmath.sqrt,
    "exp": mpmath.exp,
    "log": mpmath.log,
    "sin": mpmath.sin,
    "tanh": mpmath.tanh,
    "logistic": lambda z: 1 / (1 + mpmath.exp(-z)),
    "softplus": lambda z: mpmath.log(1 + mpmath.exp(z)),
}


class ComposedFunctions:
    """Points and gradients of CASES, with 50 digits rounded to float64."""

    signature = Signature(input_shape=(None,))

    def __init__(self, ctx: Context) -> None:
        pass

    def load(self, split: str) -> dict[str, Array | Ragged]:
        if split not in SEEDS:
            raise UnknownSplitError(f"the functions have no split {split!r}, only {', '.join(SEEDS)}")
        points = [point_of(case, split) for case in CASES]
        gradients = [exact_gradient(case.chain, point) for case, point in zip(CASES, points, strict=True)]
        offsets = np.cumsum([0, *map(len, points)])
        return {
            "x": Ragged(np.concatenate(points), offsets),
            "y": Ragged(np.concatenate(gradients), offsets),
            "function": np.arange(len(CASES)),
        }


def point_of(case: CaseOfFunction, split: str) -> Array:
    """Return theta, float64 (size,): a given input with weights of 1 and biases of 0, or drawn numbers."""
    if not case.x:
        rng = np.random.default_rng([SEEDS[split], case.chain.size])
        return rng.standard_normal(case.chain.size)
    return np.concatenate([FACTORS[split] * np.array(case.x), np.tile([1.0, 0.0], len(case.chain.functions))])


def exact_gradient(chain: Chain, theta: Array) -> Array:
    """Return the gradient, computed with 50 digits by central differences of mpmath's functions."""
    with mpmath.workdps(DIGITS):
        step = mpmath.mpf(10) ** -STEP_DIGITS
        numbers = [mpmath.mpf(float(number)) for number in theta]
        partials = []
        for place, number in enumerate(numbers):
            above, below = (
                _value(chain, [*numbers[:place], shifted, *numbers[place + 1 :]])
                for shifted in (number + step, number - step)
            )
            partials.append(float((above - below) / (2 * step)))
    return np.array(partials)


def _value(chain: Chain, theta: list[Any]) -> Any:
    a, place = theta[: chain.sizes[0]], chain.sizes[0]
    for before, after, function in zip(chain.sizes, chain.sizes[1:], chain.functions, strict=False):
        rows = [theta[place + row * before : place + (row + 1) * before] for row in range(after)]
        biases = theta[place + before * after : place + before * after + after]
        sums = [mpmath.fdot(row, a) + bias for row, bias in zip(rows, biases, strict=True)]
        a, place = [FUNCTIONS[function](z) for z in sums], place + before * after + after
    return a[0]

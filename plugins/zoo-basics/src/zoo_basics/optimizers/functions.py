"""The test functions, as torch functions of many points at once. Each has its minimum 0.

A function maps points float64 (..., size) to values (...).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from zoo_basics.optimizers.specs import FUNCTIONS, MAX_SIZE

ANGLE = math.pi / 6  # of the quadratics' axes: a coordinate alone tells nothing about the valley
HIDDEN, EXAMPLES = 6, 32  # of the small net: 2 x 6 + 6 + 6 + 1 = 25 weights
NET_SEED = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class TestFunction:
    """A function with its minimum 0 at `minimum`.

    size: coordinates of a point. low, high: the box of the starting points, for each coordinate.
    """

    value: Callable[[Tensor], Tensor]
    size: int
    low: tuple[float, ...]
    high: tuple[float, ...]
    minimum: tuple[float, ...]


def quadratic(condition: float) -> TestFunction:
    """Return (u^2 + condition v^2) / 2, where (u, v) is the point turned by 30 degrees; its condition is the ratio of
    the largest to the smallest curvature."""
    cos, sin = math.cos(ANGLE), math.sin(ANGLE)

    def value(x: Tensor) -> Tensor:
        u, v = cos * x[..., 0] + sin * x[..., 1], cos * x[..., 1] - sin * x[..., 0]
        return (u * u + condition * v * v) / 2

    return TestFunction(value=value, size=2, low=(-2.0, -2.0), high=(2.0, 2.0), minimum=(0.0, 0.0))


def _rosenbrock(x: Tensor) -> Tensor:
    """Return (1 - a)^2 + 100 (b - a^2)^2 (Rosenbrock 1960)."""
    a, b = x[..., 0], x[..., 1]
    return (1 - a) ** 2 + 100 * (b - a * a) ** 2


def _rastrigin(x: Tensor) -> Tensor:
    """Return the sum of c^2 - 10 cos(2 pi c) + 10 over both coordinates (Rastrigin 1974)."""
    return (x * x - 10 * torch.cos(2 * math.pi * x) + 10).sum(-1)


def _net(weights: Tensor, inputs: Tensor) -> Tensor:
    """Return the outputs (..., examples) of nets 2-6-1 with tanh for inputs (examples, 2); weights (..., 25)."""
    first = weights[..., : 2 * HIDDEN].reshape(*weights.shape[:-1], 2, HIDDEN)
    bias, second = weights[..., 2 * HIDDEN : 3 * HIDDEN], weights[..., 3 * HIDDEN : 4 * HIDDEN]
    hidden = torch.tanh(inputs @ first + bias.unsqueeze(-2))  # (..., examples, hidden)
    return (hidden @ second.unsqueeze(-1)).squeeze(-1) + weights[..., 4 * HIDDEN :]


def small_net() -> TestFunction:
    """Return the mean squared error of a net whose targets are those of a net with drawn weights: so 0 is reached."""
    generator = torch.Generator().manual_seed(NET_SEED)
    inputs = torch.randn(EXAMPLES, 2, generator=generator, dtype=torch.float64)
    teacher = torch.randn(MAX_SIZE, generator=generator, dtype=torch.float64)
    targets = _net(teacher, inputs)

    held: dict[torch.device, tuple[Tensor, Tensor]] = {}  # copied once to each device: each copy would wait for it

    def value(x: Tensor) -> Tensor:
        if x.device not in held:
            held[x.device] = inputs.to(x.device), targets.to(x.device)
        here, wanted = held[x.device]
        return (_net(x, here) - wanted).square().mean(-1)

    return TestFunction(
        value=value,
        size=MAX_SIZE,
        low=(-1.0,) * MAX_SIZE,
        high=(1.0,) * MAX_SIZE,
        minimum=tuple(teacher.tolist()),
    )


def test_functions() -> dict[str, TestFunction]:
    """Return all test functions by name, in the order of the specs."""
    found = {
        "quadratic-1": quadratic(1.0),
        "quadratic-100": quadratic(100.0),
        "quadratic-10000": quadratic(10_000.0),
        "rosenbrock": TestFunction(value=_rosenbrock, size=2, low=(-2.0, -1.0), high=(2.0, 3.0), minimum=(1.0, 1.0)),
        "rastrigin": TestFunction(value=_rastrigin, size=2, low=(-4.0, -4.0), high=(4.0, 4.0), minimum=(0.0, 0.0)),
        "small-net": small_net(),
    }
    return {name: found[name] for name in FUNCTIONS}

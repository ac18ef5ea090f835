"""Functions composed of layers: affine maps, each followed by one function of every entry. Float64 throughout.

So every function of the lesson is a small net: x^2 is the layer square(1 x + 0), and sin(x^2) two layers. The gradient
is that of the output with respect to the input x and to every weight and bias.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


def _logistic(z: Tensor) -> Tensor:
    return 1 / (1 + torch.exp(-z))


def _softplus(z: Tensor) -> Tensor:
    return torch.log(1 + torch.exp(z))


# The functions of an entry, which take real and complex numbers, and their derivatives.
ELEMENTARY: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "identity": (lambda z: z, torch.ones_like),
    "square": (lambda z: z * z, lambda z: 2 * z),
    "reciprocal": (lambda z: 1 / z, lambda z: -1 / (z * z)),
    "root": (torch.sqrt, lambda z: 1 / (2 * torch.sqrt(z))),
    "exp": (torch.exp, torch.exp),
    "log": (torch.log, lambda z: 1 / z),
    "sin": (torch.sin, torch.cos),
    "tanh": (torch.tanh, lambda z: 1 - torch.tanh(z) ** 2),
    "logistic": (_logistic, lambda z: _logistic(z) * (1 - _logistic(z))),
    "softplus": (_softplus, _logistic),
}


@dataclass(frozen=True, slots=True)
class Layer:
    """a' = function(weight a + bias): weight (outputs, inputs), bias (outputs,), both float64 or complex128."""

    weight: Tensor
    bias: Tensor
    function: str


@dataclass(frozen=True, slots=True)
class Chain:
    """A function of numbers: calling it with `theta` (size,) returns a scalar.

    theta: the input, then the weight, row by row, and the bias of each layer. sizes: entries before the first layer and
    after each one; the last is 1. functions: that of each layer.
    """

    sizes: tuple[int, ...]
    functions: tuple[str, ...]

    @property
    def size(self) -> int:
        """Entries of theta."""
        pairs = zip(self.sizes, self.sizes[1:], strict=False)
        return self.sizes[0] + sum(before * after + after for before, after in pairs)

    def parts(self, theta: Tensor) -> tuple[Tensor, list[Layer]]:
        """Divide theta into the input and the layers."""
        x, place, layers = theta[: self.sizes[0]], self.sizes[0], []
        for before, after, function in zip(self.sizes, self.sizes[1:], self.functions, strict=False):
            weight = theta[place : place + before * after].reshape(after, before)
            bias = theta[place + before * after : place + before * after + after]
            layers.append(Layer(weight, bias, function))
            place += before * after + after
        return x, layers

    def __call__(self, theta: Tensor) -> Tensor:
        a, layers = self.parts(theta)
        for layer in layers:
            a = ELEMENTARY[layer.function][0](layer.weight @ a + layer.bias)
        return a[0]

    def joined(self, x: Tensor, layers: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """Put the parts, such as their gradients, together in the order of theta."""
        return torch.cat([x, *(part.flatten() for layer in layers for part in layer)])

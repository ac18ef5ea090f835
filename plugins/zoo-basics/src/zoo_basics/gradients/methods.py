"""Ways to differentiate, as models without parameters: forward(chain, theta) returns the gradient (size,)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo_basics.gradients.chains import ELEMENTARY, Chain
from zoo_core import Signature


class Autograd(nn.Module):
    """Torch notes the operations and goes through them backwards."""

    def __init__(self, signature: Signature) -> None:
        super().__init__()

    def forward(self, chain: Chain, theta: Tensor) -> Tensor:
        with torch.enable_grad():
            point = theta.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(chain(point), point)
        return gradient


class ByHand(nn.Module):
    """Backpropagation as the lecture writes it, with z = W a + b and a' = f(z) in each layer.

    1. At the output: delta = f'(z). 2. In the layer before: delta = (W^T delta of the next layer) * f'(z).
    3. The gradient of a bias is delta. 4. That of a weight is delta times the entry of a that it multiplies.
    """

    def __init__(self, signature: Signature) -> None:
        super().__init__()

    def forward(self, chain: Chain, theta: Tensor) -> Tensor:
        a, layers = chain.parts(theta)
        inputs, sums = [], []
        for layer in layers:
            inputs.append(a)
            sums.append(layer.weight @ a + layer.bias)
            a = ELEMENTARY[layer.function][0](sums[-1])
        gradients: list[tuple[Tensor, Tensor]] = []
        back = torch.ones_like(a)  # the derivative of the output with respect to a
        for layer, a, z in zip(reversed(layers), reversed(inputs), reversed(sums), strict=True):
            delta = back * ELEMENTARY[layer.function][1](z)  # equations 1 and 2
            gradients.insert(0, (torch.outer(delta, a), delta))  # equations 4 and 3
            back = layer.weight.T @ delta
        return chain.joined(back, gradients)


class FiniteDifferences(nn.Module):
    """Central differences (f(x + h) - f(x - h)) / 2h, whose error is of the order of h^2, and of rounding over h."""

    def __init__(self, signature: Signature, step: float) -> None:
        super().__init__()
        self.step = step

    def forward(self, chain: Chain, theta: Tensor) -> Tensor:
        partials = []
        for place in range(len(theta)):
            h = self.step * theta[place].abs().clamp_min(1.0)
            above, below = theta.clone(), theta.clone()
            above[place] += h
            below[place] -= h
            partials.append((chain(above) - chain(below)) / (above[place] - below[place]))
        return torch.stack(partials)


class ComplexStep(nn.Module):
    """Im f(x + ih) / h (Squire and Trapp 1998), for functions that take complex numbers."""

    def __init__(self, signature: Signature, step: float) -> None:
        super().__init__()
        self.step = step

    def forward(self, chain: Chain, theta: Tensor) -> Tensor:
        partials = []
        for place in range(len(theta)):
            point = theta.to(torch.complex128)
            point[place] += complex(0.0, self.step)
            partials.append(chain(point).imag / self.step)
        return torch.stack(partials)

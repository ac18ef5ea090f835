"""Models of two classes: a neuron with Rosenblatt's rule, logistic regression, and small nets.

Forward takes points (batch, 2), standardised, and returns logits (batch, 2).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from zoo_core import Signature

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "leaky-relu": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}


class Perceptron(nn.Module):
    """One neuron w x + b, whose sign is the prediction (Rosenblatt 1958). Its loss gives Rosenblatt's rule.

    Weights begin at 0. With one example per step and a learning rate of 1, a step of SGD adds x to the weights after a
    missed example of class 1, subtracts it after one of class 0, and changes nothing after a right prediction.
    """

    def __init__(self, signature: Signature) -> None:
        super().__init__()
        self.neuron = nn.Linear(signature.features, 1)
        nn.init.zeros_(self.neuron.weight)
        nn.init.zeros_(self.neuron.bias)

    def forward(self, x: Tensor) -> Tensor:
        half = self.neuron(x) / 2
        return torch.cat([-half, half], dim=1)  # their difference is the neuron's sum

    def loss(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the perceptron criterion: the mean of max(0, -t (w x + b)) with t = -1 or 1.

        Its gradient at 0 is that of a mistake: otherwise weights of 0 would never change.
        """
        margin = (output[:, 1] - output[:, 0]) * (2 * target - 1)
        return torch.where(margin <= 0, -margin, torch.zeros_like(margin)).mean()


class Logistic(nn.Module):
    """Logistic regression: one linear layer, whose logits the kind's cross-entropy compares with the labels."""

    def __init__(self, signature: Signature) -> None:
        super().__init__()
        self.linear = nn.Linear(signature.features, signature.outputs or 2)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.linear(x)
        return logits


def mlp(signature: Signature, widths: list[int], activation: str) -> nn.Module:
    """Make a net of dense layers with one activation after each hidden layer."""
    layers: list[nn.Module] = []
    for before, width in pairwise([signature.features, *widths]):
        layers += [nn.Linear(before, width), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers, nn.Linear([signature.features, *widths][-1], signature.outputs or 2))

"""Initial weights of nets without BatchNorm, whose first steps depend on them."""

from __future__ import annotations

from torch import nn


def set_initial_weights(net: nn.Sequential) -> None:
    """Draw the weights as He et al. 2015 (arXiv:1502.01852) do, which keeps the signal's scale through any depth.

    The last layer, which is a dense one, keeps torch's smaller weights, so that the first logits are near 0.
    """
    layers = [layer for layer in net if isinstance(layer, nn.Conv2d | nn.Linear)]
    for layer in layers[:-1]:
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)

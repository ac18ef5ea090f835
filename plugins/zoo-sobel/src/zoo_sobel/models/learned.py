"""Convolutions that learn the Sobel filter from images and responses. All of them see 3x3 pixels."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from zoo_core import Signature


def learned(signature: Signature) -> nn.Module:  # noqa: ARG001 - one kernel fits grey images of all sizes
    """Build one convolution of nine weights, without bias: (batch, 1, H, W) -> (batch, 1, H - 2, W - 2)."""
    return nn.Conv2d(1, 1, kernel_size=3, bias=False)


def learned_deep(signature: Signature, widths: Sequence[int]) -> nn.Module:  # noqa: ARG001
    """Build a net of ReLU layers (batch, 1, H, W) -> (batch, 1, H - 2, W - 2), with one hidden layer for each width.

    Only the first layer sees neighbouring pixels, so the net gets the same nine pixels as one convolution.
    """
    layers: list[nn.Module] = []
    channels, size = 1, 3
    for width in widths:
        layers += [nn.Conv2d(channels, width, size), nn.ReLU()]
        channels, size = width, 1
    return nn.Sequential(*layers, nn.Conv2d(channels, 1, size))

"""A small convolution net, trained from scratch: the cheapest net that learns the signs on a laptop."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from zoo_core import Signature


def cnn(signature: Signature, widths: Sequence[int], dropout: float) -> nn.Module:
    """Convolution, BatchNorm, ReLU and pooling for each width, then the mean: (batch, C, H, W) -> classes."""
    channels = signature.input_shape[0] or 1
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        layers += [nn.MaxPool2d(2)]
        channels = width
    head = nn.Linear(channels, signature.outputs or 1)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), head)

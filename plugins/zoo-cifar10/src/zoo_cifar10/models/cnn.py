"""The course's convolution net: each block halves the image and widens the net."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from zoo_core import Signature


def cnn(signature: Signature, widths: Sequence[int], dropout: float) -> nn.Module:
    """Convolution, pooling, BatchNorm, ReLU for each width; dropout, one linear layer: (batch, C, H, W) -> classes."""
    channels, height, width = signature.input_shape
    layers: list[nn.Module] = []
    for after in widths:
        # pooling first makes what follows four times cheaper
        layers += [nn.Conv2d(channels, after, 3, 1, 1, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(after), nn.ReLU()]
        channels, height, width = after, height // 2, width // 2
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Dropout(dropout), nn.Linear(channels * height * width, signature.outputs)
    )

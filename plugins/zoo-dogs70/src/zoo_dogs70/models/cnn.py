"""A small convolution net, trained from scratch for contrast with transfer learning."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from zoo_core import Signature


def cnn(signature: Signature, widths: Sequence[int], dropout: float) -> nn.Module:
    """Blocks of convolution, pooling, BatchNorm and ReLU, then each channel's mean: (batch, C, H, W) -> classes."""
    channels = signature.input_shape[0]
    layers: list[nn.Module] = []
    for width in widths:
        layers += [nn.Conv2d(channels, width, 3, 1, 1, bias=False), nn.MaxPool2d(2), nn.BatchNorm2d(width), nn.ReLU()]
        channels = width
    return nn.Sequential(
        *layers,
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(channels, signature.outputs),
    )

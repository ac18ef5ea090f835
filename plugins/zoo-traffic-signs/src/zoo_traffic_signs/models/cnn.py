"""The course's convolution net: BatchNorm and dropout, for small pictures of signs."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from zoo_core import Signature

LEAST_DEVIATION = 0.01  # of a picture that is all but black


class Standardize(nn.Module):
    """Grey pictures, each of mean 0 and deviation 1: (batch, C, H, W) -> (batch, 1, H, W).

    A sign is the same in the sun and at dusk, and some cameras mix up the colours.
    """

    def forward(self, x: Tensor) -> Tensor:
        grey = x.mean(1, keepdim=True)
        mean, deviation = grey.mean((2, 3), keepdim=True), grey.std((2, 3), keepdim=True)
        return (grey - mean) / (deviation + LEAST_DEVIATION)


def cnn(signature: Signature, widths: Sequence[int], dropout: float) -> nn.Module:
    """Four convolutions that halve the picture, more that do not, each channel's mean: (batch, C, H, W) -> classes.

    The mean over all places is what lets a net of few tracks know a sign again where it did not see one before: with
    a linear layer on all places instead, GTSRB's small copy ends ten points lower.
    """
    layers: list[nn.Module] = [Standardize()]
    before = 1
    for number, width in enumerate(widths):
        layers.append(nn.Conv2d(before, width, 3, 1, 1, bias=False))
        if number < 4:
            layers.append(nn.MaxPool2d(2))
        layers += [nn.BatchNorm2d(width), nn.ReLU()]
        before = width
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(before, signature.outputs)
    )

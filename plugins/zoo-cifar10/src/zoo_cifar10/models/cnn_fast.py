"""A convolution net that spends its few epochs well, after Jordan's airbench (2024, arXiv:2404.00498).

The first layer is not trained: it whitens 2x2 patches, by the eigenvectors of their covariance in train. BatchNorm has
no scale, and biases that learn faster; convolutions begin as the identity; logits are small at first.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo_core import Signature

LOGIT_SCALE = 1 / 9
LEAST_VARIANCE = 5e-4  # added to a direction's variance: hardly used directions are not blown up


class CnnFast(nn.Module):
    """(batch, C, H, W) -> (batch, classes); with `mirror` it answers for an image and its mirror image together."""

    def __init__(self, signature: Signature, widths: Sequence[int], mirror: bool) -> None:
        super().__init__()
        self.mirror = mirror
        channels = signature.input_shape[0]
        patch = channels * 2 * 2
        self.whiten = nn.Conv2d(channels, 2 * patch, 2, bias=False).requires_grad_(False)
        layers: list[nn.Module] = [nn.GELU()]
        before = 2 * patch
        for width in widths:
            layers += [convolution(before, width), nn.MaxPool2d(2), Norm(width), nn.GELU()]
            layers += [convolution(width, width), Norm(width), nn.GELU()]
            before = width
        self.body = nn.Sequential(*layers)
        self.last = nn.Linear(before, signature.outputs, bias=False)

    def initialize(self, x: Tensor) -> None:
        """Set the whitening filters, each with its negative, from training inputs (n, C, H, W)."""
        channels = x.shape[1]
        patches = x.unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, channels * 4)
        variances, directions = torch.linalg.eigh(patches.T @ patches / len(patches))
        filters = (directions / (variances + LEAST_VARIANCE).sqrt()).T.reshape(-1, channels, 2, 2)
        self.whiten.weight.copy_(torch.cat([filters, -filters]))

    def forward(self, x: Tensor) -> Tensor:
        if self.mirror and not self.training:
            return (self._answer(x) + self._answer(x.flip(3))) / 2
        return self._answer(x)

    def _answer(self, x: Tensor) -> Tensor:
        x = self.body(self.whiten(x))  # (batch, width, H / 8, W / 8)
        return self.last(x.amax((2, 3))) * LOGIT_SCALE


class Norm(nn.Module):
    """BatchNorm without a scale; its bias learns 64 times as fast: times 8 in the output, times 8 in its gradient."""

    SPEED = 8

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False, momentum=0.4)
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        norm = self.norm
        bias = self.bias * self.SPEED
        return F.batch_norm(x, norm.running_mean, norm.running_var, None, bias, self.training, norm.momentum, norm.eps)


def convolution(before: int, after: int) -> nn.Conv2d:
    """3x3, beginning as the identity in its first channels."""
    layer = nn.Conv2d(before, after, 3, padding=1, bias=False)
    nn.init.dirac_(layer.weight[: min(before, after)])
    return layer

"""GoogLeNet (Szegedy et al. 2014, arXiv:1409.4842): four branches side by side in each of nine Inception modules."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from zoo_classics.models.form import Widen, is_small, small_stem_halves, widen_by
from zoo_core import Signature


class Channels(NamedTuple):
    """The channels of an Inception module's layers, in the words of the paper's table 1."""

    one: int
    three_reduce: int
    three: int
    five_reduce: int
    five: int
    pool: int

    @property
    def out(self) -> int:
        return self.one + self.three + self.five + self.pool


STAGES = (  # 3a-3b, 4a-4e, 5a-5b; between them the image is halved
    (Channels(64, 96, 128, 16, 32, 32), Channels(128, 128, 192, 32, 96, 64)),
    (
        Channels(192, 96, 208, 16, 48, 64),
        Channels(160, 112, 224, 24, 64, 64),
        Channels(128, 128, 256, 24, 64, 64),
        Channels(112, 144, 288, 32, 64, 64),
        Channels(256, 160, 320, 32, 128, 128),
    ),
    (Channels(256, 160, 320, 32, 128, 128), Channels(384, 192, 384, 48, 128, 128)),
)


def convolution(before: int, after: int, size: int, stride: int = 1) -> nn.Sequential:
    """Convolution without bias, BatchNorm and ReLU; with stride 1 the size stays."""
    layer = nn.Conv2d(before, after, size, stride, size // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(after, eps=0.001), nn.ReLU())


class Inception(nn.Module):
    """(batch, before, H, W) -> (batch, channels.out, H, W): branches of 1x1, 3x3, wider, and pooled, side by side.

    The wider branch is 3x3 as in torchvision, whose net was trained so, instead of the paper's 5x5.
    """

    def __init__(self, before: int, channels: Channels) -> None:
        super().__init__()
        self.one = convolution(before, channels.one, 1)
        self.three = nn.Sequential(
            convolution(before, channels.three_reduce, 1), convolution(channels.three_reduce, channels.three, 3)
        )
        self.five = nn.Sequential(
            convolution(before, channels.five_reduce, 1), convolution(channels.five_reduce, channels.five, 3)
        )
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), convolution(before, channels.pool, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], 1)


def googlenet(signature: Signature, width: float, dropout: float) -> nn.Module:
    """Build GoogLeNet: (batch, C, H, W) -> (batch, classes).

    As in torchvision, with BatchNorm behind each convolution (a year younger than the paper), which makes the paper's
    two auxiliary classifiers needless: they are left out.

    From 128 pixels on it is the original. In the small form (see `form`) the first convolution is 3x3 with stride 1
    instead of 7x7 with stride 2, and the first pooling is left out below 64 pixels.
    """
    widen = widen_by(width, signature)
    layers = _stem(signature, widen)
    before = widen(192)
    for number, stage in enumerate(STAGES):
        # the original's last pooling is 2x2, as in torchvision
        layers.append(nn.MaxPool2d(2 if number == 2 else 3, 2, ceil_mode=True))
        for channels in stage:
            own = Channels(*map(widen, channels))
            layers.append(Inception(before, own))
            before = own.out
    return nn.Sequential(
        *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(dropout), nn.Linear(before, signature.outputs or 1)
    )


def _stem(signature: Signature, widen: Widen) -> list[nn.Module]:
    channels, small = signature.input_shape[0] or 1, is_small(signature)
    first = convolution(channels, widen(64), 3) if small else convolution(channels, widen(64), 7, 2)
    halving = [nn.MaxPool2d(3, 2, ceil_mode=True)] if not small or small_stem_halves(signature) else []
    return [first, *halving, convolution(widen(64), widen(64), 1), convolution(widen(64), widen(192), 3)]

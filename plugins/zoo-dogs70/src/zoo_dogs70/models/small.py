"""A small residual net: with a backbone whose weights are in this package, or from scratch, to compare the two."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F

from zoo_core import Signature
from zoo_core.transfer import Transfer
from zoo_core.weights import load_into

WIDTHS = (24, 48, 96, 144)  # channels of the four parts
FEATURES = WIDTHS[-1]


class Block(nn.Module):
    """Two convolutions beside a shortcut, which halve height and width (He et al. 2015, arXiv:1512.03385).

    Shapes: (batch, before, H, W) -> (batch, after, H / 2, W / 2), rounded up.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(before, after, 3, 2, 1, bias=False),
            nn.BatchNorm2d(after),
            nn.ReLU(),
            nn.Conv2d(after, after, 3, 1, 1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.shortcut = nn.Sequential(nn.Conv2d(before, after, 1, 2, bias=False), nn.BatchNorm2d(after))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.shortcut(x))


def small_backbone() -> nn.Sequential:
    """Images (batch, 3, H, W) of at least 16 pixels a side -> (batch, 144) features: 0.5 million parameters."""
    first = WIDTHS[0]
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, first, 5, 2, 2, bias=False), nn.BatchNorm2d(first), nn.ReLU()),
        *(Block(before, after) for before, after in pairwise(WIDTHS)),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


def small_transfer(signature: Signature, unfreeze: int, weights: Mapping[str, Tensor] | None = None) -> nn.Module:
    """The small net with its backbone frozen but for the last `unfreeze` of four parts, and a new last layer."""
    backbone = small_backbone()
    if weights is not None:
        load_into(backbone, weights)
    return Transfer(backbone, _head(signature), unfreeze=unfreeze)


def small_scratch(signature: Signature) -> nn.Module:
    """The same net with random initial weights, all of it trained."""
    return nn.Sequential(small_backbone(), _head(signature))


def _head(signature: Signature) -> nn.Module:
    """BatchNorm first: features of one scale make a linear layer learn in few steps, whatever the backbone."""
    return nn.Sequential(nn.BatchNorm1d(FEATURES), nn.Linear(FEATURES, signature.outputs))

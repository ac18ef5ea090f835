"""A dense net on the flattened image."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from zoo_core import Signature


def mlp(signature: Signature, widths: Sequence[int], dropout: float) -> nn.Module:
    """Hidden layers with BatchNorm, ReLU and dropout: (batch, C, H, W) -> (batch, classes)."""
    sizes = [signature.features, *widths]
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], signature.outputs))

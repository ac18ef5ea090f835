"""A transformer encoder whose tokens are frames."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from zoo_core import Signature
from zoo_pose.models.layers import features_per_frame, with_head

MAX_PERIOD = 10_000.0  # of the sines that encode positions, in frames


class Encoder(nn.Module):
    """(batch, frames, features) -> (batch, frames, width)."""

    def __init__(self, features: int, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.project, self.dropout = nn.Linear(features, width), nn.Dropout(dropout)
        layer = nn.TransformerEncoderLayer(
            width, heads, 2 * width, dropout, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)

    def forward(self, x: Tensor) -> Tensor:
        x = self.project(x)
        encoded: Tensor = self.layers(self.dropout(x + positions(x.shape[1], x.shape[2], x.device)))
        return encoded


def positions(frames: int, width: int, device: torch.device) -> Tensor:
    """Encode the frame's number in sines and cosines, (frames, width): Vaswani et al. 2017, section 3.5."""
    rates = torch.exp(torch.arange(0, width, 2, device=device) * (-math.log(MAX_PERIOD) / width))
    angles = torch.arange(frames, device=device).unsqueeze(1) * rates
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)[:, :width]


def transformer(signature: Signature, width: int, layers: int, heads: int, dropout: float, output: str) -> nn.Module:
    """(batch, frames, joints, axes) -> (batch, classes); with output `motion` -> (batch, future, joints, axes)."""
    encoder = Encoder(features_per_frame(signature), width, layers, heads, dropout)
    return with_head(signature, encoder, width, dropout, output)

"""A temporal convolution net: residual blocks of growing dilation (after Bai, Kolter and Koltun 2018)."""

from __future__ import annotations

from torch import Tensor, nn

from zoo_core import Signature
from zoo_pose.models.layers import Classifier, features_per_frame


class Block(nn.Module):
    """Two dilated convolutions over time with a residual connection; keeps the shape (batch, width, frames)."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation, bias=False),
            nn.BatchNorm1d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        summed: Tensor = x + self.layers(x)
        return summed.relu()


class TemporalConvolutions(nn.Module):
    """(batch, frames, features) -> (batch, frames, width); block n has dilation 2^n."""

    def __init__(self, features: int, width: int, blocks: int, dropout: float) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Conv1d(features, width, 1, bias=False), nn.BatchNorm1d(width), nn.ReLU())
        self.blocks = nn.Sequential(*(Block(width, 2**number, dropout) for number in range(blocks)))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.blocks(self.project(x.transpose(1, 2)))
        return found.transpose(1, 2)


def tcn(signature: Signature, width: int, blocks: int, dropout: float) -> nn.Module:
    """(batch, frames, joints, axes) -> (batch, classes), by mean and maximum over time."""
    encoder = TemporalConvolutions(features_per_frame(signature), width, blocks, dropout)
    return Classifier(signature, encoder, width, dropout)

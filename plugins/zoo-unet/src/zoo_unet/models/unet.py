"""U-Net from scratch (Ronneberger et al. 2015, arXiv:1505.04597), with BatchNorm: the course's model."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from zoo_core import IncompatibleError, Signature
from zoo_unet.models.blocks import OnEncoder, two_convolutions

MAX_LEVELS = 6  # five halvings: the kind pads images to multiples of 32


class Encoder(nn.Module):
    """Two convolutions per level, halving in between: (batch, C, H, W) -> a list of features, largest first."""

    def __init__(self, channels: int, widths: Sequence[int], dropout: float) -> None:
        super().__init__()
        before = [channels, *widths[:-1]]
        self.levels = nn.ModuleList(two_convolutions(own, width) for own, width in zip(before, widths, strict=True))
        self.shrink = nn.MaxPool2d(2)
        self.dropout = nn.Dropout2d(dropout)

    def forward(self, x: Tensor) -> list[Tensor]:
        features: list[Tensor] = []
        for level in self.levels:
            x = level(self.shrink(x) if features else x)
            features.append(x)
        return [*features[:-1], self.dropout(x)]


def unet(signature: Signature, widths: Sequence[int], dropout: float) -> nn.Module:
    """Build the net (batch, C, H, W) -> (batch, classes, H, W), one level for each width. Raises IncompatibleError."""
    if not 1 <= len(widths) <= MAX_LEVELS:
        raise IncompatibleError(f"widths {list(widths)}: a U-Net has one to {MAX_LEVELS} levels here")
    return OnEncoder(Encoder(signature.input_shape[0] or 1, widths, dropout), widths, widths, signature.outputs or 1)

"""U-Net from scratch (Ronneberger et al. 2015, arXiv:1505.04597), as the course has it: with BatchNorm."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from zoo_core import IncompatibleError, Signature
from zoo_unet.models.blocks import OnEncoder, two_convolutions

MOST = 6  # levels: five halvings are what the kind pads for


class Encoder(nn.Module):
    """Two convolutions, then halving and two more at every level: (batch, C, H, W) -> a list, largest picture first."""

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
    """(batch, C, H, W) -> (batch, classes, H, W); a level for each width. Raises IncompatibleError for too many."""
    if not 1 <= len(widths) <= MOST:
        raise IncompatibleError(f"widths {list(widths)}: a U-Net has one to {MOST} levels here")
    return OnEncoder(Encoder(signature.input_shape[0] or 1, widths, dropout), widths, widths, signature.outputs or 1)

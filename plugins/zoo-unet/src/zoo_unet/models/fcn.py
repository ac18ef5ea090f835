"""A fully convolutional net without skip connections (a small FCN-32s, Long et al. 2015, arXiv:1411.4038)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from zoo_core import Signature
from zoo_unet.models.shared import encoder_from_scratch


class Fcn(nn.Module):
    """Enlarges the coarse logits of an encoder: (batch, C, H, W) -> (batch, classes, H, W).

    Without skip connections, it cannot recover thin lines that the pooling removed.
    `channels`: of the encoder's smallest features, the only ones that are used.
    """

    def __init__(self, encoder: nn.Module, channels: int, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.classifier = nn.Conv2d(channels, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(self.classifier(self.encoder(x)[-1]), x.shape[2:], mode="bilinear")


def fcn(signature: Signature, widths: Sequence[int]) -> nn.Module:
    """Build the net (batch, C, H, W) -> (batch, classes, H, W), one level for each width. Raises IncompatibleError."""
    return Fcn(encoder_from_scratch(signature, widths), widths[-1], signature.outputs or 1)

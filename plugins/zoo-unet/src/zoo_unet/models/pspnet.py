"""PSPNet (Zhao et al. 2017, arXiv:1612.01105): features pooled over parts of the picture of four sizes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo_core import Signature
from zoo_unet.models.blocks import convolution
from zoo_unet.models.shared import encoder_from_scratch

BINS = (1, 2, 3, 6)  # parts a side that the picture is divided into


class PSPNet(nn.Module):
    """Classifies an encoder's smallest features and their means over parts: (batch, C, H, W) -> (batch, classes, H, W).

    `channels`: of the smallest features. The paper dilates the encoder's last stages, so that the smallest features
    have an eighth of the picture's size; here they have the size that the encoder gives.
    """

    def __init__(self, encoder: nn.Module, channels: int, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        width = max(1, channels // len(BINS))
        # Without BatchNorm: a mean of the whole picture is one value per channel, too few for the batch's statistics.
        self.pyramid = nn.ModuleList(
            nn.Sequential(nn.AdaptiveAvgPool2d(bins), nn.Conv2d(channels, width, 1), nn.ReLU()) for bins in BINS
        )
        self.merge = nn.Sequential(*convolution(channels + len(BINS) * width, width))
        self.classifier = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.encoder(x)[-1]
        means = [F.interpolate(level(y), y.shape[2:], mode="bilinear") for level in self.pyramid]
        logits = self.classifier(self.merge(torch.cat([y, *means], 1)))
        return F.interpolate(logits, x.shape[2:], mode="bilinear")


def pspnet(signature: Signature, widths: Sequence[int]) -> nn.Module:
    """Build the net (batch, C, H, W) -> (batch, classes, H, W), one level for each width. Raises IncompatibleError."""
    return PSPNet(encoder_from_scratch(signature, widths), widths[-1], signature.outputs or 1)

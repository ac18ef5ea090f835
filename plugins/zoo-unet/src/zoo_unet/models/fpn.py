"""A feature pyramid network: all levels get equally many channels, and their sum is classified.

Lin et al. 2017, arXiv:1612.03144; its head for segmentation: Kirillov et al. 2019, arXiv:1901.02446.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from zoo_core import Signature
from zoo_unet.models.blocks import convolution
from zoo_unet.models.shared import encoder_from_scratch


class FPN(nn.Module):
    """Sums a pyramid of an encoder's features: (batch, C, H, W) -> (batch, classes, H, W).

    channels: of the encoder's features, largest first. pyramid: channels of every level of the pyramid.
    The paper's head enlarges each level in steps with a convolution each; here each level has one convolution and is
    enlarged at once.
    """

    def __init__(self, encoder: nn.Module, channels: Sequence[int], pyramid: int, classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.lateral = nn.ModuleList(nn.Conv2d(width, pyramid, 1) for width in channels)
        self.smooth = nn.ModuleList(nn.Sequential(*convolution(pyramid, pyramid)) for _ in channels)
        self.classifier = nn.Conv2d(pyramid, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        levels = [lateral(item) for lateral, item in zip(self.lateral, self.encoder(x), strict=True)]
        for index in reversed(range(len(levels) - 1)):  # top-down: from the smallest level to the largest
            levels[index] = levels[index] + F.interpolate(levels[index + 1], levels[index].shape[2:])
        y = self.smooth[0](levels[0])
        for smooth, level in zip(self.smooth[1:], levels[1:], strict=True):
            y = y + F.interpolate(smooth(level), y.shape[2:], mode="bilinear")
        return F.interpolate(self.classifier(y), x.shape[2:], mode="bilinear")


def fpn(signature: Signature, widths: Sequence[int], pyramid: int) -> nn.Module:
    """Build the net (batch, C, H, W) -> (batch, classes, H, W), one level for each width. Raises IncompatibleError."""
    return FPN(encoder_from_scratch(signature, widths), widths, pyramid, signature.outputs or 1)

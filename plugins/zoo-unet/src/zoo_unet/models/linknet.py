"""LinkNet (Chaurasia and Culurciello 2017, arXiv:1707.03718): the encoder's features are added, not concatenated."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from zoo_core import Signature
from zoo_unet.models.blocks import convolution
from zoo_unet.models.shared import encoder_from_scratch


class LinkNet(nn.Module):
    """Adds an encoder's features level by level: (batch, C, H, W) -> (batch, classes, H, W).

    `channels`: of the encoder's features, largest first. The paper enlarges with transposed convolutions; here pixels
    are copied, for the reasons in `blocks.Decoder`.
    """

    def __init__(self, encoder: nn.Module, channels: Sequence[int], classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        steps = zip(reversed(channels), reversed(channels[:-1]), strict=False)
        self.levels = nn.ModuleList(decoder_block(before, width) for before, width in steps)
        self.last = nn.Sequential(*convolution(channels[0], channels[0]))
        self.classifier = nn.Conv2d(channels[0], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        features = self.encoder(x)
        y = features[-1]
        for level, skip in zip(self.levels, reversed(features[:-1]), strict=True):
            y = skip + level(y)
        return F.interpolate(self.classifier(self.last(y)), x.shape[2:], mode="bilinear")


def decoder_block(before: int, width: int) -> nn.Sequential:
    """(batch, before, H, W) -> (batch, width, 2 H, 2 W): a 3x3 convolution on a quarter of the channels."""
    middle = max(1, before // 4)
    return nn.Sequential(
        *pointwise(before, middle), nn.Upsample(scale_factor=2), *convolution(middle, middle), *pointwise(middle, width)
    )


def pointwise(before: int, width: int) -> list[nn.Module]:
    """Build a 1x1 convolution with BatchNorm and ReLU."""
    return [nn.Conv2d(before, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]


def linknet(signature: Signature, widths: Sequence[int]) -> nn.Module:
    """Build the net (batch, C, H, W) -> (batch, classes, H, W), one level for each width. Raises IncompatibleError."""
    return LinkNet(encoder_from_scratch(signature, widths), widths, signature.outputs or 1)

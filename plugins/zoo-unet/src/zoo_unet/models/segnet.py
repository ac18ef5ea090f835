"""SegNet (Badrinarayanan et al. 2017, arXiv:1511.00561): the decoder gets the pooling indices, but no features."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from zoo_core import Signature
from zoo_unet.models.shared import encoder_from_scratch


class SegNet(nn.Module):
    """Unpools an encoder's smallest features level by level: (batch, C, H, W) -> (batch, classes, H, W).

    Unpooling puts each value where the encoder's features have the maximum of that 2x2 square, and zeros elsewhere. The
    next convolution fills the zeros. As in the paper's SegNet-Basic, every level has one convolution without ReLU; in
    60 steps on drawn streets, two with ReLU learned half as much. `channels`: of the encoder's features, largest first.
    """

    def __init__(self, encoder: nn.Module, channels: Sequence[int], classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        steps = zip(reversed(channels), reversed(channels[:-1]), strict=False)
        self.levels = nn.ModuleList(convolution(before, width) for before, width in steps)
        self.last = convolution(channels[0], channels[0])
        self.classifier = nn.Conv2d(channels[0], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        features = self.encoder(x)
        y = features[-1]
        for level, above in zip(self.levels, reversed(features[:-1]), strict=True):
            _, indices = F.max_pool2d(above, 2, return_indices=True)
            y = F.max_unpool2d(level(y), indices, (2, 2))
        return F.interpolate(self.classifier(self.last(y)), x.shape[2:], mode="bilinear")


def convolution(before: int, width: int) -> nn.Sequential:
    """Build a 3x3 convolution with BatchNorm."""
    return nn.Sequential(nn.Conv2d(before, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))


def segnet(signature: Signature, widths: Sequence[int]) -> nn.Module:
    """Build the net (batch, C, H, W) -> (batch, classes, H, W), one level for each width. Raises IncompatibleError."""
    return SegNet(encoder_from_scratch(signature, widths), widths, signature.outputs or 1)

"""A plain fully convolutional net (Long et al. 2015, arXiv:1411.4038, its FCN-32s in small): the contrast to U-Net."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from zoo_core import Signature
from zoo_unet.models.blocks import two_convolutions


class Fcn(nn.Module):
    """An encoder whose coarse answer is enlarged: (batch, C, H, W) -> (batch, classes, H, W).

    What was lost in halving is lost: no skip connection brings back thin lines.
    """

    def __init__(self, channels: int, widths: Sequence[int], classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = channels
        for number, width in enumerate(widths):
            layers += (
                [two_convolutions(before, width)] if not number else [nn.MaxPool2d(2), two_convolutions(before, width)]
            )
            before = width
        self.encoder = nn.Sequential(*layers)
        self.classifier = nn.Conv2d(before, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(self.classifier(self.encoder(x)), x.shape[2:], mode="bilinear")


def fcn(signature: Signature, widths: Sequence[int]) -> nn.Module:
    return Fcn(signature.input_shape[0] or 1, widths, signature.outputs or 1)

"""A fully convolutional net without skip connections (a small FCN-32s, Long et al. 2015, arXiv:1411.4038)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional as F

from zoo_core import Signature
from zoo_unet.models.blocks import two_convolutions


class Fcn(nn.Module):
    """Enlarges the coarse logits of an encoder: (batch, C, H, W) -> (batch, classes, H, W).

    Without skip connections, it cannot recover thin lines that the pooling removed.
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
    """Build the net (batch, C, H, W) -> (batch, classes, H, W), with one level for each width."""
    return Fcn(signature.input_shape[0] or 1, widths, signature.outputs or 1)

"""A U-Net whose encoder is torchvision's SqueezeNet 1.0, a small net pretrained on ImageNet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn
from torchvision import models

from zoo_core import Signature
from zoo_core.weights import load_into
from zoo_unet.models.blocks import OnEncoder

STAGES = (slice(0, 2), slice(2, 6), slice(6, 11), slice(11, 13))  # of `features`; each ends before a pooling layer
CHANNELS = (96, 256, 512, 512)


class SqueezeEncoder(nn.Module):
    """The features of SqueezeNet (Iandola et al. 2016, arXiv:1602.07360) at 1/2 to 1/16 of the size.

    Unlike torchvision's, the first convolution is padded, so that every level has exactly half the size of the last.
    """

    def __init__(self, weights: Mapping[str, Tensor] | None) -> None:
        super().__init__()
        net = models.squeezenet1_0(weights=None)
        if weights is not None:
            load_into(net, weights, without="classifier.")
        net.features[0].padding = (3, 3)
        self.stages = nn.ModuleList(net.features[stage] for stage in STAGES)

    def forward(self, x: Tensor) -> list[Tensor]:
        features: list[Tensor] = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features


def unet_squeezenet(
    signature: Signature, decoder: Sequence[int], weights: Mapping[str, Tensor] | None = None
) -> nn.Module:
    """Build the net (batch, 3, H, W) -> (batch, classes, H, W); `decoder`: channels of its levels, largest first."""
    return OnEncoder(SqueezeEncoder(weights), CHANNELS, decoder, signature.outputs or 1)

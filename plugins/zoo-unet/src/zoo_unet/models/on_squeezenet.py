"""The other decoders on the encoder of `unet-squeezenet`: torchvision's SqueezeNet 1.0, pretrained on ImageNet."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from zoo_core import Signature
from zoo_unet.models.fcn import Fcn
from zoo_unet.models.fpn import FPN
from zoo_unet.models.linknet import LinkNet
from zoo_unet.models.pspnet import PSPNet
from zoo_unet.models.segnet import SegNet
from zoo_unet.models.squeezenet import CHANNELS, SqueezeEncoder

Weights = Mapping[str, Tensor] | None


def fcn_squeezenet(signature: Signature, weights: Weights = None) -> nn.Module:
    """Build the net (batch, 3, H, W) -> (batch, classes, H, W)."""
    return Fcn(SqueezeEncoder(weights), CHANNELS[-1], signature.outputs or 1)


def segnet_squeezenet(signature: Signature, weights: Weights = None) -> nn.Module:
    """Build the net (batch, 3, H, W) -> (batch, classes, H, W).

    SqueezeNet itself pools overlapping squares of 3x3, which have no unique way back: the indices are of 2x2 squares.
    """
    return SegNet(SqueezeEncoder(weights), CHANNELS, signature.outputs or 1)


def linknet_squeezenet(signature: Signature, weights: Weights = None) -> nn.Module:
    """Build the net (batch, 3, H, W) -> (batch, classes, H, W)."""
    return LinkNet(SqueezeEncoder(weights), CHANNELS, signature.outputs or 1)


def pspnet_squeezenet(signature: Signature, weights: Weights = None) -> nn.Module:
    """Build the net (batch, 3, H, W) -> (batch, classes, H, W)."""
    return PSPNet(SqueezeEncoder(weights), CHANNELS[-1], signature.outputs or 1)


def fpn_squeezenet(signature: Signature, pyramid: int, weights: Weights = None) -> nn.Module:
    """Build the net (batch, 3, H, W) -> (batch, classes, H, W); `pyramid`: channels of every level of the pyramid."""
    return FPN(SqueezeEncoder(weights), CHANNELS, pyramid, signature.outputs or 1)

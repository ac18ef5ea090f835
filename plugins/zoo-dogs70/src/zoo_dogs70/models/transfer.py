"""ImageNet nets whose last layer is replaced: the course's way to tell seventy breeds with a few images of each."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torchvision import models

from zoo_core import Signature
from zoo_core.transfer import Transfer
from zoo_core.weights import load_into


def resnet_18(signature: Signature, unfreeze: int, weights: Mapping[str, Tensor] | None = None) -> nn.Module:
    """torchvision's ResNet-18 (He et al. 2015, arXiv:1512.03385): (batch, 3, H, W) -> 512 features -> classes."""
    net = models.resnet18(weights=None)
    if weights is not None:
        load_into(net, weights, without="fc.")
    backbone = nn.Sequential(*list(net.children())[:-1], nn.Flatten())
    return Transfer(backbone, nn.Linear(512, signature.outputs), unfreeze=unfreeze)


def squeezenet(
    signature: Signature, unfreeze: int, dropout: float, weights: Mapping[str, Tensor] | None = None
) -> nn.Module:
    """torchvision's SqueezeNet 1.0 (Iandola et al., arXiv:1602.07360): (batch, 3, H, W) -> 512 features -> classes.

    Its last convolution of 1x1 is a linear layer here, behind the pooling: so the features to keep are 512, not 86,528.
    """
    net = models.squeezenet1_0(weights=None)
    if weights is not None:
        load_into(net, weights, without="classifier.")
    backbone = nn.Sequential(*net.features, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Transfer(backbone, nn.Sequential(nn.Dropout(dropout), nn.Linear(512, signature.outputs)), unfreeze=unfreeze)

"""VGG-16 with ImageNet's weights, frozen but for a new last layer."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torchvision import models

from zoo_core import Signature
from zoo_core.transfer import Transfer
from zoo_core.weights import load_into


def vgg_16(signature: Signature, unfreeze: int, weights: Mapping[str, Tensor] | None = None) -> nn.Module:
    """torchvision's VGG-16 (Simonyan and Zisserman, arXiv:1409.1556): (batch, 3, H, W) -> 4,096 features -> classes."""
    net = models.vgg16(weights=None)
    if weights is not None:
        load_into(net, weights, without="classifier.6.")
    backbone = nn.Sequential(*net.features, net.avgpool, nn.Flatten(), *net.classifier[:-1])
    return Transfer(backbone, nn.Linear(4096, signature.outputs), unfreeze=unfreeze)

"""ImageNet's ResNet-50 with a new last layer: the course's model for the sign-language alphabet."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn
from torchvision import models

from zoo_core import Signature
from zoo_core.transfer import Transfer
from zoo_core.weights import load_into


def resnet_50(signature: Signature, unfreeze: int, weights: Mapping[str, Tensor] | None = None) -> nn.Module:
    """torchvision's ResNet-50 (He et al. 2015, arXiv:1512.03385): (batch, 3, H, W) -> 2048 features -> classes.

    Without weights, it starts from random ones.
    """
    net = models.resnet50(weights=None)
    if weights is not None:
        load_into(net, weights, without="fc.")
    backbone = nn.Sequential(*list(net.children())[:-1], nn.Flatten())
    return Transfer(backbone, nn.Linear(2048, signature.outputs or 1), unfreeze=unfreeze)

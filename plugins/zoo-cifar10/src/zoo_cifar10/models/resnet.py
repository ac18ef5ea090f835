"""ResNet-18 for small images."""

from __future__ import annotations

from torch import nn
from torchvision import models

from zoo_core import Signature


def resnet_18(signature: Signature) -> nn.Module:
    """torchvision's ResNet-18 with a stem for small images: (batch, C, H, W) -> (batch, classes).

    The first convolution is 3x3 without stride and the pooling behind it is gone, as in the CIFAR nets of He et al.
    2015 (arXiv:1512.03385), so that 32x32 pixels do not shrink to 8x8 before the first block.
    """
    net = models.resnet18(weights=None, num_classes=signature.outputs)
    net.conv1 = nn.Conv2d(signature.input_shape[0], 64, 3, 1, 1, bias=False)
    net.maxpool = nn.Identity()
    return net

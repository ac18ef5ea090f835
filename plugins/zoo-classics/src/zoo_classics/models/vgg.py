"""VGG (Simonyan and Zisserman 2014, arXiv:1409.1556): nothing but 3x3 convolutions, deeper than any net before."""

from __future__ import annotations

from torch import nn

from zoo_classics.models.form import is_small, widen_by
from zoo_classics.models.initial import set_initial_weights
from zoo_core import Signature

# The paper's configurations A and D: channels of the convolutions of each block. A block ends with pooling.
VGG_11 = ((64,), (128,), (256, 256), (512, 512), (512, 512))
VGG_16 = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def vgg_11(signature: Signature, width: float, dropout: float, batch_norm: bool) -> nn.Module:
    """Build VGG-11: see `vgg`."""
    return vgg(signature, VGG_11, width=width, dropout=dropout, batch_norm=batch_norm)


def vgg_16(signature: Signature, width: float, dropout: float, batch_norm: bool) -> nn.Module:
    """Build VGG-16: see `vgg`."""
    return vgg(signature, VGG_16, width=width, dropout=dropout, batch_norm=batch_norm)


def vgg(
    signature: Signature, blocks: tuple[tuple[int, ...], ...], *, width: float, dropout: float, batch_norm: bool
) -> nn.Module:
    """Build a VGG from the channels of its blocks: (batch, C, H, W) -> (batch, classes).

    The paper has no BatchNorm, which is a year younger; `batch_norm` puts one behind each convolution. Initial weights
    are He et al.'s (2015, arXiv:1502.01852): with the paper's, VGG-16 only learns from the layers of a trained VGG-11.

    From 128 pixels on it is the original. In the small form (see `form`) the dense layers take the last map as it is,
    1x1 of 32x32 pixels, instead of averaged to 7x7.
    """
    small, widen = is_small(signature), widen_by(width, signature)
    channels, height, width_px = (size or 1 for size in signature.input_shape)
    layers: list[nn.Module] = []
    for block in blocks:
        for wanted in map(widen, block):
            layers += [nn.Conv2d(channels, wanted, 3, padding=1)]
            layers += [nn.BatchNorm2d(wanted), nn.ReLU()] if batch_norm else [nn.ReLU()]
            channels = wanted
        layers.append(nn.MaxPool2d(2, ceil_mode=small))  # 28 pixels: 14, 7, 4, 2, 1
        height, width_px = -(-height // 2), -(-width_px // 2)
    if not small:
        layers.append(nn.AdaptiveAvgPool2d(7))
        height = width_px = 7
    hidden = widen(4096)
    net = nn.Sequential(
        *layers,
        nn.Flatten(),
        nn.Linear(channels * height * width_px, hidden),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(hidden, signature.outputs or 1),
    )
    set_initial_weights(net)
    return net

"""AlexNet (Krizhevsky, Sutskever and Hinton 2012), in the form for one GPU (Krizhevsky 2014, arXiv:1404.5997).

That form is torchvision's too. It has no local response normalisation, and the convolutions are not split in two.
"""

from __future__ import annotations

from torch import nn

from zoo_classics.models.form import is_small, small_stem_halves, widen_by
from zoo_classics.models.initial import set_initial_weights
from zoo_core import Signature


def alexnet(signature: Signature, width: float, dropout: float) -> nn.Module:
    """Build AlexNet, ReLU and dropout: (batch, C, H, W) -> (batch, classes).

    Initial weights are those of `initial`. The paper's, of std 0.01, need biases of 1 to keep the first ReLUs active.

    From 128 pixels on it is the original. Smaller images get the small form (see `form`): the first convolution is 5x5
    with stride 1, from 64 pixels on stride 2, instead of 11x11 with stride 4, which would leave 8x8 of 32x32; and the
    dense layers take the last map as it is, instead of averaged to 6x6.
    """
    small, widen = is_small(signature), widen_by(width, signature)
    channels, height, width_px = (size or 1 for size in signature.input_shape)
    first, last = widen(64), widen(256)
    if small:
        stride = 2 if small_stem_halves(signature) else 1
        stem = nn.Conv2d(channels, first, 5, stride, 2)
        rows, columns = (-(-size // stride) // 2 // 2 // 2 for size in (height, width_px))
    else:
        stem = nn.Conv2d(channels, first, 11, 4, 2)
        rows = columns = 6
    net = nn.Sequential(
        stem,
        nn.ReLU(),
        nn.MaxPool2d(3, 2, ceil_mode=small),
        nn.Conv2d(first, widen(192), 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, ceil_mode=small),
        nn.Conv2d(widen(192), widen(384), 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(widen(384), last, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(last, last, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, ceil_mode=small),
        nn.Identity() if small else nn.AdaptiveAvgPool2d(6),
        nn.Flatten(),
        nn.Dropout(dropout),
        nn.Linear(last * rows * columns, widen(4096)),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(widen(4096), widen(4096)),
        nn.ReLU(),
        nn.Linear(widen(4096), signature.outputs or 1),
    )
    set_initial_weights(net)
    return net

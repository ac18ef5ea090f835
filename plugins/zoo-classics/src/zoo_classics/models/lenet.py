"""LeNet-5 (LeCun, Bottou, Bengio and Haffner 1998, doi 10.1109/5.726791): the net that read cheques."""

from __future__ import annotations

from torch import nn

from zoo_core import Signature


def lenet(signature: Signature) -> nn.Module:
    """Build LeNet-5: (batch, C, 32, 32) -> (batch, classes). Its spec has images of other sizes resized.

    Two convolutions with pooling, three dense layers, tanh. Simpler than in the paper, as everywhere today: a pooling
    layer has no weights, the second convolution sees all maps of the first, and the last layer is linear.
    """
    return nn.Sequential(
        nn.Conv2d(signature.input_shape[0] or 1, 6, 5),  # C1: 28x28
        nn.Tanh(),
        nn.AvgPool2d(2),  # S2: 14x14
        nn.Conv2d(6, 16, 5),  # C3: 10x10
        nn.Tanh(),
        nn.AvgPool2d(2),  # S4: 5x5
        nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120),  # C5
        nn.Tanh(),
        nn.Linear(120, 84),  # F6
        nn.Tanh(),
        nn.Linear(84, signature.outputs or 1),
    )

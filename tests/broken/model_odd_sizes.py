"""Its pooling window is larger than small images."""

from dataclasses import replace

import sound
from sound import model

zoo_models = model(__name__)


def build(signature):
    from torch import nn

    channels, *sides = signature.input_shape
    pooled = replace(signature, input_shape=(channels, *(max(1, side // 4) for side in sides)))
    return nn.Sequential(nn.AvgPool2d(4), sound.build(pooled))

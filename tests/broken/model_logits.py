"""It returns probabilities, and its loss takes logits."""

import sound
from sound import model

zoo_models = model(__name__)


def build(signature):
    from torch import nn

    return nn.Sequential(sound.build(signature), nn.Softmax(1))

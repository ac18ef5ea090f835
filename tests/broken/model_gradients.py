"""It has a layer that nothing calls."""

import sound
from sound import model

zoo_models = model(__name__)


def build(signature):
    from torch import nn

    return sound.build(signature, forgotten=nn.Linear(16, 16))

"""It makes a tensor on the CPU."""

import sound
from sound import model

zoo_models = model(__name__)


def build(signature):
    import torch

    return sound.build(signature, lambda _, hidden: hidden + torch.ones(len(hidden), 16))

"""It keeps a number outside its state dict."""

import sound
from sound import model

zoo_models = model(__name__)


def build(signature):
    import torch

    return sound.build(signature, lambda net, hidden: hidden * net.scale, scale=0.5 + torch.rand(1).item())

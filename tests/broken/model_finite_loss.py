"""It divides zero by zero during training."""

import sound
from sound import model

zoo_models = model(__name__)


def build(signature):
    return sound.build(signature, lambda net, hidden: hidden * 0 / 0 if net.training else hidden)

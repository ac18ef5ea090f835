"""It copies into a tensor of a fixed dtype."""

import sound
from sound import model

zoo_models = model(__name__)


def build(signature):
    import torch

    def copied(_, hidden):
        room = torch.zeros(hidden.shape, device=hidden.device)
        return room.index_put((torch.arange(len(hidden), device=hidden.device),), hidden)

    return sound.build(signature, copied)

"""It cannot be built for grey images, and its spec does not say so."""

import sound
from sound import model

zoo_models = model(__name__)


def build(signature):
    if signature.input_shape[0] == 1:
        raise ValueError("colour, please")
    return sound.build(signature)

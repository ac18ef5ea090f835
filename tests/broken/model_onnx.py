"""It decides by the values that it is given."""

import sound
from sound import model

zoo_models = model(__name__)


def build(signature):
    return sound.build(signature, lambda _, hidden: hidden if float(hidden.sum()) > 0 else hidden + 1)

"""Its control flow depends on the input values."""

import sound
from sound import model

zoo_models = model(__name__)


def build(signature):
    return sound.build(signature, lambda _, hidden: hidden if float(hidden.sum()) > 0 else hidden + 1)

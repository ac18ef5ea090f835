"""Its output does not depend on its input."""

import sound
from sound import model

zoo_models = model(__name__)


def build(signature):
    return sound.build(signature, lambda _, hidden: hidden * 0 + 1)

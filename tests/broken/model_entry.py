"""Its build function takes no signature."""

from sound import Signature, model, parts

zoo_models = model(__name__)


def build():
    return parts(Signature(input_shape=(3, 8, 8), outputs=3))[0]

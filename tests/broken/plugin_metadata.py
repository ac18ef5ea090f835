"""Its package states no licence. The test installs it this way."""

from sound import build as build
from sound import model

zoo_models = model(__name__)

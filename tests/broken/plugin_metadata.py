"""Its package states no licence; the test installs it so."""

from sound import build as build
from sound import model

zoo_models = model(__name__)

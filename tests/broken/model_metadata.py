"""It states no title."""

from sound import build as build
from sound import model

zoo_models = model(__name__, title="")

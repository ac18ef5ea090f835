"""Its recipe sets a key that nobody has."""

from sound import build as build
from sound import model

zoo_models = model(__name__, recipe={"sound": {"lerning_rate": 0.1}})

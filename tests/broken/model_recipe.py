"""Its recipe sets an unknown key."""

from sound import build as build
from sound import model

zoo_models = model(__name__, recipe={"sound": {"lerning_rate": 0.1}})

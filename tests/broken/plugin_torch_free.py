"""Listing it imports numpy."""

import numpy as np
from sound import build as build
from sound import model

zoo_models = model(__name__, options={"widths": np.arange(3).tolist()})

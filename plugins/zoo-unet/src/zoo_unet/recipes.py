"""Recipes and options that several models share. Imports no torch.

They are not in `plugin.py`, because models import them: a new model in `plugin.py` would then change their code.
"""

from __future__ import annotations

from zoo_core import Param

ADAMW = {"optimizer": "adamw", "weight_decay": 0.01, "schedule": "cosine", "warmup": 0.1}
TIMM_RECIPE = {**ADAMW, "lr": 0.001, "clip_norm": 1.0}
TIMM_DECODER = Param(
    default=[16, 32, 64, 96, 128, 128], help="channels of the decoder's levels, largest features first"
)

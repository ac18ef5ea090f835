"""Contents of zoo-timm: the model family `timm/...`. Imports neither torch nor timm."""

from __future__ import annotations

from zoo_core import ModelFamily, hookimpl


@hookimpl
def zoo_models() -> list[ModelFamily]:
    return [
        ModelFamily(
            prefix="timm/",
            title="Every classification model of timm; `timm/<name>.<tag>` starts from the weights of that tag",
            entry="zoo_timm.models:TimmModels",
        )
    ]

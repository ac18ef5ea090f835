"""The recipe keys and the quick preset of a pair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo_core import recipe as recipes
from zoo_core.kinds import kind_recipe
from zoo_core.registry import Pair
from zoo_core.specs import ModelSpec, Param, TaskSpec


def quick_preset(pair: Pair) -> Mapping[str, Any]:
    """Return the quick preset of a pair: that of the task, overridden by that of the model."""
    return {**pair.task.quick, **pair.model.quick}


def pair_parameters(task: TaskSpec, model: ModelSpec) -> dict[str, Param]:
    """Return every recipe key of a pair with its default."""
    return recipes.parameters(task, model, kind_recipe(task))

"""Lists of values for recipe keys that take one: every combination is a trial of its own."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping
from typing import Any

from zoo_core.errors import RecipeError, UsageError
from zoo_core.specs import Param

MAX_TRIALS = 200  # of a call with lists, without --yes
HARD_MAX_TRIALS = 100_000  # each takes a few kB of memory in the plan


def values_of(key: str, param: Param, value: Any) -> list[Any]:
    """Return the values that an override gives a key: several for a list, if the key takes one number, text or switch.

    A text is a list if it has commas, as in `relu,tanh`; a text in double quotes is one value. Raises RecipeError.

    >>> values_of("lr", Param(default=0.1), "0.1, 0.01")
    ['0.1', '0.01']
    >>> values_of("widths", Param(default=[16]), "32,32")
    ['32,32']
    """
    if not isinstance(param.default, str | int | float):
        return [value]
    if isinstance(value, str) and isinstance(param.default, str) and len(value) > 1 and value[0] == value[-1] == '"':
        return [_unquoted(key, value)]
    if isinstance(value, str) and "," in value:
        value = [part.strip() for part in value.split(",")]
        if "" in value:
            raise RecipeError(f"{key}={','.join(value)!r}: a value is missing beside a comma")
    if isinstance(value, list | tuple):
        if not value:
            raise RecipeError(f"{key}={value!r} has no value: give one, or several")
        return list(value)
    return [value]


def _unquoted(key: str, text: str) -> str:
    try:
        return str(json.loads(text))
    except ValueError:
        raise RecipeError(f"{key}={text} is not a text in quotes as JSON has it") from None


def settings_of(params: Mapping[str, Param], overrides: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the values of each override. One of an unknown key is kept as it is: the recipe refuses it."""
    return {key: values_of(key, params[key], value) if key in params else [value] for key, value in overrides.items()}


def as_one_value(params: Mapping[str, Param], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return overrides that are no lists of values, although a record may have anything: a list of one is one value.

    >>> as_one_value({"name": Param(default="x"), "lr": Param(default=0.1)}, {"name": "a,b", "lr": [1, 2]})
    {'name': ['a,b'], 'lr': [[1, 2]]}
    """
    return {
        key: [value] if key in params and isinstance(params[key].default, str | int | float) else value
        for key, value in overrides.items()
    }


def count_combinations(settings: Mapping[str, list[Any]]) -> int:
    """Count the combinations, without making them."""
    return math.prod(len(values) for values in settings.values())


def combinations(settings: Mapping[str, list[Any]]) -> list[tuple[dict[str, Any], str]]:
    """Return every combination as overrides, with the settings that differ in words; the last key varies fastest.

    >>> [words for _, words in combinations({"lr": [1, 2], "steps": [9], "flip": ["yes", "no"]})]
    ['lr=1 flip=yes', 'lr=1 flip=no', 'lr=2 flip=yes', 'lr=2 flip=no']
    """
    varied = [key for key, values in settings.items() if len(values) > 1]
    made = (dict(zip(settings, chosen, strict=True)) for chosen in itertools.product(*settings.values()))
    return [(overrides, " ".join(f"{key}={overrides[key]}" for key in varied)) for overrides in made]


def require_few(trials: int, *, has_lists: bool, allow_many: bool) -> None:
    """Raise UsageError if lists of values make more trials than anyone wants to begin by mistake."""
    if has_lists and trials > HARD_MAX_TRIALS:
        raise UsageError(f"these lists of values make {trials:,} trials, more than {HARD_MAX_TRIALS:,}: shorten them")
    if has_lists and trials > MAX_TRIALS and not allow_many:
        raise UsageError(
            f"these lists of values make {trials:,} trials, more than {MAX_TRIALS}: add --yes to run them all, or "
            "--dry-run to list them"
        )

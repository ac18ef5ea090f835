"""Hyper-parameters of a pair: training keys and model options in one flat namespace.

A recipe is resolved in layers, each overriding the one before: defaults of runner and kind, task, options of the
model, recipe of the model, quick preset, `--set`. Every key has a default, which gives its type. An unknown key is
an error.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from zoo_core.errors import RecipeError, UnknownNameError, did_you_mean
from zoo_core.specs import ModelSpec, Param, Params, TaskSpec

RecipeClass: TypeAlias = Literal["default", "quick", "custom"]

# Keys that the runner reads, for every kind.
RUNNER_PARAMS: Params = MappingProxyType(
    {
        "epochs": Param(default=1.0, help="passes over train", minimum=0.0),
        "steps": Param(default=0, help="optimizer steps; 0: set by `epochs`", minimum=0),
        "eval_every": Param(
            default=0.0,
            help="epochs between val evaluations; 0: ten to thirty per trial, also at the ends of epochs",
            minimum=0.0,
        ),
        "holdout": Param(
            default=True,
            help="evaluate on val during training; false: train on held-out examples too, and ignore target, `stop` "
            "and `select`",
        ),
        "select": Param(
            default="last", choices=("last", "best"), help="the weights to score on test: the last, or the best on val"
        ),
        "stop": Param(
            default=0, help="stop after this many val evaluations without a better score; 0: never", minimum=0
        ),
        "precision": Param(
            default="float32",
            unset="float32",
            choices=("float32", "auto"),
            help="auto: bf16 autocast on a CPU that has instructions for it, else float32; `--dtype` overrides it",
        ),
    }
)

# Of the schedule `step`: ten times less after half and after three quarters of the training.
MILESTONES, GAMMA = [0.5, 0.75], 0.1


class Recipe(Mapping[str, Any]):
    """Resolved hyper-parameters: a read-only mapping, with `recipe.lr` as a short form of `recipe["lr"]`.

    >>> recipe = Recipe({"lr": 0.1, "batch_size": 32})
    >>> recipe.lr, recipe["batch_size"], recipe.get("momentum", 0.9)
    (0.1, 32, 0.9)
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __getattr__(self, key: str) -> Any:
        try:
            return self.__dict__["_values"][key]
        except KeyError:  # while an object is copied, `_values` is missing too
            known = ", ".join(self.__dict__.get("_values", ()))
            raise AttributeError(f"the recipe has no {key!r}; it has {known}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Recipe({self._values})"


def as_param(value: Any) -> Param:
    """Return `value` if it is a Param, or else a Param with this default."""
    return value if isinstance(value, Param) else Param(default=value)


def parameters(task: TaskSpec, model: ModelSpec, kind: Params) -> dict[str, Param]:
    """Return every recipe key of a task and a model, with its default for this pair.

    Raises RecipeError if a model option has the name of a training key, or an override names an unknown key.
    """
    params = {key: as_param(value) for key, value in {**RUNNER_PARAMS, **kind}.items()}
    _override(params, task.recipe, f"task {task.qualified}", may_add=bool(task.entry))
    for key, option in model.options.items():
        if key in params:
            raise RecipeError(
                f"model {model.qualified}: option {key!r} is also a training key of task {task.qualified}; rename it"
            )
        params[key] = as_param(option)
    for name in ("*", task.name, task.qualified):
        _override(params, model.recipe.get(name, {}), f"model {model.qualified}", may_add=False, lenient=name == "*")
    return params


def _override(params: dict[str, Param], values: Params, owner: str, *, may_add: bool, lenient: bool = False) -> None:
    for key, value in values.items():
        if isinstance(value, Param) and may_add:
            params[key] = value
        elif key in params:
            params[key] = _with_default(key, params[key], as_param(value).default, owner)
        elif may_add:
            params[key] = as_param(value)
        elif not lenient:  # a model's "*" may set keys that only some kinds have
            raise RecipeError(
                f"{owner}: its recipe sets {key!r}, which is neither a key of the task nor an option of the model"
                f"{'; ' + near if (near := did_you_mean(key, helps(params))) else ''}"
            )


def _with_default(key: str, param: Param, value: Any, owner: str = "") -> Param:
    return replace(param, default=check_value(key, param, value, owner))


def resolve_recipe(
    params: Mapping[str, Param], preset: Mapping[str, Any] | None = None, overrides: Mapping[str, Any] | None = None
) -> Recipe:
    """Resolve a recipe: defaults, then `preset`, then `overrides`. Strings are parsed by the type of the default.

    A key that has its `Param.unset` is left out. Raises UnknownNameError for an unknown key, RecipeError for an invalid
    value, or for an optimizer that cannot take another value.
    """
    values = {key: check_value(key, param, param.default) for key, param in params.items()}
    for layer in (preset or {}, overrides or {}):
        for key, value in layer.items():
            if key not in params:
                raise UnknownNameError("recipe key", key, helps(params), hint="`zoo show MODEL` lists them")
            param = params[key]
            values[key] = parse(key, param, value) if isinstance(value, str) else check_value(key, param, value)
    if reason := _why_not_possible(values):
        raise RecipeError(reason)
    return Recipe({key: value for key, value in values.items() if not _is_unset(params[key], value)})


def _why_not_possible(values: Mapping[str, Any]) -> str:
    """Return why an optimizer of `zoo_core.train` cannot work with the other values; "" if it can.

    A kind of a plugin's own may have other keys, or none of these.
    """
    optimizer, decay = values.get("optimizer"), values.get("weight_decay")
    if optimizer == "lbfgs" and isinstance(decay, float) and decay:
        return f"optimizer=lbfgs has no weight decay: set weight_decay=0, not {decay:g}"
    if optimizer in ("momentum", "nesterov") and values.get("momentum") == 0:
        return f"optimizer={optimizer} with momentum=0 is plain sgd: set momentum, such as 0.9"
    return ""


def _is_unset(param: Param, value: Any) -> bool:
    return param.unset is not None and bool(value == param.unset)


def helps(params: Mapping[str, Param]) -> dict[str, str]:
    """Return the help of each key, by which an unknown key such as `learning_rate` finds `lr`."""
    return {key: param.help for key, param in params.items()}


def recipe_class(recipe: Recipe, params: Mapping[str, Param], quick: Mapping[str, Any]) -> RecipeClass:
    """Classify a recipe as `default`, `quick` or `custom`. Only trials of one class are ranked together."""
    if recipe == resolve_recipe(params):
        return "default"
    return "quick" if quick and recipe == resolve_recipe(params, quick) else "custom"


def parse(key: str, param: Param, text: str) -> Any:
    """Parse a `--set` value by the type of the key's default. Raises RecipeError."""
    default = param.default
    try:
        if isinstance(default, bool):
            value: Any = {"true": True, "yes": True, "on": True, "1": True}.get(text.lower())
            if value is None:
                value = {"false": False, "no": False, "off": False, "0": False}[text.lower()]
        elif isinstance(default, int):
            value = int(text)
        elif isinstance(default, float):
            value = float(text)
        elif isinstance(default, str):
            value = text
        elif isinstance(default, list | tuple):
            value = json.loads(text if text.lstrip().startswith("[") else f"[{text}]")
        elif isinstance(default, dict):
            value = json.loads(text)
        else:
            value = _json_or_text(text)
    except (ValueError, KeyError, RecursionError):  # the last: brackets in brackets
        raise RecipeError(f"{key}={text!r} is not {_type_in_words(default)}; the default is {default!r}") from None
    return check_value(key, param, value)


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _type_in_words(default: Any) -> str:
    words_by_type: tuple[tuple[type, str], ...] = (
        (bool, "true or false"),
        (int, "a whole number"),
        (float, "a number"),
        (list, "a list such as 512,256"),
        (tuple, "a list such as 512,256"),
        (dict, "a JSON object"),
    )
    return next((words for value_type, words in words_by_type if isinstance(default, value_type)), "a text")


def _is_finite(value: Any) -> bool:
    """Return whether every number in a JSON value is finite."""
    if isinstance(value, Mapping):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_finite, value))
    return not isinstance(value, float) or math.isfinite(value)


def check_value(key: str, param: Param, value: Any, owner: str = "") -> Any:
    """Return `value` in the type of the key's default.

    Raises RecipeError for a wrong type, a value that is not among the choices, too small, too large or not finite.
    """
    default, where = param.default, f"{owner}: " if owner else ""
    if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if isinstance(default, list | tuple) and isinstance(value, list | tuple):
        value = list(value)
    elif default is not None and (type(value) is not type(default)):
        raise RecipeError(f"{where}{key}={value!r} is not {_type_in_words(default)}; the default is {default!r}")
    if not _is_finite(value):
        raise RecipeError(f"{where}{key}={value!r} is not a finite number")
    if param.choices and value not in param.choices:
        choices = list(map(str, param.choices))
        near = did_you_mean(str(value), choices)
        raise RecipeError(f"{where}{key}={value!r} is not one of {', '.join(choices)}{near and f': {near}'}")
    if param.minimum is not None or param.maximum is not None:
        for number in value if isinstance(value, list) else [value]:
            _check_range(f"{where}{key}={value!r}", param, number)
    return value


def _check_range(stated: str, param: Param, number: Any) -> None:
    if isinstance(number, bool) or not isinstance(number, int | float):
        if param.default is None:  # allows any value
            return
        raise RecipeError(f"{stated}: {number!r} is not a number; the default is {param.default!r}")
    if param.minimum is not None and number < param.minimum:
        raise RecipeError(f"{stated} is below {param.minimum:g}")
    if param.maximum is not None and number > param.maximum:
        raise RecipeError(f"{stated} is above {param.maximum:g}")

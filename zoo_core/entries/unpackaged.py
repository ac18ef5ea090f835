"""Models without a package, of a file or a notebook: how they become a `ModelSpec`, and how they are called.

The callable gets the signature if its first parameter is called `signature` or has no default, else nothing; its
parameters with plain defaults are the model's options. Records call the plugin `unpackaged`.
"""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zoo_core.errors import UsageError
from zoo_core.specs import ModelSpec, TaskSpec

PLUGIN = "unpackaged"
SOURCE, PICKLE = ".py", ".pickle"  # a person's file; an object of a notebook, kept by zoo_core.entries.notebook
WEIGHTS = "weights"  # a parameter of this name is given tensors, see `ModelSpec`


def make_spec(
    *, stem: str, attribute: str, entry: str, options: Mapping[str, Any], title: str, task: TaskSpec | None
) -> ModelSpec:
    """The spec of what `attribute` builds; it is a registered pair of `task`, and can be tried on its kind."""
    return ModelSpec(
        name=model_name(stem, attribute),
        title=title or f"{attribute} of {stem}",
        plugin=PLUGIN,
        kind=task.kind if task else "",
        tasks=(task.qualified,) if task else (),
        options=options,
        entry=entry,
    )


def model_name(stem: str, attribute: str) -> str:
    """A name that specs allow: of `my_net.py` and `MyNet` that is `my_net.my-net`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", attribute)
    name = re.sub(r"[^a-z0-9._-]+", "-", f"{stem}.{words}".lower())
    return name.strip("._-")[:64] or "model"


def address(model: ModelSpec) -> str:
    """What `Registry.load().model` finds the model by in another process of this machine."""
    return model.entry if model.plugin == PLUGIN else model.qualified


def attribute_of(model: ModelSpec) -> str:
    """Of a model without a package what builds it, which its name need not tell; else empty."""
    return model.entry.rpartition(":")[2] if model.plugin == PLUGIN else ""


def without_folder(text: str, model: ModelSpec) -> str:
    """`text` without the place of an unpackaged model's file: records are published."""
    if model.plugin != PLUGIN:
        return text
    folder = str(Path(model.entry.rpartition(":")[0]).parent)
    return text.replace(folder, ".") if len(folder) > 1 else text


def takes_signature(build: Callable[..., Any]) -> bool:
    """Whether the first parameter that can be given by position is called `signature`, or has no default."""
    for parameter in inspect.signature(build).parameters.values():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            return parameter.name == "signature" or parameter.default is parameter.empty
    return False


def call(build: Callable[..., Any], signature: Any, options: Mapping[str, Any]) -> Any:
    """Build the model with what it takes; lists that are tuples by default become tuples again."""
    defaults = {name: parameter.default for name, parameter in inspect.signature(build).parameters.items()}
    given = {
        name: tuple(value) if isinstance(value, list) and isinstance(defaults.get(name), tuple) else value
        for name, value in options.items()
    }
    return build(signature, **given) if takes_signature(build) else build(**given)


def is_plain(value: Any) -> bool:
    """Whether a default can be an option: what JSON holds, or a tuple of that."""
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(map(is_plain, value.values()))
    return value is None or type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value))


def options_among(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Options from parameters with their defaults, in order; those that are not plain keep what the code says."""
    return {name: value for name, value in parameters.items() if name not in ("signature", WEIGHTS) and is_plain(value)}


def refuse_required(names: list[str], model: str) -> None:
    """The signature is all the zoo gives. Raises UsageError where more is required."""
    if len(names) > 1:
        raise UsageError(
            f"{model}: it needs {', '.join(names)}, and the zoo gives only the signature: give the others defaults"
        )

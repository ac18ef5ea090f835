"""Models without a package, from a file or a notebook: makes their `ModelSpec` and calls their build function.

The build function gets the signature if its first parameter is called `signature` or has no default. Its parameters
with plain defaults are the model's options. In records, the plugin of these models is `unpackaged`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zoo_core.entries.naming import plain_name
from zoo_core.errors import UsageError
from zoo_core.specs import ModelSpec, TaskSpec

PLUGIN = "unpackaged"
SOURCE, PICKLE = ".py", ".pickle"  # a local file; an object of a notebook, saved by zoo_core.entries.notebook
WEIGHTS = "weights"  # the parameter that gets tensors, see `ModelSpec`


def make_spec(
    *, stem: str, attribute: str, entry: str, options: Mapping[str, Any], title: str, task: TaskSpec | None
) -> ModelSpec:
    """Make the spec of the model that `attribute` builds, registered for `task`; it fits other tasks of that kind."""
    return ModelSpec(
        name=plain_name(stem, attribute),
        title=title or f"{attribute} of {stem}",
        plugin=PLUGIN,
        kind=task.kind if task else "",
        tasks=(task.qualified,) if task else (),
        options=options,
        entry=entry,
    )


def address(model: ModelSpec) -> str:
    """Return the name by which `Registry.load().model_or_file` finds the model in another process on this machine."""
    return model.entry if model.plugin == PLUGIN else model.qualified


def attribute_of(model: ModelSpec) -> str:
    """Return the class or function that builds an unpackaged model; "" for other models.

    Two attributes of one file may have the same model name, so the name does not identify it.
    """
    return model.entry.rpartition(":")[2] if model.plugin == PLUGIN else ""


def file_of(model: ModelSpec) -> str:
    """Return the file of an unpackaged model without its folder, such as `net.py:Net`; "" for other models."""
    path, _, attribute = model.entry.rpartition(":")
    return f"{Path(path).name}:{attribute}" if model.plugin == PLUGIN and path.endswith(SOURCE) else ""


def without_folder(text: str, model: ModelSpec) -> str:
    """Replace the folder of an unpackaged model's file in `text` by a dot, because records are published."""
    if model.plugin != PLUGIN:
        return text
    folder = str(Path(model.entry.rpartition(":")[0]).parent)
    return text.replace(folder, ".") if len(folder) > 1 else text


def takes_signature(build: Callable[..., Any]) -> bool:
    """Return whether the first positional parameter is called `signature` or has no default."""
    for parameter in inspect.signature(build).parameters.values():
        if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            return parameter.name == "signature" or parameter.default is parameter.empty
    return False


def call(build: Callable[..., Any], signature: Any, options: Mapping[str, Any]) -> Any:
    """Build the model. Options whose default is a tuple are converted from JSON lists to tuples."""
    defaults = {name: parameter.default for name, parameter in inspect.signature(build).parameters.items()}
    given = {
        name: tuple(value) if isinstance(value, list) and isinstance(defaults.get(name), tuple) else value
        for name, value in options.items()
    }
    return build(signature, **given) if takes_signature(build) else build(**given)


def is_plain(value: Any) -> bool:
    """Return whether a default can be an option: a JSON value, or a tuple of JSON values."""
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(map(is_plain, value.values()))
    return value is None or type(value) in (bool, int, str) or (type(value) is float and math.isfinite(value))


def options_among(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Select the parameters with plain defaults, in order. The others keep their default in the code."""
    return {name: value for name, value in parameters.items() if name not in ("signature", WEIGHTS) and is_plain(value)}


def refuse_required(names: list[str], model: str) -> None:
    """Raise UsageError if the build function requires more than the signature."""
    if len(names) > 1:
        raise UsageError(
            f"{model}: it needs {', '.join(names)}, and the zoo gives only the signature: give the others defaults"
        )

"""Names the models of a request that have no package, and warns of two models that share a name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from zoo_core.entries import names_file
from zoo_core.entries.naming import name_without_source, named
from zoo_core.entries.notebook import model_of_object, place_of
from zoo_core.entries.unpackaged import PLUGIN
from zoo_core.errors import UsageError
from zoo_core.registry import Registry
from zoo_core.results.current import CurrentCode, read_current
from zoo_core.results.store import Store
from zoo_core.runner.request import Request
from zoo_core.runner.selection import is_one_name
from zoo_core.specs import ModelSpec, TaskSpec

Model: TypeAlias = str | Callable[..., Any]


def name_models(
    registry: Registry, tasks: Sequence[str], models: Sequence[Model], name: str = ""
) -> list[str | ModelSpec]:
    """Turn each file, class or function into a spec with its name in records; names of registered models stay as text.

    name: the value of `--name`, for the only model. Raises UsageError if it does not apply, and the errors of entries.
    """
    if name and len(models) != 1:
        raise UsageError(f"--name {name!r} goes with one --model: give the file or class that it names")
    if not is_one_name(tasks):
        if any(not isinstance(model, str) for model in models):
            raise UsageError("a model without a package goes with one named task, not with several, a pattern or --all")
        return [str(model) for model in models]
    spec = registry.task(tasks[0])
    return [_name_model(registry, spec, model, name) for model in models]


def _name_model(registry: Registry, task: TaskSpec, model: Model, name: str) -> str | ModelSpec:
    if not isinstance(model, str):
        return named(model_of_object(model, task), *place_of(model), name)
    if names_file(model):
        spec = registry.model_or_file(model, task)
        path, _, attribute = spec.entry.rpartition(":")
        return named(spec, Path(path), attribute, name)
    if name:
        raise UsageError(f"--name {name!r}: {model} has a name already; --name is for a model in a file or a notebook")
    return model


def name_warnings(request: Request, store: Store) -> list[str]:
    """Say which models of the request share their name with another source, and what to do about it."""
    models = {pair.model.qualified: pair for pair in request.pairs if pair.model.plugin == PLUGIN}
    warnings = []
    for pair in models.values():
        notes = read_current(store.task_folder(pair.task.qualified))
        known = [(note.model, note.source) for note in notes if isinstance(note, CurrentCode)]
        beside = [(other.model.qualified, other.model.source) for other in models.values()]
        warnings.append(_warning(pair.model, {*known, *beside}, store))
    return [warning for warning in warnings if warning]


def _warning(model: ModelSpec, others: set[tuple[str, str]], store: Store) -> str:
    """Return the warning about one model; "" if no other source has its name. others: qualified names and sources."""
    plain = name_without_source(model.qualified, model.source)
    elsewhere = "from another file, notebook or user account"
    if plain == model.qualified:
        if all(source == model.source for name, source in others if name == plain):
            return ""
        return (
            f"{store.folder} has trials of {model.name!r} {elsewhere}; they now count as older code of this model. "
            "If these are two models, give one of them another --name"
        )
    alike = sorted(
        name for name, source in others - {(model.qualified, model.source)} if source and name == f"{plain}-{source}"
    )
    if not alike:
        return ""
    shown = alike[0].partition(":")[2] + (f" and {len(alike) - 1} more" if len(alike) > 1 else "")
    verb = "is another model" if len(alike) == 1 else "are other models"
    return f"{shown} {verb} {elsewhere}; this one is {model.name}. To name it yourself: --name NAME, in Python name=..."

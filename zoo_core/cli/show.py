"""`zoo show NAME`: prints the specs of a task, model, data set or plugin, with the recipes of a model."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo_core.cli.completion import complete_any
from zoo_core.cli.options import JSON
from zoo_core.entries import model_of_path, names_file
from zoo_core.errors import UnknownNameError, UsageError
from zoo_core.registry import Registry
from zoo_core.specs import DatasetSpec, ModelSpec, Param, TaskSpec
from zoo_core.ui.console import output, print_json, print_table
from zoo_core.ui.formats import format_value, is_empty


def show_command(
    name: Annotated[
        str,
        typer.Argument(
            help="Name of a task, model, data set or plugin; with --weights, a file of `zoo bench --save`.",
            autocompletion=complete_any,
        ),
    ],
    weights: Annotated[
        bool, typer.Option("--weights", help="Show the parameters of a saved model: shapes, means and histograms.")
    ] = False,
    pictures: Annotated[
        Path | None,
        typer.Option(
            "--pictures",
            metavar="DIR",
            file_okay=False,
            help="With --weights: folder for pictures of the histograms and of the first layer's filters. No file is "
            "overwritten.",
        ),
    ] = None,
    model: Annotated[
        str,
        typer.Option(
            "--model", "-m", metavar="FILE.py:NAME", help="With --weights: source of a model without a plugin."
        ),
    ] = "",
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """Show everything that the zoo knows of a task, model, data set or plugin, or the weights of a saved model."""
    if weights:
        from zoo_core.cli.weights import show_weights

        show_weights(Path(name), pictures=pictures, model=model, as_json=as_json)
        return
    if pictures or model:
        raise UsageError("--pictures and --model go with --weights and a file of `zoo bench --save`")
    if name.endswith(".safetensors") and Path(name).is_file():
        raise UsageError(f"{name} is a file of weights: `zoo show {shlex.quote(name)} --weights` shows them")
    entries = find_entries(Registry.load(), name)
    if as_json:
        print_json(entries)
        return
    for entry in entries:
        _print_entry(entry)


def find_entries(registry: Registry, name: str) -> list[dict[str, Any]]:
    """Return everything with this name as JSON values. Raises UnknownNameError if there is nothing."""
    entries: list[dict[str, Any]] = []
    specs: list[TaskSpec | ModelSpec | DatasetSpec] = [*registry.tasks, *registry.models, *registry.datasets]
    for spec in specs:
        if name not in (spec.name, spec.qualified):
            continue
        entry = {"what": type(spec).__name__.removesuffix("Spec").lower(), **_as_json_values(spec)}
        if isinstance(spec, TaskSpec):
            entry["models"] = [model.qualified for model in registry.models_for(spec)]
        if isinstance(spec, ModelSpec):
            entry["recipes"] = _recipes_by_task(registry, spec)
        entries.append(entry)
    entries += [{"what": "plugin", **_as_json_values(plugin)} for plugin in registry.plugins if plugin.name == name]
    if names_file(name):
        return [{"what": "model", **_as_json_values(model_of_path(name))}]
    if not entries and any(name.startswith((family.prefix, family.qualified)) for family in registry.families):
        entries.append({"what": "model", **_as_json_values(registry.model(name))})
    if not entries:
        registry.refuse_unusable(name)
        known = [*(spec.name for spec in specs), *(plugin.name for plugin in registry.plugins)]
        raise UnknownNameError("name", name, known, hint="`zoo list`")
    return entries


def _recipes_by_task(registry: Registry, model: ModelSpec) -> dict[str, Any]:
    """Return the resolved recipe keys of the model, for each task it is registered for."""
    from zoo_core.runner.pair_recipe import pair_parameters

    pairs = [pair for pair in registry.pairs() if pair.model == model]
    return {
        pair.task.qualified: {key: _as_json_values(param) for key, param in pair_parameters(pair.task, model).items()}
        for pair in pairs
    }


def _as_json_values(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {key: _as_json_values(item) for key, item in asdict(value).items()}
    if isinstance(value, Mapping):
        return {str(key): _as_json_values(item) for key, item in value.items()}
    return [_as_json_values(item) for item in value] if isinstance(value, list | tuple) else value


def _print_entry(entry: dict[str, Any]) -> None:
    recipes = entry.pop("recipes", {})
    console = output()
    console.print(f"{entry.pop('what')} {entry['name']}", style="bold")
    rows = [(key, _entry_text(value)) for key, value in entry.items() if key != "name" and not is_empty(value)]
    print_table(["field", "value"], rows)
    for task, params in recipes.items():
        print_table(
            ["key", "default", "choices", "help"],
            [
                (key, format_value(param["default"]), " ".join(map(str, param["choices"])), param["help"])
                for key, param in params.items()
            ],
            title=f"\nrecipe on {task} (change a key with --set key=value)",
        )


def _entry_text(value: Any) -> str:
    return format_value(_params_as_defaults(value))


def _params_as_defaults(value: Any) -> Any:
    """Replace each Param, at any depth, by the text of its default."""
    if isinstance(value, list):
        return [_params_as_defaults(item) for item in value]
    if isinstance(value, Mapping):
        if value.keys() == Param.__dataclass_fields__.keys():
            return format_value(value["default"])
        return {key: _params_as_defaults(item) for key, item in value.items()}
    return value

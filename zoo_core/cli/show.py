"""`zoo show NAME`: everything the specs say of a task, model, dataset or plugin, with the recipes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Annotated, Any

import typer

from zoo_core.cli.completion import complete_any
from zoo_core.entries import model_of_path, names_file
from zoo_core.errors import UnknownNameError
from zoo_core.registry import Registry
from zoo_core.specs import DatasetSpec, ModelSpec, Param, TaskSpec
from zoo_core.ui.console import output, print_json, print_table


def show_command(
    name: Annotated[str, typer.Argument(help="A task, model, dataset or plugin.", autocompletion=complete_any)],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a task, model, dataset or plugin; of several with one name, all."""
    found = find(Registry.load(), name)
    if as_json:
        print_json(found)
        return
    for entry in found:
        _print(entry)


def find(registry: Registry, name: str) -> list[dict[str, Any]]:
    """Everything called `name`, as JSON values. Raises UsageError where that is nothing."""
    found: list[dict[str, Any]] = []
    specs: list[TaskSpec | ModelSpec | DatasetSpec] = [*registry.tasks, *registry.models, *registry.datasets]
    for spec in specs:
        if name not in (spec.name, spec.qualified):
            continue
        entry = {"what": type(spec).__name__.removesuffix("Spec").lower(), **_plain(spec)}
        if isinstance(spec, TaskSpec):
            entry["models"] = [model.qualified for model in registry.models_for(spec)]
        if isinstance(spec, ModelSpec):
            entry["recipes"] = _recipes(registry, spec)
        found.append(entry)
    found += [{"what": "plugin", **_plain(plugin)} for plugin in registry.plugins if plugin.name == name]
    if names_file(name):
        return [{"what": "model", **_plain(model_of_path(name))}]
    if not found and any(name.startswith((family.prefix, family.qualified)) for family in registry.families):
        found.append({"what": "model", **_plain(registry.model(name))})
    if not found:
        registry.refuse_unusable(name)
        known = [*(spec.name for spec in specs), *(plugin.name for plugin in registry.plugins)]
        raise UnknownNameError("name", name, known, hint="`zoo list`")
    return found


def _recipes(registry: Registry, model: ModelSpec) -> dict[str, Any]:
    from zoo_core.runner.plan import pair_parameters

    pairs = [pair for pair in registry.pairs() if pair.model == model]
    return {
        pair.task.qualified: {key: _plain(param) for key, param in pair_parameters(pair.task, model).items()}
        for pair in pairs
    }


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {key: _plain(item) for key, item in asdict(value).items()}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _print(entry: dict[str, Any]) -> None:
    recipes = entry.pop("recipes", {})
    console = output()
    console.print(f"{entry.pop('what')} {entry['name']}", style="bold", markup=False)
    rows = [(key, _text(value)) for key, value in entry.items() if key != "name" and value not in (None, "", [], {})]
    print_table(["field", "value"], rows)
    for task, params in recipes.items():
        print_table(
            ["key", "default", "choices", "help"],
            [
                (key, _text(param["default"]), " ".join(map(str, param["choices"])), param["help"])
                for key, param in params.items()
            ],
            title=f"\nrecipe on {task} (change a key with --set key=value)",
        )


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value)
    if isinstance(value, Mapping):
        if value.keys() == Param.__dataclass_fields__.keys():
            return _text(value["default"])
        return "; ".join(f"{key}: {_text(item)}" for key, item in value.items() if item not in (None, "", [], {}))
    return str(value)

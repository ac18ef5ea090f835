"""Rows about what the installed plugins add, for `zoo list` and for a notebook. Imports no torch."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from zoo_core.errors import UsageError
from zoo_core.registry import Registry
from zoo_core.registry.plugins import LOAD_ONLY, DisabledPlugin, FailedPlugin

Rows = list[dict[str, Any]]


class Listing(StrEnum):
    tasks = "tasks"
    models = "models"
    datasets = "datasets"
    plugins = "plugins"
    pairs = "pairs"


def rows_of(listing: Listing, registry: Registry, pattern: str = "*") -> Rows:
    """A row for each thing of that sort whose name matches."""
    return _LISTINGS[listing](registry, pattern)


def cell_text(value: Any) -> str:
    """A value of such a row as text; a dash where there is none."""
    if isinstance(value, list):
        return " ".join(map(str, value))
    return "-" if value is None or value == "" else str(value)


def _tasks(registry: Registry, pattern: str) -> Rows:
    return [
        {
            "task": task.name,
            "title": task.title,
            "kind": task.kind,
            "metric": task.metric,
            "datasets": list(task.datasets),
            "models": [model.name for model in registry.models_for(task)],
            "plugin": task.plugin,
        }
        for task in registry.tasks
        if _matches(task, pattern)
    ]


def _models(registry: Registry, pattern: str) -> Rows:
    rows = [
        {"model": model.name, "title": model.title, "tasks": _tasks_of(registry, model), "plugin": model.plugin}
        for model in registry.models
        if _matches(model, pattern)
    ]
    if "/" in pattern:
        return rows + [
            {"model": name, "title": "", "tasks": [], "plugin": ""} for name in registry.family_names(pattern)
        ]
    families = [family for family in registry.families if fnmatchcase(family.prefix, pattern)]
    return rows + [
        {"model": f"{family.prefix}*", "title": family.title, "tasks": [], "plugin": family.plugin}
        for family in families
    ]


def _tasks_of(registry: Registry, model: Any) -> list[str]:
    return [pair.task.name for pair in registry.pairs() if pair.model == model]


def _datasets(registry: Registry, pattern: str) -> Rows:
    return [
        {
            "dataset": dataset.name,
            "title": dataset.title,
            "origin": dataset.origin,
            "offline": "yes" if dataset.offline else "no",
            "licence": dataset.licence,
            "plugin": dataset.plugin,
        }
        for dataset in registry.datasets
        if _matches(dataset, pattern)
    ]


def _plugins(registry: Registry, pattern: str) -> Rows:
    levels = _levels()
    sound = [
        {
            "plugin": plugin.name,
            "version": plugin.version,
            "tasks": len(plugin.tasks),
            "datasets": len(plugin.datasets),
            "models": len(plugin.models) + len(plugin.families),
            "commands": len(plugin.commands),
            "checked": levels.get((plugin.name, plugin.version), ""),
            "state": "; ".join(["ok", *plugin.deprecated]),
        }
        for plugin in registry.plugins
        if fnmatchcase(plugin.name, pattern)
    ]
    others: list[tuple[FailedPlugin | DisabledPlugin, str]] = [(plugin, plugin.reason) for plugin in registry.failed]
    others += [(plugin, f"disabled: {LOAD_ONLY} does not name it") for plugin in registry.disabled]
    nothing = {"tasks": 0, "datasets": 0, "models": 0, "commands": 0, "checked": ""}
    return sound + [
        {"plugin": plugin.name, "version": plugin.version, **nothing, "state": reason}
        for plugin, reason in others
        if fnmatchcase(plugin.name, pattern)
    ]


def _levels() -> dict[tuple[str, str], str]:
    """How conformant `zoo check --record` found a version of a plugin, in this folder's records."""
    from zoo_core.results.store import CONFORMANCE  # with the library of records, which the other listings need not

    path = Path(os.environ.get("ZOO_RESULTS", "results")) / CONFORMANCE
    try:
        noted = json.loads(path.read_bytes())
        return {(name, note["version"]): str(note["level"]) for name, note in noted.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise UsageError(f"{path} is damaged ({error}): remove it, and run `zoo check --record` again") from error


def _pairs(registry: Registry, pattern: str) -> Rows:
    return [
        {"task": pair.task.qualified, "model": pair.model.qualified, "kind": pair.task.kind}
        for pair in registry.pairs()
        if _matches(pair.task, pattern) or _matches(pair.model, pattern)
    ]


def _matches(spec: Any, pattern: str) -> bool:
    return fnmatchcase(spec.name, pattern) or fnmatchcase(spec.qualified, pattern)


_LISTINGS: dict[Listing, Callable[[Registry, str], Rows]] = {
    Listing.tasks: _tasks,
    Listing.models: _models,
    Listing.datasets: _datasets,
    Listing.plugins: _plugins,
    Listing.pairs: _pairs,
}

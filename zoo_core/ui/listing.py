"""The rows of `zoo list` and of `list_tasks()` and its companions in a notebook. Imports no torch."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from zoo_core.errors import UsageError
from zoo_core.registry import Registry, is_registered
from zoo_core.registry.plugins import LOAD_ONLY, DisabledPlugin, FailedPlugin, missing_needs
from zoo_core.specs import DatasetSpec, ExecutorSpec, LoggerSpec, ModelSpec, TaskSpec

Rows = list[dict[str, Any]]


class Listing(StrEnum):
    """What can be listed."""

    tasks = "tasks"
    models = "models"
    datasets = "datasets"
    plugins = "plugins"
    pairs = "pairs"
    loggers = "loggers"
    executors = "executors"


def rows_of(listing: Listing, registry: Registry, pattern: str = "*") -> Rows:
    """Return a row for each item whose bare or qualified name matches the pattern."""
    return _LISTINGS[listing](registry, pattern)


def models_for_task(registry: Registry, task: str, pattern: str = "*") -> Rows:
    """Return a row for each model that can run on a task, those that are registered for it first.

    Members of families are left out: whether one fits is known only once it is named. Raises UnknownNameError,
    AmbiguousNameError.
    """
    spec = registry.task(task)
    return [
        {
            "model": model.name if model.plugin == spec.plugin else model.qualified,
            "title": model.title,
            "registered": "yes" if is_registered(model, spec) else "no",
            "plugin": model.plugin,
        }
        for model in registry.fitting(spec)
        if _matches(model, pattern)
    ]


def _list_tasks(registry: Registry, pattern: str) -> Rows:
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


def _list_models(registry: Registry, pattern: str) -> Rows:
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


def _tasks_of(registry: Registry, model: ModelSpec) -> list[str]:
    return [pair.task.name for pair in registry.pairs() if pair.model == model]


def _list_datasets(registry: Registry, pattern: str) -> Rows:
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


def _list_plugins(registry: Registry, pattern: str) -> Rows:
    levels = _read_conformance_levels()
    loaded = [
        {
            "plugin": plugin.name,
            "version": plugin.version,
            "tasks": len(plugin.tasks),
            "datasets": len(plugin.datasets),
            "models": len(plugin.models) + len(plugin.families),
            "commands": len(plugin.commands),
            "loggers": len(plugin.loggers),
            "executors": len(plugin.executors),
            "checked": levels.get((plugin.name, plugin.version), ""),
            "state": "; ".join(["ok", *plugin.deprecated]),
        }
        for plugin in registry.plugins
        if fnmatchcase(plugin.name, pattern)
    ]
    unusable: list[tuple[FailedPlugin | DisabledPlugin, str]] = [(plugin, plugin.reason) for plugin in registry.failed]
    unusable += [(plugin, f"disabled: {LOAD_ONLY} does not name it") for plugin in registry.disabled]
    counted = ("tasks", "datasets", "models", "commands", "loggers", "executors")
    no_counts = {**dict.fromkeys(counted, 0), "checked": ""}
    return loaded + [
        {"plugin": plugin.name, "version": plugin.version, **no_counts, "state": reason}
        for plugin, reason in unusable
        if fnmatchcase(plugin.name, pattern)
    ]


def _read_conformance_levels() -> dict[tuple[str, str], str]:
    """Read the levels that `zoo check --record` wrote, by plugin and version. Raises UsageError for a damaged file."""
    from zoo_core.files import read_regular
    from zoo_core.results.reading import MAX_NOTE_BYTES, error_words
    from zoo_core.results.store import CONFORMANCE  # imports msgspec, which no other listing needs

    path = Path(os.environ.get("ZOO_RESULTS", "results")) / CONFORMANCE
    try:
        recorded = json.loads(read_regular(path, MAX_NOTE_BYTES))
        return {(name, str(entry["version"])): str(entry["level"]) for name, entry in recorded.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OSError) as error:
        words = error_words(error)
        raise UsageError(f"{path} is damaged ({words}): remove it, and run `zoo check --record` again") from error


def _list_pairs(registry: Registry, pattern: str) -> Rows:
    return [
        {"task": pair.task.qualified, "model": pair.model.qualified, "kind": pair.task.kind}
        for pair in registry.pairs()
        if _matches(pair.task, pattern) or _matches(pair.model, pattern)
    ]


def _list_loggers(registry: Registry, pattern: str) -> Rows:
    return [
        {
            "logger": logger.name,
            "summary": logger.summary,
            "target": logger.target,
            "missing": missing_needs(logger),
            "plugin": logger.plugin,
        }
        for logger in registry.loggers
        if _matches(logger, pattern)
    ]


def _list_executors(registry: Registry, pattern: str) -> Rows:
    return [
        {
            "executor": executor.name,
            "summary": executor.summary,
            "address": executor.address,
            "missing": missing_needs(executor),
            "plugin": executor.plugin,
        }
        for executor in registry.executors
        if _matches(executor, pattern)
    ]


def _matches(spec: TaskSpec | ModelSpec | DatasetSpec | LoggerSpec | ExecutorSpec, pattern: str) -> bool:
    return fnmatchcase(spec.name, pattern) or fnmatchcase(spec.qualified, pattern)


_LISTINGS: dict[Listing, Callable[[Registry, str], Rows]] = {
    Listing.tasks: _list_tasks,
    Listing.models: _list_models,
    Listing.datasets: _list_datasets,
    Listing.plugins: _list_plugins,
    Listing.pairs: _list_pairs,
    Listing.loggers: _list_loggers,
    Listing.executors: _list_executors,
}

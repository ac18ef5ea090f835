"""Shell completion of the names of tasks, models, data sets, plugins and records."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from zoo_core.specs import DatasetSpec, ExecutorSpec, LoggerSpec, ModelSpec, TaskSpec


def complete_task(incomplete: str) -> list[str]:
    from zoo_core.registry import Registry

    return _names_with_prefix(incomplete, Registry.load().tasks)


def complete_model(incomplete: str) -> list[str]:
    from zoo_core.registry import Registry

    registry = Registry.load()
    families = [family.prefix for family in registry.families if family.prefix.startswith(incomplete)]
    return [*_names_with_prefix(incomplete, registry.models), *families]


def complete_excluded(incomplete: str) -> list[str]:
    from zoo_core.registry import Registry

    registry = Registry.load()
    return _names_with_prefix(incomplete, [*registry.tasks, *registry.models])


def complete_dataset(incomplete: str) -> list[str]:
    from zoo_core.registry import Registry

    return _names_with_prefix(incomplete, Registry.load().datasets)


def complete_logger(incomplete: str) -> list[str]:
    from zoo_core.registry import Registry

    return _names_with_prefix(incomplete, Registry.load().loggers)


def complete_executor(incomplete: str) -> list[str]:
    from zoo_core.registry import Registry

    return _names_with_prefix(incomplete, Registry.load().executors)


def complete_kind(incomplete: str) -> list[str]:
    from zoo_core.registry import Registry

    return sorted({task.kind for task in Registry.load().tasks if task.kind.startswith(incomplete)})


def complete_any(incomplete: str) -> list[str]:
    from zoo_core.registry import Registry

    plugins = [plugin.name for plugin in Registry.load().plugins if plugin.name.startswith(incomplete)]
    names = [*complete_task(incomplete), *complete_model(incomplete), *complete_dataset(incomplete), *plugins]
    return list(dict.fromkeys(names))


def complete_record(incomplete: str) -> list[str]:
    return sorted(path.stem for path in Path(os.environ.get("ZOO_RESULTS", "results")).glob(f"*/{incomplete}*.json"))


def _names_with_prefix(
    incomplete: str, specs: Iterable[TaskSpec | ModelSpec | DatasetSpec | LoggerSpec | ExecutorSpec]
) -> list[str]:
    """Return bare names with this prefix, and qualified ones unless the prefix is empty."""
    specs = list(specs)
    bare = [spec.name for spec in specs if spec.name.startswith(incomplete)]
    qualified = [spec.qualified for spec in specs if incomplete and spec.qualified.startswith(incomplete)]
    return list(dict.fromkeys([*bare, *qualified]))

"""Contents of zoo-basics. Imports no torch."""

from __future__ import annotations

from zoo_core import DatasetSpec, ModelSpec, TaskSpec, hookimpl


@hookimpl
def zoo_tasks() -> list[TaskSpec]:
    return []


@hookimpl
def zoo_datasets() -> list[DatasetSpec]:
    return []


@hookimpl
def zoo_models() -> list[ModelSpec]:
    return []

"""Contents of zoo-classics: nets from LeNet to ResNet, and the task `sign-language`. Imports no torch."""

from __future__ import annotations

from zoo_classics import nets, sign_language
from zoo_core import DatasetSpec, ModelSpec, TaskSpec, hookimpl


@hookimpl
def zoo_tasks() -> list[TaskSpec]:
    return list(sign_language.TASKS)


@hookimpl
def zoo_datasets() -> list[DatasetSpec]:
    return list(sign_language.DATASETS)


@hookimpl
def zoo_models() -> list[ModelSpec]:
    return [*nets.MODELS, *sign_language.MODELS]

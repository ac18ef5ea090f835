"""Contents of zoo-basics: the tasks of four first lessons, with their data sets and models. Imports no torch."""

from __future__ import annotations

from zoo_basics.gradients import specs as gradients
from zoo_basics.optimizers import specs as optimizers
from zoo_basics.products import specs as products
from zoo_basics.two_classes import specs as two_classes
from zoo_core import DatasetSpec, ModelSpec, TaskSpec, hookimpl

LESSONS = (products, gradients, two_classes, optimizers)


@hookimpl
def zoo_tasks() -> list[TaskSpec]:
    return [lesson.TASK for lesson in LESSONS]


@hookimpl
def zoo_datasets() -> list[DatasetSpec]:
    return [dataset for lesson in LESSONS for dataset in lesson.DATASETS]


@hookimpl
def zoo_models() -> list[ModelSpec]:
    return [model for lesson in LESSONS for model in lesson.MODELS]

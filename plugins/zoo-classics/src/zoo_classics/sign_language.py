"""The task `sign-language`, its data sets and models. Imports no torch."""

from __future__ import annotations

from zoo_core import DatasetSpec, ModelSpec, TaskSpec

TASKS: list[TaskSpec] = []
DATASETS: list[DatasetSpec] = []
MODELS: list[ModelSpec] = []

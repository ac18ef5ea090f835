"""Specs of the task `word2vec`, its data sets and models. Imports no torch."""

from __future__ import annotations

from zoo_core import DatasetSpec, ModelSpec, TaskSpec

TASKS: tuple[TaskSpec, ...] = ()
DATASETS: tuple[DatasetSpec, ...] = ()
MODELS: tuple[ModelSpec, ...] = ()

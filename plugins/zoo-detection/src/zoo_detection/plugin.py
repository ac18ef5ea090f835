"""Contents of zoo-detection: its tasks, data sets and models. Imports no torch."""

from __future__ import annotations

from zoo_core import DatasetSpec, hookimpl
from zoo_detection.datasets import DATASETS


@hookimpl
def zoo_datasets() -> list[DatasetSpec]:
    return list(DATASETS)

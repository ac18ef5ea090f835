"""The data sets of zoo-detection. Imports no torch."""

from __future__ import annotations

from zoo_core import DatasetSpec

DATASETS: list[DatasetSpec] = []

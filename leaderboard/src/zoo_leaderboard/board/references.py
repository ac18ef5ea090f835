"""Reference scores that a task states with their sources: which of them belong to which data set."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from zoo_core.results.records import TaskFacts


def references_on(task: TaskFacts, dataset: str) -> list[Mapping[str, Any]]:
    """Return the references of a task whose scores were reached on this data set."""
    return [reference for reference in task.references if reference.get("dataset") == dataset]


def references_elsewhere(task: TaskFacts, datasets: Collection[str]) -> list[Mapping[str, Any]]:
    """Return the references on other data sets, and those of old records, which do not name their data set."""
    return [reference for reference in task.references if reference.get("dataset") not in datasets]

"""Reference scores name the data set that they were reached on."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from zoo_core import Reference, TaskSpec
from zoo_core.checks import CheckFailedError
from zoo_core.checks.task import metadata
from zoo_core.registry import Registry
from zoo_core.runner.record_facts import task_facts

TASK = TaskSpec(
    name="digits",
    title="Digits",
    summary="Tell digits apart.",
    kind="image-classification",
    datasets=("first", "second", "zoo-b:third"),
    metric="accuracy",
    higher_is_better=True,
    plugin="zoo-a",
)


def with_references(*datasets: str) -> TaskSpec:
    return replace(TASK, references=tuple(Reference(value=0.9, source="a paper", dataset=name) for name in datasets))


def test_a_record_names_the_data_set_of_a_reference_with_its_plugin() -> None:
    facts = task_facts(with_references("", "second", "zoo-b:third"))
    assert [item["dataset"] for item in facts.references] == ["zoo-a:first", "zoo-a:second", "zoo-b:third"]


def test_a_reference_on_a_data_set_that_the_task_does_not_have_fails_a_check() -> None:
    metadata(SimpleNamespace(spec=with_references("second")))  # type: ignore[arg-type]
    with pytest.raises(CheckFailedError, match="'fourth', which is no data set of the task"):
        metadata(SimpleNamespace(spec=with_references("fourth")))  # type: ignore[arg-type]


def test_the_references_of_installed_tasks_are_on_data_sets_of_theirs() -> None:
    registry = Registry.load()
    for task in registry.tasks:
        names = {name for dataset in registry.datasets_of(task) for name in (dataset.name, dataset.qualified)}
        assert {reference.dataset for reference in task.references} <= {"", *names}, task.name
        known = {dataset.qualified for dataset in registry.datasets_of(task)}
        assert {item["dataset"] for item in task_facts(task).references} <= known, task.name

"""Finds the specs of a job in the worker, from the plugins that its names belong to and no others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from zoo_core.entries import names_file
from zoo_core.errors import ChangedFileError
from zoo_core.registry import Registry
from zoo_core.runner.events import TrialJob
from zoo_core.runner.identity import recipes_sha256, specs_sha256
from zoo_core.specs import DatasetSpec, ModelSpec, TaskSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class JobSpecs:
    """The specs of a trial."""

    task: TaskSpec
    dataset: DatasetSpec
    model: ModelSpec


def find_specs(job: TrialJob, on_loaded: Callable[[], None] = lambda: None) -> JobSpecs:
    """Find the specs of a trial. Raises ChangedFileError if they are not those of the plan.

    on_loaded: called when the plugins are loaded, before the model of a notebook is read, which imports its modules.
    The plugins of the task and the data set are loaded before that of the model, whose code could change their specs.
    """
    registry = Registry.load(_plugins(job.task, job.dataset))
    task, dataset = registry.task(job.task), registry.dataset(job.dataset)
    others = _plugins(job.model)
    if others is None or not others <= set(registry.versions):
        registry = Registry.load(_plugins(job.task, job.model))
    on_loaded()
    model = registry.model_or_file(job.model, task)
    planned = (job.specs, job.recipes)
    if job.specs and (specs_sha256(task, dataset, model), recipes_sha256(task, model)) != planned:
        raise ChangedFileError(
            f"the metadata of {task.qualified}, {dataset.qualified} or {model.qualified} changed after the run was "
            "planned, or another plugin changed it: run the command again, in a notebook after a restart of its kernel"
        )
    return JobSpecs(task=task, dataset=dataset, model=model)


def find_task_and_dataset(job: TrialJob) -> tuple[TaskSpec, DatasetSpec]:
    """Find the specs of the task and the data set, without loading the model's plugin unless it is one of theirs."""
    registry = Registry.load(_plugins(job.task, job.dataset))
    return registry.task(job.task), registry.dataset(job.dataset)


def find_dataset(name: str) -> DatasetSpec:
    """Find the specs of a data set, without loading other plugins than its own."""
    return Registry.load(_plugins(name)).dataset(name)


def _plugins(*names: str) -> set[str] | None:
    """Return the plugins of qualified names; None, for all plugins, if a name is bare. A model may be a file."""
    qualified = [name for name in names if not names_file(name)]
    if not all(":" in name for name in qualified):
        return None
    return {name.partition(":")[0] for name in qualified}

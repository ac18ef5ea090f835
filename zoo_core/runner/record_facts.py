"""The parts of a record that are known before the trial runs: task, data set, model and device, from their specs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from zoo_core.results.records import DatasetFacts, DeviceFacts, ModelFacts, TaskFacts
from zoo_core.runner.events import ModelSize
from zoo_core.runner.planned_trial import PlannedTrial, kind_version
from zoo_core.specs import DatasetSpec, TaskSpec

if TYPE_CHECKING:
    from torch import nn


def task_facts(task: TaskSpec) -> TaskFacts:
    return TaskFacts(
        name=task.qualified,
        title=task.title,
        summary=task.summary,
        version=task.version,
        kind=task.kind,
        kind_version=kind_version(task),
        metric=task.metric,
        higher_is_better=task.higher_is_better,
        unit=task.unit,
        target=task.target,
        chance=task.chance,
        references=[
            {**asdict(reference), "dataset": _qualified(reference.dataset or task.datasets[0], task.plugin)}
            for reference in task.references
        ],
    )


def _qualified(name: str, plugin: str) -> str:
    """Return a data set's name with its plugin, which is the task's own unless the name says otherwise."""
    return name if ":" in name else f"{plugin}:{name}"


def dataset_facts(dataset: DatasetSpec, fingerprint: str, examples: dict[str, int]) -> DatasetFacts:
    return DatasetFacts(
        name=dataset.qualified,
        title=dataset.title,
        version=dataset.version,
        origin=dataset.origin,
        licence=dataset.licence,
        fingerprint=fingerprint,
        homepage=dataset.homepage,
        examples=examples,
    )


def model_facts(trial: PlannedTrial) -> ModelFacts:
    model, weights, option = trial.model, trial.weights_name, trial.request.weights
    pretrained_on = model.pretrained_on
    if option:  # a local file may have been trained on anything, so it must not pass for the published one
        pretrained_on = f"unknown data ({weights})" if weights else ""
    return ModelFacts(
        name=model.qualified,
        title=model.title,
        version=model.version,
        code_sha256=trial.code.model.sha256,
        source=model.source,
        year=model.year,
        paper=model.paper,
        pretrained_on=pretrained_on,
        weights=weights,
        weights_option=(weights or option) if option else "",
    )


def device_facts(trial: PlannedTrial) -> DeviceFacts:
    index = trial.device.partition(":")[2]
    return DeviceFacts(
        kind=trial.device_class,
        name=trial.device_name,
        index=int(index) if index else None,
        dtype=trial.dtype,
        compiled=trial.request.compiled,
        requested_threads=trial.request.threads,
    )


def model_size(model: nn.Module) -> ModelSize:
    """Count a built model's parameters, and the MiB that they and its buffers take; FLOPs are left unknown."""
    parameters, buffers = [*model.parameters()], [*model.buffers()]
    return ModelSize(
        parameters=sum(item.numel() for item in parameters),
        trainable_parameters=sum(item.numel() for item in parameters if item.requires_grad),
        size_mib=sum(tensor.numel() * tensor.element_size() for tensor in [*parameters, *buffers]) / 2**20,
    )

"""The shared kinds: interfaces that let a model of one plugin run on a task of another. Torch-free.

Each kind has a folder here, whose `__init__.py` states the interface and describes the kind in one `Kind` object.
To add a kind, add its folder, an import of it, and a line in `KINDS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from zoo_core.entries import resolve_entry
from zoo_core.kinds import image_classification, regression, segmentation
from zoo_core.kinds.kind import Kind as Kind
from zoo_core.kinds.kind import by_name
from zoo_core.kinds.names import find_renamed
from zoo_core.kinds.recipes import AUGMENTATION as AUGMENTATION
from zoo_core.kinds.recipes import CLASS_LOSS as CLASS_LOSS
from zoo_core.kinds.recipes import NORMALIZE as NORMALIZE
from zoo_core.kinds.recipes import SUPERVISED as SUPERVISED
from zoo_core.optional import TASK_PROTOCOLS, refuse_misspelt_methods
from zoo_core.specs import ModelSpec, Params, Signature, TaskSpec

if TYPE_CHECKING:
    from zoo_core.protocols import Task

KINDS: Mapping[str, Kind] = by_name(
    regression.KIND,
    image_classification.KIND,
    segmentation.KIND,
)
IMAGE_KINDS = tuple(name for name, kind in KINDS.items() if kind.takes_images)


def __getattr__(name: str) -> object:
    entries = {
        "seen_by": "zoo_core.kinds:adapted_signature",
        "LOOKING": "zoo_core.kinds:IMAGE_KINDS",
        "body_entry": "zoo_core.kinds:task_entry",
        "make_body": "zoo_core.kinds:make_task",
    }
    return find_renamed(__name__, name, entries)


def kind_recipe(task: TaskSpec) -> Params:
    """Return the hyper-parameters of a task's kind; none for a plugin's own kind, whose tasks state all of them."""
    return KINDS[task.kind].recipe if task.kind in KINDS else {}


def chance(task: TaskSpec, signature: Signature) -> float | None:
    """Return the chance level in the task's metric, or None if it is unknown.

    It is the data's `extra["chance"]` if that has the metric, otherwise 1 / classes for accuracy, otherwise the
    `chance` of the task's spec.
    """
    stated: Mapping[str, float] = signature.extra.get("chance", {})
    if task.metric in stated:
        return stated[task.metric]
    if task.metric == "accuracy" and signature.outputs:
        return 1 / signature.outputs
    return task.chance


def task_entry(task: TaskSpec) -> str:
    """Return the entry that makes the task: that of the task's spec, or else that of its kind."""
    return task.entry or KINDS[task.kind].task_entry


def make_task(spec: TaskSpec) -> Task:
    """Import the code of a task and make the task from its spec. Raises EntryError, MisspeltMethodError."""
    task: Task = resolve_entry(task_entry(spec))(spec)
    refuse_misspelt_methods(f"task {spec.qualified}", type(task), TASK_PROTOCOLS)
    return task


def adapted_signature(model: ModelSpec, task: TaskSpec, signature: Signature, recipe: Mapping[str, Any]) -> Signature:
    """Return the signature that the model is built for: the data's, with images adapted to the model.

    Images of kinds that resize get the recipe's `image_size`, or else the only size that the model takes. Grey images
    get three channels if the model takes only three. `mean` and `std` become those of the model's spec if it has any.
    """
    kind = KINDS.get(task.kind)
    if kind is None or not kind.takes_images or len(signature.input_shape) != 3:
        return signature
    channels, height, width = signature.input_shape
    mean, std = signature.mean, signature.std
    size = recipe.get("image_size") or model.accepts.fixed_size
    if size and kind.resizes_images:
        height = width = size
    if channels == 1 and model.accepts.channels == (3,):
        channels, mean, std = 3, mean * 3, std * 3
    if len(model.mean) == channels:
        mean, std = model.mean, model.std
    return replace(signature, input_shape=(channels, height, width), mean=mean, std=std)

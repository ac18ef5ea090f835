"""The shared kinds: the treaties that let one plugin's model run another plugin's task.

Each treaty is stated in the docstring of its module, which also holds the ready body. This table is torch-free.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType

from zoo_core.specs import Param, Params, TaskSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Kind:
    """A shared kind: `entry(spec) -> Task` is its ready body, `recipe` its hyper-parameters."""

    name: str
    summary: str
    entry: str
    recipe: Params = field(default_factory=dict)
    version: int = 1


SUPERVISED: Params = MappingProxyType(
    {
        "batch_size": Param(default=32, help="examples a step", minimum=1),
        "optimizer": Param(default="sgd", choices=("sgd", "adam", "adamw")),
        "lr": Param(default=0.01, help="learning rate, the highest of the schedule", minimum=0.0),
        "momentum": Param(default=0.9, help="of SGD", minimum=0.0),
        "nesterov": Param(default=False, help="of SGD"),
        "weight_decay": Param(default=0.0, minimum=0.0),
        "schedule": Param(
            default="constant", choices=("constant", "cosine", "linear"), help="of the learning rate, down to 0"
        ),
        "warmup": Param(default=0.0, help="share of the training in which the rate rises from 0", minimum=0.0),
        "clip_norm": Param(default=0.0, help="largest norm of the gradient; 0: any", minimum=0.0),
    }
)

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="regression",
            summary="numbers from numbers: (batch, *input_shape) -> (batch, outputs), mean squared error",
            entry="zoo_core.kinds.regression:Regression",
            recipe=SUPERVISED,
        ),
        Kind(
            name="image-classification",
            summary="a class from an image: (batch, channels, height, width) -> (batch, classes) logits, cross-entropy",
            entry="zoo_core.kinds.image_classification:ImageClassification",
            recipe={
                **SUPERVISED,
                "label_smoothing": Param(default=0.0, help="of the cross-entropy", minimum=0.0),
                "normalize": Param(
                    default=True, help="shift and scale the channels by train's mean and deviation; else [0, 1]"
                ),
            },
        ),
    )
}


def kind_recipe(task: TaskSpec) -> Params:
    """The hyper-parameters of a task's kind; none for a plugin's own kind, whose task states all of them."""
    return KINDS[task.kind].recipe if task.kind in KINDS else {}


def body_entry(task: TaskSpec) -> str:
    """The entry of the task's body: its own, or its kind's ready one."""
    return task.entry or KINDS[task.kind].entry

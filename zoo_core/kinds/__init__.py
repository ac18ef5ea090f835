"""The shared kinds: the treaties that let one plugin's model run another plugin's task.

Each objective is stated in the docstring of its module, which also holds the ready body. This table is torch-free.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from zoo_core.specs import ModelSpec, Param, Params, Signature, TaskSpec


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

# Each image of a batch draws its own parameters, uniformly; mixup and cutmix draw one for a batch (kinds/augment.py).
AUGMENTATION: Params = MappingProxyType(
    {
        "crop": Param(default=0, help="shift by up to so many of the data's pixels, the border mirrored", minimum=0),
        "flip": Param(default=False, help="mirror every second image"),
        "rotate": Param(default=0.0, help="by up to so many degrees", minimum=0.0),
        "zoom": Param(default=0.0, help="by up to so large a share, at most 0.9, in or out", minimum=0.0),
        "shear": Param(default=0.0, help="by up to so many degrees", minimum=0.0),
        "recolour": Param(default=False, help="exchange the colour channels of every second image"),
        "contrast": Param(default=0.0, help="changed by up to so large a share", minimum=0.0),
        "brightness": Param(default=0.0, help="changed by up to so large a share", minimum=0.0),
        "blur": Param(default=0.0, help="Gaussian, deviation up to so many pixels", minimum=0.0),
        "mixup": Param(
            default=0.0, help="alpha of Beta(alpha, alpha), the share of another image; 0: none", minimum=0.0
        ),
        "cutmix": Param(default=0.0, help="alpha, as mixup, of a box from another image; 0: none", minimum=0.0),
    }
)

IMAGES = "image-classification"
SEGMENTATION = "segmentation"
IMAGE_KINDS = (IMAGES, SEGMENTATION)  # kinds whose inputs are images, which `adapted_signature` adapts

NORMALIZE = Param(
    default=True,
    help="shift and scale the channels by train's mean and deviation, or the model's own; else [0, 1]",
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
            name=IMAGES,
            summary="a class from an image: (batch, channels, height, width) -> (batch, classes) logits, cross-entropy",
            entry="zoo_core.kinds.image_classification:ImageClassification",
            recipe={
                **SUPERVISED,
                "label_smoothing": Param(default=0.0, help="of the cross-entropy", minimum=0.0),
                "normalize": NORMALIZE,
                "image_size": Param(
                    default=0,
                    help="height and width that images are brought to; 0: the data's, or the model's only one",
                    minimum=0,
                ),
                **AUGMENTATION,
            },
        ),
        Kind(
            name=SEGMENTATION,
            summary="a class for every pixel: (batch, channels, height, width) -> (batch, classes, height, width) "
            "logits, cross-entropy",
            entry="zoo_core.kinds.segmentation:Segmentation",
            recipe={
                **SUPERVISED,
                "batch_size": Param(default=4, help="examples a step", minimum=1),
                "normalize": NORMALIZE,
                "crop_size": Param(
                    default=0,
                    help="train on random squares of so many pixels a side; 0: on whole images",
                    minimum=0,
                ),
                "dice_weight": Param(default=0.0, help="of 1 - soft Dice, beside the cross-entropy", minimum=0.0),
                "class_balance": Param(
                    default=0.0,
                    help="weigh a class by (median share of pixels / its share) to this power; 0: all the same",
                    minimum=0.0,
                ),
                "flip": AUGMENTATION["flip"],
                "turn": Param(default=False, help="any of the eight views: flipped, upside down, by quarter turns"),
                "contrast": AUGMENTATION["contrast"],
                "brightness": AUGMENTATION["brightness"],
            },
        ),
    )
}


def kind_recipe(task: TaskSpec) -> Params:
    """The hyper-parameters of a task's kind; none for a plugin's own kind, whose task states all of them."""
    return KINDS[task.kind].recipe if task.kind in KINDS else {}


def chance(task: TaskSpec, signature: Signature) -> float | None:
    """The score of guessing: what the data say, else of accuracy 1 / classes, else the task's."""
    told: Mapping[str, float] = signature.extra.get("chance", {})
    if task.metric in told:
        return told[task.metric]
    if task.metric == "accuracy" and signature.outputs:
        return 1 / signature.outputs
    return task.chance


def body_entry(task: TaskSpec) -> str:
    """The entry of the task's body: its own, or its kind's ready one."""
    return task.entry or KINDS[task.kind].entry


def adapted_signature(model: ModelSpec, task: TaskSpec, signature: Signature, recipe: Mapping[str, Any]) -> Signature:
    """The signature that a model is built for: the data's, save what its kind adapts.

    Images to classify are brought to the recipe's `image_size`, else to the only size the model takes; grey ones get
    three channels for a model that takes only three; they are normalised as the model's weights want it, where its spec
    says how.
    """
    if task.kind not in IMAGE_KINDS or len(signature.input_shape) != 3:
        return signature
    channels, height, width = signature.input_shape
    mean, std = signature.mean, signature.std
    size = recipe.get("image_size") or model.accepts.fixed_size
    if size and task.kind == IMAGES:
        height = width = size
    if channels == 1 and model.accepts.channels == (3,):
        channels, mean, std = 3, mean * 3, std * 3
    if len(model.mean) == channels:
        mean, std = model.mean, model.std
    return replace(signature, input_shape=(channels, height, width), mean=mean, std=std)

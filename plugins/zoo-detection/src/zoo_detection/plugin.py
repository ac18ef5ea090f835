"""Contents of zoo-detection: the tasks `road-signs` and `cats-and-dogs`, their data and models. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo_core import Accepts, DatasetSpec, Download, ModelSpec, Param, TaskSpec, hookimpl
from zoo_core.kinds import AUGMENTATION, SUPERVISED
from zoo_detection.datasets import DATASETS

KIND = "zoo-detection/detection"
TORCHVISION = "https://download.pytorch.org/models/"
RECIPE: Mapping[str, Any] = {
    **SUPERVISED,
    "batch_size": Param(default=8, help="pictures per step", minimum=1),
    "zoom": Param(
        default=0.0,
        help="show a part or all of a picture, up to 1 + this times larger or smaller, anywhere",
        minimum=0.0,
    ),
    "flip": AUGMENTATION["flip"],
    "min_visible": Param(
        default=0.4,
        help="a box cut at a border is trained on if at least this share of it is left",
        minimum=0.0,
        maximum=1.0,
    ),
    "contrast": AUGMENTATION["contrast"],
    "brightness": AUGMENTATION["brightness"],
    "saturation": Param(default=0.0, help="change the saturation of colours by up to this share", minimum=0.0),
}
VIEWS = {"zoom": 0.5, "flip": True, "contrast": 0.3, "brightness": 0.3, "saturation": 0.4}
ADAMW = {"optimizer": "adamw", "weight_decay": 0.01, "schedule": "cosine", "warmup": 0.1, "clip_norm": 10.0}
SIZE = Param(default=320, help="pixels a side to which pictures are scaled before the net; 0: as they are", minimum=0)


@hookimpl
def zoo_tasks() -> list[TaskSpec]:
    shared: dict[str, Any] = {
        "kind": KIND,
        "entry": "zoo_detection.task:Detection",
        "export": "zoo_detection.exporting:detection",
        "metric": "map50",
        "higher_is_better": True,
        "chance": 0.0,
        "unit": "pictures",
        "quick": {"steps": 28, "eval_every": 1.0},
    }
    return [
        TaskSpec(
            name="road-signs",
            title="Road signs in photos",
            summary="Find traffic lights, stop signs, speed limits and crosswalks: a box and a class for each.",
            datasets=("road-sign-detection", "drawn-roads", "coco-boxes"),
            target=0.5,
            recipe={**RECIPE, **ADAMW, **VIEWS, "steps": 2400},
            **shared,
        ),
        TaskSpec(
            name="cats-and-dogs",
            title="Heads of cats and dogs",
            summary="Find the heads of cats and dogs in photos: a box and a class.",
            datasets=("dog-and-cat-detection", "drawn-animals", "coco-boxes"),
            target=0.5,
            recipe={**RECIPE, **ADAMW, **VIEWS, "steps": 3000},
            **shared,
        ),
    ]


@hookimpl
def zoo_datasets() -> list[DatasetSpec]:
    return list(DATASETS)


@hookimpl
def zoo_models() -> list[ModelSpec]:
    every: dict[str, Any] = {"kind": KIND, "accepts": Accepts(channels=(3,), min_size=64)}
    return [
        ModelSpec(
            name="one-shot",
            title="One-stage detector, three grids of cells, no anchors: our own, to be read in one sitting",
            entry="zoo_detection.models.one_shot:one_shot",
            options={"width": Param(default=24, help="channels at a quarter of the size", minimum=2)},
            recipe={"*": {"lr": 0.002, "batch_size": 4, "steps": 4800}},
            quick={"batch_size": 8},
            **every,
        ),
        ModelSpec(
            name="sliding-window",
            title="A small classifier on every window of the picture",
            entry="zoo_detection.models.sliding_window:sliding_window",
            options={
                "width": Param(default=16, help="channels of the first layer", minimum=1),
                "step": Param(default=0.4, help="from one window to the next, in shorter sides of it", minimum=0.1),
            },
            recipe={"*": {"lr": 0.002, "eval_every": 20.0}},  # evaluation is slower than training
            quick={"step": 1.5, "steps": 20},
            **every,
        ),
        ModelSpec(
            name="retinanet-small",
            title="RetinaNet on MobileNetV3-Small with narrow heads, random weights",
            entry="zoo_detection.models.on_torchvision:retinanet_small",
            options={
                "size": SIZE,
                "width": Param(
                    default=64, help="channels of the pyramid and the heads; the original has 256", minimum=8
                ),
            },
            recipe={"*": {"lr": 0.001}},
            quick={"size": 0, "width": 32, "steps": 4},
            tasks=("road-signs",),  # on the other task it would teach nothing more, and cost as much again
            **every,
        ),
        _with_weights(
            "ssdlite", "SSDlite on MobileNetV3-Large", "ssdlite320_mobilenet_v3_large_coco-a79551df.pth", 13.4
        ),
        _with_weights(
            "faster-rcnn",
            "Faster R-CNN on MobileNetV3-Large, for 320 pixels",
            "fasterrcnn_mobilenet_v3_large_320_fpn-907ea3f9.pth",
            74.2,
        ),
        _with_weights(
            "retinanet",
            "RetinaNet on ResNet-50: too heavy for two cores",
            "retinanet_resnet50_fpn_coco-eeacb38b.pth",
            130.3,
        ),
    ]


def _with_weights(name: str, title: str, file: str, size_mib: float) -> ModelSpec:
    """Describe a detector of torchvision that starts with its weights from COCO."""
    return ModelSpec(
        name=name,
        title=title,
        entry=f"zoo_detection.models.on_torchvision:{name.replace('-', '_')}",
        kind=KIND,
        accepts=Accepts(channels=(3,), min_size=64),
        options={"size": SIZE},
        recipe={"*": {"lr": 0.0005, "steps": 300}},
        quick={"size": 128, "steps": 4},
        weights=Download(
            name=file,
            urls=(TORCHVISION + file,),
            sha256=file.rpartition("-")[2].removesuffix(".pth"),
            size_mib=size_mib,
        ),
        pretrained_on="COCO train2017",
    )

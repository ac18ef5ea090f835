"""Contents of zoo-metric-learning: the task `metric-learning`, its data sets and five models. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo_core import Accepts, DatasetSpec, ModelSpec, Param, Params, TaskSpec, hookimpl
from zoo_core.kinds import AUGMENTATION, SUPERVISED
from zoo_metric_learning.datasets import DATASETS

KIND = "zoo-metric-learning/embedding"
VIEWS: Mapping[str, Any] = {"crop": 2, "rotate": 12.0, "zoom": 0.15, "shear": 12.0, "elastic": 1.5, "untouched": 0.25}
# In so few steps, a net learns more from the images as they are.
PLAIN: Mapping[str, Any] = {**dict.fromkeys(VIEWS, 0.0), "crop": 0, "turns": False}
RECIPE: Params = {
    **SUPERVISED,
    "batch_size": Param(default=128, help="images in a batch: `per_class` of each of its classes", minimum=4),
    "per_class": Param(default=4, help="images of each class in a batch", minimum=2),
    "loss": Param(default="supcon", unset="supcon", choices=("supcon", "triplet", "contrastive")),
    "temperature": Param(default=0.1, help="of the loss `supcon`", minimum=0.001),
    "margin": Param(default=0.2, help="of the losses `triplet` and `contrastive`", minimum=0.0),
    "turns": Param(
        default=True,
        help="train on classes turned by 90, 180 and 270 degrees as classes of their own, where the data say they are",
    ),
    **{key: param for key, param in AUGMENTATION.items() if key not in ("mixup", "cutmix")},
    "untouched": Param(default=0.0, help="share of images that are not augmented", minimum=0.0, maximum=1.0),
    "elastic": Param(
        default=0.0, help="distort by moving places a third of the side apart by up to this many pixels", minimum=0.0
    ),
}


@hookimpl
def zoo_tasks() -> list[TaskSpec]:
    return [
        TaskSpec(
            name="metric-learning",
            title="Metric learning",
            summary="Embed pictures so that those of one class are near each other, also of classes never seen.",
            kind=KIND,
            datasets=tuple(dataset.name for dataset in DATASETS),
            metric="recall_at_1",
            higher_is_better=True,
            chance=0.03,
            target=0.55,
            unit="images",
            recipe={
                **RECIPE,
                **VIEWS,
                "optimizer": "adamw",
                "lr": 0.002,
                "weight_decay": 0.01,
                "schedule": "cosine",
                "warmup": 0.05,
                "ema": 0.99,
                "steps": 600,
            },
            quick={**PLAIN, "steps": 40, "batch_size": 64, "eval_every": 1.0},
            entry="zoo_metric_learning.task:MetricLearning",
        )
    ]


@hookimpl
def zoo_datasets() -> list[DatasetSpec]:
    return list(DATASETS)


@hookimpl
def zoo_models() -> list[ModelSpec]:
    shared: dict[str, Any] = {
        "entry": "zoo_metric_learning.models.conv:embedding",
        "kind": KIND,
        "accepts": Accepts(min_size=8),
        "options": {"width": Param(default=32, help="channels of the first layer", minimum=1)},
        "quick": {"width": 12},
    }
    return [
        ModelSpec(
            name="supcon",
            title="A small convolution net with the supervised contrastive loss",
            year=2020,
            paper="arXiv:2004.11362",
            **shared,
        ),
        ModelSpec(
            name="triplet",
            title="The same net with the triplet loss, semi-hard mining",
            recipe={"*": {"loss": "triplet", "margin": 0.2}},
            year=2015,
            paper="arXiv:1503.03832",
            **shared,
        ),
        ModelSpec(
            name="contrastive",
            title="The same net with the contrastive loss of pairs",
            recipe={"*": {"loss": "contrastive", "margin": 1.4}},  # as far apart as directions at right angles
            year=2006,
            **shared,
        ),
        ModelSpec(
            name="softmax-head",
            title="The same net trained to classify: the last layer but one is the embedding",
            **{**shared, "entry": "zoo_metric_learning.models.conv:softmax_head"},
        ),
        ModelSpec(
            name="pixels",
            title="The pixels themselves: nothing to train",
            entry="zoo_metric_learning.models.pixels:pixels",
            kind=KIND,
            recipe={"*": {"steps": 1}},
            quick={"steps": 1, "batch_size": 32},  # differs from the default, to appear also on boards of quick recipes
        ),
    ]

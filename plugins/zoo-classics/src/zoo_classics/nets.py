"""The specs of the classic nets. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping

from zoo_classics.sign_language import KIND, POSES
from zoo_core import Accepts, ModelSpec, Param

TASKS = ("sign-language",)  # of `zoo bench --all`; every other image task takes the nets by name
ANY_SIZE = Accepts(min_size=8)
WIDTH = Param(
    default=0.0,
    help="share of the original's channels; 0: all from 128 pixels on, a quarter for smaller images",
    minimum=0.0,
    maximum=4.0,
)
DENSE_DROPOUT = Param(default=0.5, help="dropout of the dense layers, as in the paper", minimum=0.0, maximum=1.0)
SGD = {"optimizer": "sgd", "nesterov": True, "momentum": 0.9, "schedule": "linear", "warmup": 0.15, "batch_size": 128}
ON_CIFAR10 = {"epochs": 2.0, "eval_every": 0.5, "label_smoothing": 0.1, "crop": 2, "flip": True}
ON_SIGNS = {"batch_size": 32, **POSES}
# A second or two on a CPU: they show what a step costs, and are too few for the deep nets to learn much.
QUICK = {"optimizer": "adamw", "lr": 0.002, "batch_size": 32, "eval_every": 1.0}
QUICK |= {"crop": 0, "flip": False, "rotate": 0.0, "zoom": 0.0}
SMALL_AND_QUICK = {**QUICK, "image_size": 16}
WITHOUT_DROPOUT = {**SMALL_AND_QUICK, "lr": 0.001, "dropout": 0.0}  # in forty steps no net overfits


def recipe_with(lr: float, **signs: float) -> Mapping[str, Mapping[str, object]]:
    """Return the recipe of a net with this learning rate for batches of 128; `signs` are changes on sign-language."""
    return {
        "*": {**SGD, "lr": lr, "weight_decay": 0.0005, "epochs": 10.0},
        "cifar10": ON_CIFAR10,
        "sign-language": {**ON_SIGNS, "lr": lr / 2, **signs},
    }


MODELS: list[ModelSpec] = [
    ModelSpec(
        name="lenet",
        title="LeNet-5: two convolutions, three dense layers, tanh",
        entry="zoo_classics.models.lenet:lenet",
        kind=KIND,
        tasks=TASKS,
        accepts=Accepts(fixed_size=32),
        recipe=recipe_with(0.05),
        quick={**QUICK, "lr": 0.005, "batch_size": 64, "steps": 100, "eval_every": 2.0},
        year=1998,
        paper="https://doi.org/10.1109/5.726791",
    ),
    ModelSpec(
        name="alexnet",
        title="AlexNet: five convolutions, ReLU, dropout",
        entry="zoo_classics.models.alexnet:alexnet",
        kind=KIND,
        tasks=TASKS,
        accepts=ANY_SIZE,
        options={"width": WIDTH, "dropout": DENSE_DROPOUT},
        recipe=recipe_with(0.02, image_size=64),
        quick={**WITHOUT_DROPOUT, "steps": 40},
        year=2012,
        paper="https://proceedings.neurips.cc/paper/2012/hash/c399862d3b9d6b76c8436e924a68c45b-Abstract.html",
    ),
    *(
        ModelSpec(
            name=f"vgg-{depth}",
            title=f"VGG-{depth}: {depth - 3} convolutions of 3x3, three dense layers",
            entry=f"zoo_classics.models.vgg:vgg_{depth}",
            kind=KIND,
            tasks=TASKS,
            accepts=ANY_SIZE,
            options={
                "width": WIDTH,
                "dropout": DENSE_DROPOUT,
                "batch_norm": Param(default=False, help="BatchNorm behind each convolution: a year younger"),
            },
            recipe=recipe_with(0.02, image_size=64),
            quick={**WITHOUT_DROPOUT, "steps": 30 if depth == 11 else 25},
            year=2014,
            paper="arXiv:1409.1556",
        )
        for depth in (11, 16)
    ),
    ModelSpec(
        name="googlenet",
        title="GoogLeNet: nine Inception modules, BatchNorm",
        entry="zoo_classics.models.googlenet:googlenet",
        kind=KIND,
        tasks=TASKS,
        accepts=ANY_SIZE,
        options={"width": WIDTH, "dropout": Param(default=0.4, help="before the last layer", minimum=0.0, maximum=1.0)},
        recipe=recipe_with(0.1, image_size=64),
        quick={**SMALL_AND_QUICK, "steps": 8},
        year=2014,
        paper="arXiv:1409.4842",
    ),
    ModelSpec(
        name="resnet-18",
        title="ResNet-18: eight blocks that add to their input",
        entry="zoo_classics.models.resnet:resnet_18",
        kind=KIND,
        tasks=TASKS,
        accepts=ANY_SIZE,
        options={"width": WIDTH},
        recipe=recipe_with(0.1, image_size=64),
        quick={**SMALL_AND_QUICK, "steps": 20},
        year=2015,
        paper="arXiv:1512.03385",
    ),
    ModelSpec(
        name="resnet-50",
        title="ResNet-50: sixteen bottlenecks",
        entry="zoo_classics.models.resnet:resnet_50",
        kind=KIND,
        tasks=TASKS,
        accepts=ANY_SIZE,
        options={"width": WIDTH},
        recipe=recipe_with(0.1, image_size=64),
        quick={**SMALL_AND_QUICK, "steps": 6},
        year=2015,
        paper="arXiv:1512.03385",
    ),
]

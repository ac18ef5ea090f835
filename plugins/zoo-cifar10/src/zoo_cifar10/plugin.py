"""What zoo-cifar10 adds: the task `cifar10`, its three data sets and five models. Imports no torch."""

from __future__ import annotations

from zoo_core import Accepts, DatasetSpec, Download, ModelSpec, Param, Reference, Signature, TaskSpec, hookimpl

KIND = "image-classification"
IMAGE = Signature(input_shape=(3, 32, 32), outputs=10)
OFFICIAL = "https://www.cs.toronto.edu/~kriz/"
WIDTHS = "channels of the convolutions"
SGD = {"optimizer": "sgd", "nesterov": True, "schedule": "linear", "warmup": 0.15}


@hookimpl
def zoo_tasks() -> list[TaskSpec]:
    return [
        TaskSpec(
            name="cifar10",
            title="CIFAR-10",
            summary="Recognise which of ten things a picture of 32x32 pixels shows: convolutions beat dense nets.",
            kind=KIND,
            datasets=("cifar10", "cifar10-images", "shapes"),
            metric="accuracy",
            higher_is_better=True,
            chance=0.1,
            target=0.8,
            unit="images",
            recipe={"epochs": 6.0},
            quick={"steps": 70, "eval_every": 0.8},
            references=(
                Reference(value=0.94, model="airbench94", source="Jordan 2024, arXiv:2404.00498, official pixels"),
                Reference(value=0.9125, model="ResNet-20", source="He et al. 2015, arXiv:1512.03385, official pixels"),
            ),
        )
    ]


@hookimpl
def zoo_datasets() -> list[DatasetSpec]:
    return [
        DatasetSpec(
            name="cifar10",
            title="CIFAR-10",
            origin="real",
            licence="none stated; cite Krizhevsky 2009",
            homepage=OFFICIAL + "cifar.html",
            size_mib=162.2,
            layout="the official batches, binary (data_batch_1.bin ...) or Python's (data_batch_1 ...), at any depth",
            signature=IMAGE,
            downloads=(
                Download(
                    name="cifar-10-binary.tar.gz",
                    urls=(OFFICIAL + "cifar-10-binary.tar.gz",),
                    sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                    size_mib=162.2,
                ),
            ),
            entry="zoo_cifar10.data:Cifar10",
        ),
        DatasetSpec(
            name="cifar10-images",
            title="CIFAR-10 saved as pictures",
            origin="copy",
            licence="none stated; cite Krizhevsky 2009",
            homepage=OFFICIAL + "cifar.html",
            layout="train/<class>/*.jpg and test/<class>/*.jpg of 32x32 pixels, the ten official classes",
            signature=IMAGE,
            entry="zoo_cifar10.data:Cifar10Images",
        ),
        DatasetSpec(
            name="shapes",
            title="Ten drawn shapes of any position, size and colour",
            origin="synthetic",
            licence="CC0-1.0",
            signature=IMAGE,
            entry="zoo_cifar10.drawn:Shapes",
        ),
    ]


@hookimpl
def zoo_models() -> list[ModelSpec]:
    return [*_small_models(), *_large_models()]


def _small_models() -> list[ModelSpec]:
    """Describe the models for a CPU: those of the course, and a faster one."""
    adamw = {"optimizer": "adamw", "weight_decay": 0.05, "schedule": "cosine", "warmup": 0.1}
    return [
        ModelSpec(
            name="mlp",
            title="Dense layers: the course shows that they are not enough",
            entry="zoo_cifar10.models.mlp:mlp",
            kind=KIND,
            options={"widths": Param(default=[512, 512], help="of the hidden layers"), "dropout": 0.1},
            recipe={
                "*": {**adamw, "lr": 0.001, "batch_size": 256},
                "cifar10": {"epochs": 10.0, "label_smoothing": 0.1, "flip": True},
            },
        ),
        ModelSpec(
            name="cnn",
            title="Four convolutions, BatchNorm, dropout: the course's",
            entry="zoo_cifar10.models.cnn:cnn",
            kind=KIND,
            accepts=Accepts(min_size=16),
            options={"widths": Param(default=[32, 64, 128, 256], help=WIDTHS), "dropout": 0.2},
            recipe={
                "*": {**SGD, "lr": 0.1, "momentum": 0.9, "weight_decay": 0.0005, "batch_size": 128},
                "cifar10": {"label_smoothing": 0.1, "crop": 2, "flip": True},
            },
            # The short schedule cannot recover from the default's highest learning rate.
            quick={"steps": 42, "lr": 0.02, "eval_every": 0.25},
        ),
        ModelSpec(
            name="cnn-fast",
            title="Whitening stem and six convolutions: high accuracy after a short training",
            entry="zoo_cifar10.models.cnn_fast:CnnFast",
            kind=KIND,
            accepts=Accepts(min_size=16),
            options={
                "widths": Param(default=[32, 128, 256], help=WIDTHS),
                "mirror": Param(default=False, help="average the predictions for an image and its mirror image"),
            },
            recipe={
                "*": {**SGD, "lr": 0.5, "momentum": 0.85, "weight_decay": 0.001, "batch_size": 256},
                "cifar10": {"epochs": 5.0, "label_smoothing": 0.2, "crop": 2, "flip": True, "mirror": True},
            },
            quick={
                "steps": 18,
                "eval_every": 0.25,
                "widths": [16, 64, 128],
                "mirror": False,
            },  # a quarter of the cost per image
            year=2024,
            paper="arXiv:2404.00498",
        ),
    ]


def _large_models() -> list[ModelSpec]:
    """Describe the well-known nets: one for a GPU, one pretrained on ImageNet."""
    return [
        ModelSpec(
            name="resnet-18",
            title="ResNet-18 with a stem for small images: for a GPU",
            entry="zoo_cifar10.models.resnet:resnet_18",
            kind=KIND,
            accepts=Accepts(min_size=8),
            recipe={
                "*": {**SGD, "lr": 0.1, "momentum": 0.9, "weight_decay": 0.0005, "batch_size": 128},
                "cifar10": {"epochs": 30.0, "label_smoothing": 0.1, "crop": 4, "flip": True},
            },
            # A few seconds on a CPU: they show what a step costs, and are too few to learn anything.
            quick={
                "image_size": 8,
                "batch_size": 32,
                "steps": 6,
                "eval_every": 0.03,
                "optimizer": "adamw",
                "lr": 0.002,
                "crop": 0,
            },
            year=2015,
            paper="arXiv:1512.03385",
        ),
        ModelSpec(
            name="vgg-16",
            title="ImageNet VGG-16, frozen, with a new last layer",
            entry="zoo_cifar10.models.vgg:vgg_16",
            kind=KIND,
            accepts=Accepts(channels=(3,), min_size=32),
            options={"unfreeze": Param(default=0, help="number of the last parts that are trained too", minimum=0)},
            recipe={"*": {"optimizer": "adam", "lr": 0.0005, "schedule": "cosine", "batch_size": 128, "epochs": 10.0}},
            weights=Download(
                name="vgg16-397923af.pth",
                urls=("https://download.pytorch.org/models/vgg16-397923af.pth",),
                sha256="397923af",
                size_mib=527.8,
            ),
            pretrained_on="ImageNet-1k",
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
            year=2014,
            paper="arXiv:1409.1556",
        ),
    ]

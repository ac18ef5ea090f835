"""What zoo-mnist adds: the task `mnist`, its two data sets and four models. Imports no torch."""

from __future__ import annotations

from zoo_core import Accepts, DatasetSpec, ModelSpec, Param, Reference, Signature, TaskSpec, hookimpl
from zoo_core.data import mnist

IMAGE = Signature(input_shape=(1, 28, 28), outputs=10)
KIND = "image-classification"
ADAMW = {"optimizer": "adamw", "weight_decay": 0.01, "schedule": "cosine", "warmup": 0.1}


@hookimpl
def zoo_tasks() -> list[TaskSpec]:
    return [
        TaskSpec(
            name="mnist",
            title="MNIST digits",
            summary="Recognise handwritten digits in grey images of 28x28 pixels.",
            kind=KIND,
            datasets=("mnist", "digits"),
            metric="accuracy",
            higher_is_better=True,
            chance=0.1,
            target=0.99,
            unit="images",
            recipe={"epochs": 2.0},
            quick={"steps": 48, "eval_every": 1.0},
            references=(
                Reference(value=0.9905, model="LeNet-5", source="LeCun et al. 1998, Proc. IEEE 86(11), on MNIST"),
            ),
        )
    ]


@hookimpl
def zoo_datasets() -> list[DatasetSpec]:
    return [
        DatasetSpec(
            name="mnist",
            title="MNIST",
            origin="real",
            licence="CC-BY-SA-3.0",
            homepage="https://yann.lecun.com/exdb/mnist/",
            size_mib=11.1,
            layout=mnist.LAYOUT,
            signature=IMAGE,
            downloads=mnist.DOWNLOADS,
            entry="zoo_mnist.data:Mnist",
        ),
        DatasetSpec(
            name="digits",
            title="scikit-learn's digits, enlarged from 8x8 to 28x28",
            origin="bundled",
            licence="CC-BY-4.0",
            homepage="https://archive.ics.uci.edu/dataset/80",
            signature=IMAGE,
            entry="zoo_mnist.data:Digits",
        ),
    ]


@hookimpl
def zoo_models() -> list[ModelSpec]:
    course = {"lr": 0.01, "momentum": 0.9, "batch_size": 32, "epochs": 10.0, "normalize": False, "holdout": False}
    widths = Param(default=[512, 256, 128], help="of the hidden layers")
    dropout = Param(default=0.3, help="share of activations dropped after each hidden layer", minimum=0.0)
    return [
        ModelSpec(
            name="mlp-100",
            title="784-100-10, the course's first net",
            entry="zoo_mnist.models.mlp:mlp",
            kind=KIND,
            options={"widths": Param(default=[100], help="of the hidden layers"), "dropout": 0.0},
            recipe={"mnist": course},
        ),
        ModelSpec(
            name="mlp-3",
            title="Three hidden layers, dropout",
            entry="zoo_mnist.models.mlp:mlp",
            kind=KIND,
            options={"widths": widths, "dropout": dropout},
            recipe={"mnist": {**ADAMW, "lr": 0.002, "batch_size": 128, "epochs": 8.0}},
        ),
        ModelSpec(
            name="cnn",
            title="Three convolutions, BatchNorm, dropout",
            entry="zoo_mnist.models.cnn:cnn",
            kind=KIND,
            accepts=Accepts(min_size=8),
            options={"widths": Param(default=[16, 32, 64], help="channels of the convolutions"), "dropout": 0.25},
            recipe={"mnist": {**ADAMW, "lr": 0.004, "batch_size": 64}},
        ),
        ModelSpec(
            name="cnn-fast",
            title="Four convolutions that halve the image early: fast to 99 % on MNIST",
            entry="zoo_mnist.models.cnn:cnn_fast",
            kind=KIND,
            accepts=Accepts(min_size=8),
            options={"widths": Param(default=[16, 32, 32, 64], help="channels of the convolutions")},
            recipe={"mnist": {**ADAMW, "lr": 0.008, "batch_size": 96, "epochs": 1.0, "label_smoothing": 0.1}},
        ),
    ]

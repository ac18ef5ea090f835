"""Contents of zoo-autoencoder: three tasks, two data sets and five models. Imports no torch."""

from __future__ import annotations

from zoo_core import Accepts, DatasetSpec, ModelSpec, Param, Params, Signature, TaskSpec, hookimpl
from zoo_core.data import mnist
from zoo_core.kinds import SUPERVISED

RECONSTRUCTION, GENERATION = "zoo-autoencoder/reconstruction", "zoo-autoencoder/generation"
IMAGE = (1, 28, 28)
# Chance levels: of the mean image of train as the answer for every image of test, whatever its code.
MNIST_CHANCE = {"mse": 0.0675, "negative_elbo": 205.8}
DRAWN_CHANCE = {"mse": 0.0642, "negative_elbo": 195.9}
DATASETS = ("autoencoder-mnist", "drawn-digits")
# Small batches: in the same time, batches of 64 with fewer images a second reach a lower error than batches of 128.
TRAINING: Params = {
    **SUPERVISED,
    **{"optimizer": "adam", "lr": 0.003, "schedule": "one-cycle", "warmup": 0.1, "ema": 0.998},
    **{"batch_size": 64, "steps": 2800},
}
DENSE = {"steps": 5600}
MAX_CODE = "largest number of code numbers for one image; 0: no limit"
CODE_SIZE = Param(default=16, help="numbers in the code of one image", minimum=1)


@hookimpl
def zoo_tasks() -> list[TaskSpec]:
    limited: Params = {**TRAINING, "max_code": Param(default=16, help=MAX_CODE, minimum=0)}
    return [
        TaskSpec(
            name="compression",
            title="Images in 16 numbers",
            summary="Compress images of digits to 16 numbers, and restore them.",
            kind=RECONSTRUCTION,
            datasets=DATASETS,
            metric="mse",
            higher_is_better=False,
            chance=MNIST_CHANCE["mse"],
            target=0.0095,
            unit="images",
            recipe=limited,
            quick={"steps": 120, "lr": 0.005},
            entry="zoo_autoencoder.task:compression",
        ),
        TaskSpec(
            name="denoising",
            title="Noise removed from images",
            summary="Remove Gaussian noise from images of digits.",
            kind=RECONSTRUCTION,
            datasets=DATASETS,
            metric="psnr_gain",
            higher_is_better=True,
            chance=0.0,  # of a model that returns the noisy image
            target=13.0,
            unit="images",
            recipe={
                **TRAINING,
                "sigma": Param(default=0.5, help="std of the noise; pixels are in [0, 1]", minimum=0.0),
            },
            quick={"steps": 120, "lr": 0.005},
            entry="zoo_autoencoder.task:denoising",
        ),
        TaskSpec(
            name="generation",
            title="A density of images",
            summary="Learn a probability density of images of digits with 16 hidden numbers, and generate images.",
            kind=GENERATION,
            datasets=DATASETS,
            metric="negative_elbo",
            higher_is_better=False,
            chance=MNIST_CHANCE["negative_elbo"],
            target=97.0,
            unit="images",
            recipe={
                **limited,
                "pixels": Param(
                    default="binary",
                    choices=("binary", "grey"),
                    help="binary: white with the probability of the grey level; grey: the grey levels themselves",
                ),
                "kl_warmup": Param(
                    default=0.1,
                    help="share of the training in which the weight of the KL divergence rises from 0 to 1",
                    minimum=0.0,
                    maximum=1.0,
                ),
                "importance_samples": Param(default=16, help="samples of z for each image of test", minimum=1),
            },
            quick={"steps": 120, "lr": 0.005, "importance_samples": 4},
            entry="zoo_autoencoder.task:generation",
        ),
    ]


@hookimpl
def zoo_datasets() -> list[DatasetSpec]:
    return [
        DatasetSpec(
            name="autoencoder-mnist",
            title="MNIST, to be compressed, denoised and generated",
            origin="real",
            licence="CC-BY-SA-3.0",
            homepage="https://yann.lecun.com/exdb/mnist/",
            size_mib=11.1,
            layout=mnist.LAYOUT,
            signature=Signature(input_shape=IMAGE, outputs=10, extra={"chance": MNIST_CHANCE}),
            downloads=mnist.DOWNLOADS,
            entry="zoo_autoencoder.data:Mnist",
        ),
        DatasetSpec(
            name="drawn-digits",
            title="Digits drawn with a round pen, in MNIST's form",
            origin="synthetic",
            licence="CC0-1.0",
            signature=Signature(input_shape=IMAGE, outputs=10, extra={"chance": DRAWN_CHANCE}),
            entry="zoo_autoencoder.data:DrawnDigits",
        ),
    ]


@hookimpl
def zoo_models() -> list[ModelSpec]:
    widths = Param(default=[512, 256], help="of the hidden layers of the encoder, and mirrored of the decoder")
    conv = {
        "code_size": CODE_SIZE,
        "width": Param(default=16, help="channels at half of the height and width", minimum=1),
        "hidden": Param(default=512, help="width of the dense layers beside the code", minimum=1),
    }
    dense_quick = {"widths": [512], "steps": 200}
    whole_blocks = Accepts(fixed_size=28)
    return [
        ModelSpec(
            name="pca",
            title="Principal components: the best linear autoencoder",
            entry="zoo_autoencoder.models.pca:pca",
            kind=RECONSTRUCTION,
            options={"code_size": CODE_SIZE},
            recipe={"*": {"steps": 1}, "denoising": {"code_size": 40}},
            quick={"steps": 1, "batch_size": 32},  # differs from the default, to appear also on boards of quick recipes
            year=1901,
        ),
        ModelSpec(
            name="ae",
            title="Dense autoencoder",
            entry="zoo_autoencoder.models.dense:ae",
            kind=RECONSTRUCTION,
            options={"code_size": CODE_SIZE, "widths": widths},
            recipe={"*": DENSE, "denoising": {"code_size": 64}},
            quick=dense_quick,
            year=2006,
        ),
        ModelSpec(
            name="conv-ae",
            title="Convolutional autoencoder",
            entry="zoo_autoencoder.models.conv:conv_ae",
            kind=RECONSTRUCTION,
            accepts=whole_blocks,
            options=conv,
            recipe={"denoising": {"code_size": 64}},
            quick={"width": 8, "hidden": 128},
            year=2011,
        ),
        ModelSpec(
            name="vae",
            title="Dense variational autoencoder",
            entry="zoo_autoencoder.models.dense:vae",
            kind=GENERATION,
            options={"code_size": CODE_SIZE, "widths": widths},
            recipe={"*": DENSE},
            quick=dense_quick,
            year=2014,
            paper="arXiv:1312.6114",
        ),
        ModelSpec(
            name="conv-vae",
            title="Convolutional variational autoencoder",
            entry="zoo_autoencoder.models.conv:conv_vae",
            kind=GENERATION,
            accepts=whole_blocks,
            options=conv,
            quick={"width": 8, "hidden": 128},
            year=2014,
            paper="arXiv:1312.6114",
        ),
    ]

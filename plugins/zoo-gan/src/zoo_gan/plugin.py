"""Contents of zoo-gan: the tasks `gan-curve` and `gan-digits`, their data sets and four models. Imports no torch."""

from __future__ import annotations

from zoo_core import Accepts, DatasetSpec, ModelSpec, Param, Params, Signature, TaskSpec, hookimpl
from zoo_core.data import mnist

POINTS, IMAGES = "zoo-gan/points", "zoo-gan/images"
IMAGE = (1, 28, 28)
# Chance levels, printed by `zoo_gan.make_judge`: of uniform noise, and of uniform points in the curve's bounding box.
MNIST_NOISE, DIGITS_NOISE, BOX_DISTANCE = 464.4, 469.0, 0.733

GAN: Params = {
    "steps": 700,
    "batch_size": Param(
        default=128, help="real examples, and as many generated ones, in one step of the discriminator"
    ),
    "loss": Param(default="non-saturating", choices=("non-saturating", "wasserstein")),
    "critic_steps": Param(default=1, help="steps of the discriminator per step of the generator", minimum=1),
    "penalty": Param(default=0.0, help="weight of the gradient penalty; 0 for none", minimum=0.0),
    "lr": Param(default=0.001, help="highest learning rate of the generator", minimum=0.0),
    "critic_lr": Param(default=0.001, help="highest learning rate of the discriminator", minimum=0.0),
    "beta1": Param(default=0.5, help="of Adam, for both nets", minimum=0.0),
    "beta2": Param(default=0.999, help="of Adam, for both nets", minimum=0.0),
    "schedule": Param(
        default="constant", choices=("constant", "cosine", "linear"), help="of both learning rates, down to 0"
    ),
    "ema": Param(
        default=0.99, help="decay of the moving average of weights, which is evaluated; 0 for the last weights"
    ),
}


@hookimpl
def zoo_tasks() -> list[TaskSpec]:
    return [
        TaskSpec(
            name="gan-curve",
            title="Points on a curve, generated",
            summary="Generate points on y = sin(x)/x - x/10 from noise, evenly distributed along the curve.",
            kind=POINTS,
            datasets=("curve",),
            metric="distance",
            higher_is_better=False,
            chance=BOX_DISTANCE,
            target=0.02,
            unit="points",
            recipe={**GAN, "steps": 6000, "ema": 0.998},
            quick={"steps": 340, "eval_every": 1.0},
            entry="zoo_gan.task:PointGan",
        ),
        TaskSpec(
            name="gan-digits",
            title="Handwritten digits, generated",
            summary="Generate images of all ten handwritten digits from noise.",
            kind=IMAGES,
            datasets=("gan-mnist", "gan-digits-8x8"),
            metric="frechet",
            higher_is_better=False,
            chance=MNIST_NOISE,
            target=2.3,
            unit="images",
            recipe=GAN,
            quick={"steps": 44, "batch_size": 64, "eval_every": 4.0},
            entry="zoo_gan.task:ImageGan",
        ),
    ]


@hookimpl
def zoo_datasets() -> list[DatasetSpec]:
    return [
        DatasetSpec(
            name="curve",
            title="Points on y = sin(x)/x - x/10",
            origin="exact",
            licence="CC0-1.0",
            signature=Signature(input_shape=(2,)),
            entry="zoo_gan.curve:Curve",
            version=2,  # 2: val and test share no points
        ),
        DatasetSpec(
            name="gan-mnist",
            title="MNIST, to be imitated",
            origin="real",
            licence="CC-BY-SA-3.0",
            homepage="https://yann.lecun.com/exdb/mnist/",
            size_mib=11.1,
            layout=mnist.LAYOUT,
            signature=Signature(input_shape=IMAGE, outputs=10, extra={"chance": {"frechet": MNIST_NOISE}}),
            downloads=mnist.DOWNLOADS,
            entry="zoo_gan.data:Mnist",
        ),
        DatasetSpec(
            name="gan-digits-8x8",
            title="scikit-learn's 8x8 digits in MNIST's form, to be imitated",
            origin="bundled",
            licence="CC-BY-4.0",
            homepage="https://archive.ics.uci.edu/dataset/80",
            signature=Signature(input_shape=IMAGE, outputs=10, extra={"chance": {"frechet": DIGITS_NOISE}}),
            entry="zoo_gan.data:Digits",
        ),
    ]


@hookimpl
def zoo_models() -> list[ModelSpec]:
    latent = Param(default=64, help="size of the noise vector", minimum=1)
    small = Accepts(fixed_size=28)
    return [
        ModelSpec(
            name="gan",
            title="Dense layers, the loss of the first GAN",
            entry="zoo_gan.models.dense:points",
            kind=POINTS,
            options={"latent": Param(default=8, help=latent.help, minimum=1), "widths": [64, 64, 64]},
            # A small gradient penalty prevents oscillation: without it, the share of points in each part of the curve
            # differs threefold between seeds.
            recipe={
                "gan-curve": {
                    "lr": 0.002,
                    "critic_lr": 0.002,
                    "penalty": 0.06,
                    "batch_size": 256,
                    "steps": 10_000,
                    "schedule": "cosine",
                    "ema": 0.999,
                }
            },
            quick={"steps": 400, "batch_size": 128, "ema": 0.99},
            version=2,  # 2: cosine schedule, smaller penalty, fewer steps
        ),
        ModelSpec(
            name="mlp-gan",
            title="Dense layers with BatchNorm",
            entry="zoo_gan.models.dense:images",
            kind=IMAGES,
            options={"latent": latent, "widths": [256, 512]},
            recipe={"gan-digits": {"lr": 0.001, "critic_lr": 0.0005, "steps": 3000, "ema": 0.998}},
            quick={"steps": 90, "lr": 0.0005, "critic_lr": 0.0005},
        ),
        ModelSpec(
            name="dcgan",
            title="Convolutions with BatchNorm (DCGAN)",
            entry="zoo_gan.models.conv:dcgan",
            kind=IMAGES,
            accepts=small,
            options={
                "latent": latent,
                "width": Param(default=64, help="channels of the layers next to the image", minimum=1),
            },
            recipe={"gan-digits": {"lr": 0.002, "critic_lr": 0.0005}},
            quick={"width": 16, "steps": 50},
        ),
        _wgan(latent, small),
    ]


def _wgan(latent: Param, accepts: Accepts) -> ModelSpec:
    """Describe the one model that generates both points and images."""
    wasserstein = {"loss": "wasserstein", "penalty": 10.0, "critic_steps": 3, "beta1": 0.0, "beta2": 0.9}
    return ModelSpec(
        name="wgan-gp",
        title="Wasserstein GAN with gradient penalty: dense for points, convolutional for images",
        entry="zoo_gan.models.wgan:wgan",
        tasks=("gan-curve", "gan-digits"),
        accepts=accepts,
        options={
            "latent": latent,
            "width": Param(default=64, help="of dense layers, or channels of the layers next to the image"),
        },
        recipe={
            "*": wasserstein,
            "gan-curve": {
                "penalty": 0.1,
                "beta1": 0.5,
                "beta2": 0.99,
                "lr": 0.002,
                "critic_lr": 0.002,
                "batch_size": 256,
                "latent": 8,
                "steps": 6000,
                "schedule": "cosine",
                "ema": 0.999,
            },
            "gan-digits": {"lr": 0.001, "critic_lr": 0.001},
        },
        quick={"width": 20, "critic_steps": 1, "critic_lr": 0.005, "ema": 0.95},  # fast steps, in place of more
        version=2,  # 2: for points more momentum, twice the steps and batch size, cosine schedule
    )

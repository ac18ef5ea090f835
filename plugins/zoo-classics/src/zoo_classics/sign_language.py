"""The task `sign-language`, its data sets and models. Imports no torch."""

from __future__ import annotations

from zoo_core import Accepts, DatasetSpec, Download, ModelSpec, Param, Signature, TaskSpec

KIND = "image-classification"
KAGGLE = "https://www.kaggle.com/datasets/grassknoted/asl-alphabet"
DIGITS = "https://github.com/ardamavi/Sign-Language-Digits-Dataset"
RESNET_50 = "resnet50-0676ba61.pth"
POSES = {"crop": 6, "rotate": 10.0, "zoom": 0.1}  # augmentation; never `flip`, which turns the hand into the other one
PARTS = 6  # of the backbone: the first convolution, its BatchNorm, and four stages

TASKS: list[TaskSpec] = [
    TaskSpec(
        name="sign-language",
        title="Signs of a hand",
        summary="Recognise the letter or digit that a hand shows: nets from scratch and transfer learning.",
        kind=KIND,
        datasets=("asl-alphabet", "sign-digits", "drawn-hands"),
        metric="accuracy",
        higher_is_better=True,
        chance=1 / 29,
        target=0.9,
        unit="images",
        # In steps, not in epochs: the alphabet has 78,000 pictures to train on, the digits 400 to 2,000.
        recipe={"steps": 600},
        quick={"steps": 60, "eval_every": 1.0},
    )
]

DATASETS: list[DatasetSpec] = [
    DatasetSpec(
        name="asl-alphabet",
        title="ASL alphabet: 26 letters, `space`, `del` and `nothing`",
        origin="real",
        licence="as Kaggle's page states",
        homepage=KAGGLE,
        size_mib=1050.0,
        layout="asl_alphabet_train/<sign>/*.jpg, or train/<sign>/*.jpg and test/<sign>/*.jpg",
        signature=Signature(input_shape=(3, 96, 96)),  # at 200x200, the decoded pictures would take 10 GB
        entry="zoo_classics.data:asl_alphabet",
    ),
    DatasetSpec(
        name="sign-digits",
        title="Sign-language digits, or any signs with one folder for each",
        origin="real",
        licence="Apache-2.0; other folders as their source says",
        homepage=DIGITS,
        size_mib=20.0,
        layout="Dataset/<sign>/*.jpg, or train/<sign>/*.jpg, test/<sign>/*.jpg and perhaps valid/<sign>/*.jpg",
        signature=Signature(input_shape=(3, 100, 100)),
        entry="zoo_classics.data:SignPictures",
    ),
    DatasetSpec(
        name="drawn-hands",
        title="Drawn hands that show the ten digits of ASL",
        origin="synthetic",
        licence="CC0-1.0",
        signature=Signature(input_shape=(3, 64, 64), outputs=10),
        entry="zoo_classics.drawn:DrawnHands",
    ),
]


def _resnet_50(name: str, title: str, unfreeze: int, steps: int, recipe: dict[str, object]) -> ModelSpec:
    """Describe ImageNet's ResNet-50, of which the last `unfreeze` parts are trained."""
    return ModelSpec(
        name=name,
        title=title,
        entry="zoo_classics.models.transfer:resnet_50",
        kind=KIND,
        tasks=("sign-language",),
        accepts=Accepts(channels=(3,), min_size=32),
        options={"unfreeze": Param(default=unfreeze, help="number of the last parts that are trained", minimum=0)},
        recipe={
            "*": {"schedule": "cosine", "batch_size": 32, **recipe},
            "sign-language": {"image_size": 128, "steps": steps},
        },
        quick={"image_size": 32},
        weights=Download(
            name=RESNET_50,
            urls=(f"https://download.pytorch.org/models/{RESNET_50}",),
            sha256="0676ba61",
            size_mib=97.8,
        ),
        pretrained_on="ImageNet-1k",
        year=2015,
        paper="arXiv:1512.03385",
        mean=(0.485, 0.456, 0.406),
        std=(0.229, 0.224, 0.225),
    )


MODELS: list[ModelSpec] = [
    ModelSpec(
        name="cnn",
        title="Five convolutions, trained from scratch",
        entry="zoo_classics.models.cnn:cnn",
        kind=KIND,
        tasks=("sign-language",),
        accepts=Accepts(min_size=32),
        options={
            "widths": Param(default=[16, 32, 64, 128, 128], help="channels of the convolutions", minimum=1),
            "dropout": Param(default=0.2, help="before the last layer", minimum=0.0, maximum=1.0),
        },
        recipe={
            "*": {"optimizer": "adamw", "lr": 0.004, "weight_decay": 0.05, "schedule": "cosine", "warmup": 0.1},
            "sign-language": {**POSES, "batch_size": 32, "image_size": 64},
        },
        quick={"image_size": 32, "steps": 80, **dict.fromkeys(POSES, 0)},
    ),
    _resnet_50(
        "resnet-50-frozen",
        "ImageNet ResNet-50, frozen, with a new last layer: the course's",
        0,
        1500,
        {"optimizer": "adam", "lr": 0.001, "epochs": 30.0},
    ),
    _resnet_50(
        "resnet-50-fine-tuned",
        "ImageNet ResNet-50, trained further as a whole",
        PARTS,
        600,
        {"optimizer": "adamw", "lr": 0.0001, "weight_decay": 0.01, "warmup": 0.1, "epochs": 10.0} | POSES,
    ),
]

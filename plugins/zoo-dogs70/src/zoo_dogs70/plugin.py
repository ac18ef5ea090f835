"""What zoo-dogs70 adds: the task `dogs70`, its two data sets and five models. Imports no torch."""

from __future__ import annotations

from zoo_core import Accepts, DatasetSpec, Download, ModelSpec, Param, Signature, TaskSpec, hookimpl

KIND = "image-classification"
TORCHVISION = "https://download.pytorch.org/models/"
IMAGENET = {  # torchvision's models and the normalisation of their inputs
    "pretrained_on": "ImageNet-1k",
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
    "accepts": Accepts(channels=(3,), min_size=32),
    "kind": KIND,
}
HEAD = {"optimizer": "adam", "lr": 0.001, "schedule": "cosine", "batch_size": 32, "epochs": 30.0}
SMALL_SHA256 = "749fac6abfbe8613defc693284f0bd9c04de026e213be1eaf1e7e25bf307fbb5"
SMALL_MEAN, SMALL_STD = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
SMALL = {  # the small net, with its weights and without: the same inputs and the same recipe, so that they compare
    "kind": KIND,
    "tasks": ("dogs70", "sign-language"),  # of zoo-classics, where that is installed
    "accepts": Accepts(channels=(3,), min_size=16),
    "mean": SMALL_MEAN,
    "std": SMALL_STD,
    # Few steps, in which pretrained features pay most.
    "recipe": {"*": {"optimizer": "adam", "lr": 0.01, "schedule": "cosine", "batch_size": 32, "steps": 100}},
    "quick": {"steps": 25, "eval_every": 0.5},
}
UNFREEZE = Param(default=0, help="number of the backbone's last parts that are trained too", minimum=0)


@hookimpl
def zoo_tasks() -> list[TaskSpec]:
    return [
        TaskSpec(
            name="dogs70",
            title="70 dog breeds",
            summary="Recognise the breed of a dog, with few pictures of each: transfer learning.",
            kind=KIND,
            datasets=("dogs70", "drawn-dogs"),
            metric="accuracy",
            higher_is_better=True,
            chance=1 / 70,
            target=0.75,
            unit="images",
            quick={"steps": 180},
        )
    ]


@hookimpl
def zoo_datasets() -> list[DatasetSpec]:
    return [
        DatasetSpec(
            name="dogs70",
            title="Dog breeds, one folder for each",
            origin="real",
            licence="Kaggle: CC0-1.0 as stated there; other folders as their source says",
            homepage="https://www.kaggle.com/datasets/gpiosenka/70-dog-breedsimage-data-set",
            size_mib=220.0,
            layout="train/<breed>/*.jpg, valid/<breed>/*.jpg and test/<breed>/*.jpg, any number of breeds",
            signature=Signature(input_shape=(3, 224, 224)),
            entry="zoo_dogs70.data:DogBreeds",
        ),
        DatasetSpec(
            name="drawn-dogs",
            title="Drawn dogs of 70 invented breeds: coat, ears, muzzle",
            origin="synthetic",
            licence="CC0-1.0",
            signature=Signature(input_shape=(3, 64, 64), outputs=70),
            entry="zoo_dogs70.drawn:DrawnDogs",
        ),
    ]


@hookimpl
def zoo_models() -> list[ModelSpec]:
    return [
        ModelSpec(
            name="resnet-18",
            title="ImageNet ResNet-18, frozen, with a new last layer: the course's",
            entry="zoo_dogs70.models.transfer:resnet_18",
            options={"unfreeze": UNFREEZE},
            recipe={"*": HEAD},
            year=2015,
            paper="arXiv:1512.03385",
            weights=Download(
                name="resnet18-f37072fd.pth", urls=(TORCHVISION + "resnet18-f37072fd.pth",), sha256="f37072fd"
            ),
            **IMAGENET,
        ),
        ModelSpec(
            name="squeezenet-1.0",
            title="ImageNet SqueezeNet 1.0, frozen, with a new last layer: a tenth of the size",
            entry="zoo_dogs70.models.transfer:squeezenet",
            options={"unfreeze": UNFREEZE, "dropout": Param(default=0.5, help="dropout of the features", minimum=0.0)},
            recipe={"*": HEAD},
            year=2016,
            paper="arXiv:1602.07360",
            weights=Download(
                name="squeezenet1_0-b66bff10.pth", urls=(TORCHVISION + "squeezenet1_0-b66bff10.pth",), sha256="b66bff10"
            ),
            **IMAGENET,
        ),
        ModelSpec(
            name="small-transfer",
            title="Small net pretrained on drawn animals, frozen, with a new last layer",
            entry="zoo_dogs70.models.small:small_transfer",
            options={"unfreeze": UNFREEZE},
            weights=Download(
                name="small.safetensors", urls=("package:zoo_dogs70/weights/small.safetensors",), sha256=SMALL_SHA256
            ),
            pretrained_on="drawn animals of zoo-dogs70, none of them a dog",
            **SMALL,
        ),
        ModelSpec(
            name="small-scratch",
            title="The same small net from scratch",
            entry="zoo_dogs70.models.small:small_scratch",
            **SMALL,
        ),
        ModelSpec(
            name="cnn",
            title="Five convolutions, trained from scratch",
            entry="zoo_dogs70.models.cnn:cnn",
            kind=KIND,
            accepts=Accepts(min_size=32),
            options={
                "widths": Param(default=[16, 32, 64, 128, 128], help="channels of the convolutions"),
                "dropout": 0.2,
            },
            recipe={
                "*": {"optimizer": "adamw", "lr": 0.004, "weight_decay": 0.05, "schedule": "cosine", "warmup": 0.1},
                "dogs70": {"batch_size": 32, "epochs": 30.0, "image_size": 96, "flip": True, "crop": 16, "zoom": 0.1},
            },
            quick={"image_size": 32, "crop": 2, "steps": 220, "eval_every": 3.0},
        ),
    ]

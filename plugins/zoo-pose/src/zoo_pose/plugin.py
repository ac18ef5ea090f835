"""Contents of zoo-pose: the tasks `pose` and `motion`, their four data sets and seven models. Imports no torch."""

from __future__ import annotations

from typing import Any

from zoo_core import DatasetSpec, ModelSpec, Param, Reference, Signature, TaskSpec, hookimpl
from zoo_core.kinds import CLASS_LOSS, SUPERVISED

DATASETS = ("msr-action3d", "ntu-rgbd", "openpifpaf", "stick-figures")
ADAMW = {"optimizer": "adamw", "schedule": "cosine", "warmup": 0.1, "clip_norm": 1.0, "holdout": False}

AUGMENTATION = {
    "rotate": Param(
        default=0.0, help="about the vertical axis, up to this many degrees; only for 3D joints", minimum=0.0
    ),
    "zoom": Param(default=0.0, help="largest change of the scale of each axis, as a share", minimum=0.0),
    "mirror": Param(default=False, help="mirror every second example"),
    "jitter": Param(
        default=0.0, help="std of noise added to every coordinate, as a share of the body's size", minimum=0.0
    ),
}
ACTION = {
    **SUPERVISED,
    "frames": Param(default=32, help="length to which each sequence is resampled", minimum=2),
    "loss": CLASS_LOSS,
    "label_smoothing": Param(default=0.1, help="of the loss", minimum=0.0),
    **AUGMENTATION,
    "cut": Param(default=0.0, help="largest share of the time that is cut off at both ends together", minimum=0.0),
    "warp": Param(default=0.0, help="largest random change of speed within a sequence, as a share", minimum=0.0),
    "lose": Param(default=0.0, help="probability that a joint is hidden: placed at the root", minimum=0.0),
}
MOTION = {
    **SUPERVISED,
    "stride": Param(default=1, help="frames between the starts of two training windows", minimum=1),
    **AUGMENTATION,
}
POSE_AUGMENTATION = {"rotate": 30.0, "zoom": 0.2, "jitter": 0.02, "lose": 0.05, "cut": 0.3, "warp": 0.35}
MOTION_AUGMENTATION = {"rotate": 60.0, "zoom": 0.2, "mirror": True, "jitter": 0.005}


@hookimpl
def zoo_tasks() -> list[TaskSpec]:
    return [
        TaskSpec(
            name="pose",
            title="Actions from body joints",
            summary="Recognise a person's action from the joints of the body over time.",
            kind="zoo-pose/action",
            datasets=DATASETS,
            metric="accuracy",
            higher_is_better=True,
            unit="sequences",
            recipe={**ACTION, **ADAMW, "epochs": 80.0, "weight_decay": 0.01, "batch_size": 16},
            quick={"steps": 34},
            references=(
                Reference(
                    value=0.882,
                    model="actionlet ensemble",
                    source="Wang et al. 2012, CVPR, on all ten subjects of MSR Action3D",
                ),
            ),
            entry="zoo_pose.action:Action",
            export="zoo_pose.exporting:action",
        ),
        TaskSpec(
            name="motion",
            title="The next half second of a body",
            summary="Predict the joints of a body for half a second, from one second of movement.",
            kind="zoo-pose/motion",
            datasets=DATASETS,
            metric="joint_error",
            higher_is_better=False,
            target=0.082,  # metres, on val: copying the last frame has 0.103 on MSR, 0.085 on stick figures
            unit="windows",
            recipe={**MOTION, **ADAMW, "epochs": 20.0, "batch_size": 64},
            quick={"steps": 28},
            references=(
                Reference(
                    value=0.1206, model="copy-last", source="measured here, on MSR Action3D's subjects 2, 4 and 6"
                ),
            ),
            entry="zoo_pose.motion:Motion",
        ),
    ]


@hookimpl
def zoo_datasets() -> list[DatasetSpec]:
    return [
        DatasetSpec(
            name="msr-action3d",
            title="MSR Action3D: twenty actions in front of a Kinect",
            origin="real",
            licence="offered for research; cite Li, Zhang and Liu 2010",
            homepage="https://sites.google.com/view/wanqingli/data-sets/msr-action3d",
            size_mib=17.0,
            layout="aAA_sSS_eEE_skeleton3D.txt, 20 lines per frame: x y z confidence",
            signature=Signature(input_shape=(None, 20, 3), outputs=20),
            entry="zoo_pose.data:MsrAction3d",
        ),
        DatasetSpec(
            name="ntu-rgbd",
            title="NTU RGB+D: 60 or 120 actions in front of three Kinects",
            origin="real",
            licence="for academic research, on request; cite Shahroudy et al. 2016",
            homepage="https://rose1.ntu.edu.sg/dataset/actionRecognition/",
            size_mib=5900.0,
            layout="SsssCcccPpppRrrrAaaa.skeleton",
            signature=Signature(input_shape=(None, 25, 3)),
            entry="zoo_pose.data:NtuRgbd",
        ),
        DatasetSpec(
            name="openpifpaf",
            title="Your own videos, joints found by OpenPifPaf",
            origin="real",
            licence="as the source says",
            homepage="https://openpifpaf.github.io/",
            layout="{train,test}/<action>/, in it a folder of JSON files (one per frame) or a file of JSON lines",
            signature=Signature(input_shape=(None, 17, 2)),
            entry="zoo_pose.data:OpenPifPaf",
        ),
        DatasetSpec(
            name="stick-figures",
            title="A moving stick figure: twelve actions, several bodies, speeds and views",
            origin="synthetic",
            licence="CC0-1.0",
            signature=Signature(input_shape=(None, 20, 3), outputs=12),
            entry="zoo_pose.drawn:StickFigures",
        ),
    ]


@hookimpl
def zoo_models() -> list[ModelSpec]:
    return [
        _recurrent("rnn", "A recurrent net", clip_norm=0.5),
        _recurrent("lstm", "Long short-term memory: the course's", both=True, batch_size=24, epochs=120.0),
        _recurrent("bilstm", "LSTM that reads the frames forwards and backwards"),
        _recurrent("gru", "Gated recurrent units"),
        ModelSpec(
            name="transformer",
            title="A transformer encoder over the frames",
            entry="zoo_pose.models.transformer:transformer",
            tasks=("pose", "motion"),
            options={**_output(), "width": 96, "layers": 3, "heads": 4, "dropout": 0.2},
            recipe={
                "pose": {**POSE_AUGMENTATION, "lr": 0.001},
                "motion": {**MOTION_AUGMENTATION, "output": "motion", "lr": 0.002, "dropout": 0.1},
            },
        ),
        ModelSpec(
            name="tcn",
            title="A temporal convolution net: dilated residual blocks",
            entry="zoo_pose.models.tcn:tcn",
            tasks=("pose",),
            options={"width": 96, "blocks": 4, "dropout": 0.4},
            recipe={"pose": {**POSE_AUGMENTATION, "lr": 0.005, "weight_decay": 0.05}},
        ),
        ModelSpec(
            name="copy-last",
            title="Repeats the last frame: nothing to train",
            entry="zoo_pose.models.copy_last:copy_last",
            tasks=("motion",),
            recipe={"motion": {"steps": 1}},
            quick={"steps": 1, "batch_size": 64},  # differs from the default, to appear also on boards of quick recipes
        ),
    ]


def _output() -> dict[str, Any]:
    return {
        "output": Param(
            default="class", choices=("class", "motion"), help="what the model predicts; each task's recipe sets it"
        )
    }


def _recurrent(name: str, title: str, *, both: bool = False, **pose: Any) -> ModelSpec:
    """Describe a recurrent net for `pose`, with `both` also for `motion`."""
    motion = {**MOTION_AUGMENTATION, "output": "motion", "lr": 0.002, "width": 256, "epochs": 10.0}
    return ModelSpec(
        name=name,
        title=title,
        entry=f"zoo_pose.models.recurrent:{name}",
        tasks=("pose", "motion") if both else ("pose",),
        options={**(_output() if both else {}), "width": 128, "layers": 1, "dropout": 0.5},
        recipe={"pose": {**POSE_AUGMENTATION, "lr": 0.005, **pose}, **({"motion": motion} if both else {})},
    )

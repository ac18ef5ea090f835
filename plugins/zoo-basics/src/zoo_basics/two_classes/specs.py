"""The task `two-classes`, its data sets and models. Imports no torch."""

from __future__ import annotations

from zoo_core import DatasetSpec, ModelSpec, Param, Signature, TaskSpec
from zoo_core.kinds import CLASS_LOSS, SUPERVISED

KIND = "zoo-basics/points"
PLANE = Signature(input_shape=(2,), outputs=2, classes=("blue", "orange"))
ACTIVATIONS = ("relu", "leaky-relu", "tanh", "sigmoid", "gelu", "silu")
CSV_FILE = "points.csv"

TASK = TaskSpec(
    name="two-classes",
    title="Two classes of points",
    summary="Tell apart two classes of points in the plane that no straight line separates.",
    kind=KIND,
    datasets=("spirals", "moons", "circles", "xor", "points-csv"),
    metric="accuracy",
    higher_is_better=True,
    chance=0.5,
    target=0.9,
    unit="points",
    recipe={**SUPERVISED, "loss": CLASS_LOSS, "optimizer": "adam", "epochs": 60.0},
    quick={"epochs": 25.0},
    entry="zoo_basics.two_classes.task:TwoClasses",
)


def _drawn(name: str, title: str) -> DatasetSpec:
    return DatasetSpec(
        name=name,
        title=title,
        origin="synthetic",
        licence="CC0-1.0",
        signature=PLANE,
        entry=f"zoo_basics.two_classes.data:{name}",
    )


DATASETS = (
    _drawn("spirals", "Two spiral arms of one and a half turns, with noise"),
    _drawn("moons", "Two interleaved half circles, with noise"),
    _drawn("circles", "A circle around another, with noise"),
    _drawn("xor", "Four clouds, opposite ones of one class"),
    DatasetSpec(
        name="points-csv",
        title="Any two classes of points, from a CSV file",
        origin="real",
        licence="as the source says",
        layout=f"{CSV_FILE} with the columns x, y and label; the label has two values, in words or numbers",
        signature=Signature(input_shape=(2,), outputs=2),
        entry="zoo_basics.two_classes.data:PointsCsv",
    ),
)

MODELS = (
    ModelSpec(
        name="perceptron",
        title="Rosenblatt's perceptron: one neuron, corrected after each mistake",
        kind=KIND,
        entry="zoo_basics.two_classes.models:Perceptron",
        # From zero weights, the learning rate only scales the weights, which changes no prediction.
        recipe={"*": {"optimizer": "sgd", "lr": 1.0, "momentum": 0.0, "batch_size": 1, "epochs": 5.0}},
        quick={"epochs": 0.5},
        year=1958,
        paper="https://doi.org/10.1037/h0042519",
        expected_failures={"other-seed": "its weights begin at zero, for every seed"},
    ),
    ModelSpec(
        name="logistic",
        title="Logistic regression: a straight line, with probabilities",
        kind=KIND,
        entry="zoo_basics.two_classes.models:Logistic",
        recipe={"*": {"lr": 0.05}},
    ),
    ModelSpec(
        name="mlp",
        title="Two hidden layers of neurons",
        kind=KIND,
        entry="zoo_basics.two_classes.models:mlp",
        options={
            "widths": Param(default=[32, 32], help="neurons of each hidden layer", minimum=1),
            "activation": Param(default="relu", choices=ACTIVATIONS, help="of the hidden layers"),
        },
        recipe={"*": {"lr": 0.01}},
    ),
)

"""The teaching plugin: fit y = cos(x) on [-pi, pi]. A whole task of the zoo in one module; torch is imported on use."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from zoo_core import Context, DatasetSpec, ModelSpec, Signature, TaskSpec, UnknownSplitError, hookimpl

if TYPE_CHECKING:
    from torch import nn

POINT = Signature(input_shape=(1,), outputs=1)


@hookimpl
def zoo_tasks() -> list[TaskSpec]:
    return [
        TaskSpec(
            name="cosine",
            title="Cosine",
            summary="Fit y = cos(x) on one period, from -pi to pi.",
            kind="regression",  # the kind brings the training and the metrics, so no task code is needed
            datasets=("cosine",),
            metric="mse",
            higher_is_better=False,
            chance=0.5,  # the mse of answering 0, the curve's mean
            target=1e-4,
            recipe={"optimizer": "adam", "lr": 0.01, "schedule": "cosine", "batch_size": 64, "epochs": 200.0},
            quick={"epochs": 48.0},
        )
    ]


@hookimpl
def zoo_datasets() -> list[DatasetSpec]:
    spec = DatasetSpec(
        name="cosine", title="The cosine", origin="exact", licence="CC0-1.0", signature=POINT, entry="zoo_cosine:Curve"
    )
    return [spec]


@hookimpl
def zoo_models() -> list[ModelSpec]:
    net = ModelSpec(
        name="mlp", title="Three layers, tanh", kind="regression", entry="zoo_cosine:mlp", options={"widths": [64, 64]}
    )
    bends = {"overfits": "a straight line does not bend"}
    return [net, replace(net, name="linear", title="A straight line", options={"widths": []}, expected_failures=bends)]


class Curve:
    """Points on y = cos(x): x float32 (n, 1), radians in [-pi, pi], drawn anew for each split; y float32 (n, 1)."""

    sizes = {"train": 2000, "val": 500, "test": 1000}
    signature = POINT

    def __init__(self, ctx: Context) -> None:
        pass

    def load(self, split: str) -> dict[str, object]:
        import numpy as np

        if split not in self.sizes:
            raise UnknownSplitError(split)
        x = np.random.default_rng(list(self.sizes).index(split)).uniform(-np.pi, np.pi, (self.sizes[split], 1))
        return {"x": x.astype("float32"), "y": np.cos(x).astype("float32")}


def mlp(signature: Signature, widths: list[int]) -> nn.Module:
    from torch import nn

    layers, size = [], signature.features
    for width in widths:
        layers += [nn.Linear(size, width), nn.Tanh()]
        size = width
    return nn.Sequential(*layers, nn.Linear(size, signature.outputs))  # (batch, 1) -> (batch, 1)

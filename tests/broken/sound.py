"""A plugin that passes every check, and the parts of the broken plugins in this folder. Functions import torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from zoo_core import DatasetSpec, ModelSpec, Signature, TaskSpec, UnknownSplitError, hookimpl

KIND = "image-classification"
IMAGE = Signature(input_shape=(3, 8, 8), outputs=3)


def named(module: str) -> str:
    return module.replace("_", "-")


def dataset(module: str, **changes: Any) -> Callable[[], list[DatasetSpec]]:
    """Return a hook that adds a sound data set with these changes. Its loader is the module's `Pictures`."""
    spec = DatasetSpec(
        name=named(module),
        title="Synthetic images",
        origin="synthetic",
        licence="CC0-1.0",
        signature=IMAGE,
        entry=f"{module}:Pictures",
    )

    @hookimpl
    def zoo_datasets() -> list[DatasetSpec]:
        return [replace(spec, **changes)]

    return zoo_datasets


def task(module: str, **changes: Any) -> Callable[[], list[TaskSpec]]:
    """Return a hook that adds a sound task with these changes."""
    spec = TaskSpec(
        name=named(module),
        title="Bright or dark",
        summary="Tell how bright a picture is.",
        kind=KIND,
        datasets=("sound",),
        metric="accuracy",
        higher_is_better=True,
        chance=1 / 3,
        target=0.9,
    )

    @hookimpl
    def zoo_tasks() -> list[TaskSpec]:
        return [replace(spec, **changes)]

    return zoo_tasks


def model(module: str, **changes: Any) -> Callable[[], list[ModelSpec]]:
    """Return a hook that adds a sound model with these changes. The module's `build` builds it."""
    spec = ModelSpec(
        name=named(module),
        title="Two layers",
        kind=KIND,
        tasks=("sound",),
        recipe={"*": {"optimizer": "adam", "lr": 0.01}},
        entry=f"{module}:build",
    )

    @hookimpl
    def zoo_models() -> list[ModelSpec]:
        return [replace(spec, **changes)]

    return zoo_models


zoo_datasets, zoo_tasks, zoo_models = dataset("sound"), task("sound"), model("sound")


class Pictures:
    """x uint8 (n, 3, 8, 8), noise around one of three brightnesses; y int64 (n,)."""

    sizes = {"train": 60, "val": 24, "test": 24}
    signature = IMAGE

    def __init__(self, ctx: Any) -> None:
        pass

    def load(self, split: str) -> dict[str, Any]:
        import numpy as np

        if split not in self.sizes:
            raise UnknownSplitError(split)
        y = np.arange(self.sizes[split]) % 3
        noise = np.random.default_rng(self.sizes[split] + ord(split[1])).integers(0, 60, (len(y), 3, 8, 8))
        return {"x": (noise + 80 * y[:, None, None, None]).astype(np.uint8), "y": y}


def parts(signature: Signature) -> tuple[Any, Any]:
    """(batch, channels, height, width) -> (batch, 16) -> (batch, outputs)."""
    from torch import nn

    first = nn.Sequential(nn.Flatten(), nn.Linear(signature.features, 16), nn.ReLU())
    return first, nn.Linear(16, signature.outputs)


def build(signature: Signature, between: Callable[[Any, Any], Any] | None = None, **attributes: Any) -> Any:
    """Build a sound net. `between(net, hidden)` changes the input of the last layer and can read the net."""
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = parts(signature)
            for name, value in attributes.items():
                setattr(self, name, value)

        def forward(self, x: Any) -> Any:
            hidden = self.first(x)
            return self.last(between(self, hidden) if between else hidden)

    return Net()


def shared_task(spec: TaskSpec) -> Any:
    """Make the task that the kind provides."""
    from zoo_core.kinds.image_classification import image_classification_task

    return image_classification_task(spec)


class Task:
    """The task of the kind. Broken tasks override one of its methods."""

    def __init__(self, spec: TaskSpec) -> None:
        self.inner = shared_task(spec)

    def prepare(self, ctx: Any, data: Any, recipe: Any) -> None:
        self.inner.prepare(ctx, data, recipe)

    def train(self, ctx: Any, net: Any, recipe: Any) -> Any:
        yield from self.inner.train(ctx, net, recipe)

    def evaluate(self, ctx: Any, net: Any, split: str) -> Any:
        return self.inner.evaluate(ctx, net, split)

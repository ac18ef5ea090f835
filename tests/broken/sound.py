"""A plugin that passes every check, and what the broken ones beside it are made of. Torch is imported on use."""

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
    """The hook that adds a sound data set, changed; its loader is `Pictures` of the module."""
    spec = DatasetSpec(
        name=named(module),
        title="Drawn",
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
    """The hook that adds a sound task, changed."""
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
    """The hook that adds a sound model, changed; `build` of the module makes it."""
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
    """A sound net; `between(net, hidden)` changes what its last layer gets, and may read the net's attributes."""
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


def body(spec: TaskSpec) -> Any:
    """The ready body of the kind."""
    from zoo_core.kinds.image_classification import ImageClassification

    return ImageClassification(spec)


class Body:
    """The ready body, of which a broken one changes a method."""

    def __init__(self, spec: TaskSpec) -> None:
        self.inner = body(spec)

    def prepare(self, ctx: Any, data: Any, recipe: Any) -> None:
        self.inner.prepare(ctx, data, recipe)

    def train(self, ctx: Any, net: Any, recipe: Any) -> Any:
        yield from self.inner.train(ctx, net, recipe)

    def evaluate(self, ctx: Any, net: Any, split: str) -> Any:
        return self.inner.evaluate(ctx, net, split)

"""Contents of zoo-sobel: the task `sobel`, its two data sets and three models. Imports no torch."""

from __future__ import annotations

from zoo_core import Accepts, DatasetSpec, ModelSpec, Param, Signature, TaskSpec, hookimpl
from zoo_core.kinds import SUPERVISED

PATCH = Signature(input_shape=(1, 66, 66))
GREY = Accepts(channels=(1,), min_size=3)


@hookimpl
def zoo_tasks() -> list[TaskSpec]:
    return [
        TaskSpec(
            name="sobel",
            title="Sobel filter",
            summary="Compute the horizontal Sobel response of a grey photo: by a given kernel, or by a learned one.",
            kind="zoo-sobel/filter",
            datasets=("sample-photos", "photo-folder"),
            metric="max_error",
            higher_is_better=False,
            chance=4.0,  # answering 0 errs by the largest response, at an edge from black to white
            target=0.001,
            unit="patches",
            recipe={**SUPERVISED, "optimizer": "adam", "schedule": "cosine", "batch_size": 4, "steps": 600},
            quick={"steps": 200},
            entry="zoo_sobel.task:Filter",
        )
    ]


@hookimpl
def zoo_datasets() -> list[DatasetSpec]:
    return [
        DatasetSpec(
            name="sample-photos",
            title="scikit-learn's two photos: a pagoda for train, a flower for test",
            origin="bundled",
            licence="CC-BY-2.0; by danielbuechele (china.jpg) and vultilion (flower.jpg), from Flickr",
            homepage="https://scikit-learn.org/stable/modules/generated/sklearn.datasets.load_sample_images.html",
            signature=PATCH,
            entry="zoo_sobel.data:SamplePhotos",
        ),
        DatasetSpec(
            name="photo-folder",
            title="Any folder of photos",
            origin="real",
            licence="as the source says",
            layout="photos of any size, at any depth; or train/ and test/ with photos; else the last fifth is test",
            signature=PATCH,
            entry="zoo_sobel.data:PhotoFolder",
        ),
    ]


@hookimpl
def zoo_models() -> list[ModelSpec]:
    return [
        ModelSpec(
            name="learned",
            title="One 3x3 convolution: nine weights",
            entry="zoo_sobel.models.learned:learned",
            accepts=GREY,
            recipe={"sobel": {"lr": 0.2}},
        ),
        ModelSpec(
            name="learned-deep",
            title="A net of ReLU layers that sees the same 3x3 pixels",
            entry="zoo_sobel.models.learned:learned_deep",
            accepts=GREY,
            options={
                "widths": Param(default=[16, 16], help="channels of the hidden layers; the first sees 3x3 pixels")
            },
            recipe={"sobel": {"lr": 0.01}},
            quick={"steps": 100},
        ),
        ModelSpec(
            name="fixed",
            title="The Sobel kernel itself: nothing to train",
            entry="zoo_sobel.models.fixed:fixed",
            accepts=GREY,
            recipe={"sobel": {"steps": 1}},
            quick={"steps": 1, "batch_size": 8},  # differs from the default, to appear also on boards of quick recipes
            pretrained_on="Sobel's definition",
        ),
    ]

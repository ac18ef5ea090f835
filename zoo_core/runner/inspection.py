"""Looks inside a trained model, for `zoo inspect`, and for `zoo bench --inspect` as pictures of a trial."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from zoo_core.columns import Array, Ragged, Split
from zoo_core.data.images import read_images
from zoo_core.errors import IncompatibleError, UnknownNameError, UsageError
from zoo_core.files import portable
from zoo_core.inside import SHEETS
from zoo_core.inside.drawing import Drawing, Images, Subject, draw
from zoo_core.inside.layers import Layer, choose_layer, list_layers
from zoo_core.kinds import IMAGE_KINDS, KINDS, make_task
from zoo_core.optional import HasImageInputs
from zoo_core.pictures import png
from zoo_core.protocols import Context, Task
from zoo_core.recipe import Recipe
from zoo_core.registry import Registry
from zoo_core.runner.events import InspectJob
from zoo_core.runner.prepare import PreparedTrial
from zoo_core.runner.restraint import restrained_use
from zoo_core.runner.saved_models import SavedModel, open_job_data, write_new
from zoo_core.specs import Signature, TaskSpec

CHANNELS = (1, 3)  # of an image


def inspect_checkpoint(job: InspectJob) -> dict[str, list[dict[str, Any]]]:
    """List the layers of a saved model, or write pictures of what one of them does; return what was found or written.

    Raises IncompatibleError for a model that does not look at images, UnknownNameError for an unknown layer or class.
    """
    saved = SavedModel(Path(job.checkpoint), Registry.load(), job.device, 0, job.model)
    shape = _image_shape(saved.header.signature, saved.task_spec)
    make_inputs = _input_maker(make_task(saved.task_spec), saved.task_spec, saved.ctx)
    images = _images_of(job, saved, shape) if job.folder else None
    model, signature = saved.build_model(), saved.adapted_signature()

    def inputs(raw: Array) -> Tensor:
        return make_inputs(model, signature, saved.recipe, raw)

    with saved.inference(model):
        layers = list_layers(model, inputs(np.zeros((1, *shape), np.uint8)))
        if images is None:
            return {"layers": [_as_row(layer) for layer in layers]}
        layer, classes = choose_layer(layers, job.layer), _classes(signature, saved.task_spec)
        subject = _subject(model, layer, inputs, classes, saved.task_spec)
        of_class = _class_number(job.of_class, classes) if job.of_class else None
        _refuse_existing(Path(job.folder), layer)
        drawings = [*draw(subject, images, of_class=of_class, channels=job.channels)]
    return {"pictures": [_write(drawing, layer, Path(job.folder)) for drawing in drawings]}


def inspect_trial(trial: PreparedTrial, model: nn.Module) -> Iterator[tuple[str, Array]]:
    """Yield pictures of what the last convolution of a trial's model does with test images, by name.

    Raises IncompatibleError for a model that does not look at images, or has no convolution.
    """
    spec, signature, model = trial.task_spec, trial.data.signature, getattr(model, "_orig_mod", model)
    shape = _image_shape(trial.data_signature, spec)
    make_inputs = _input_maker(trial.task, spec, trial.ctx)

    def inputs(raw: Array) -> Tensor:
        return make_inputs(model, signature, trial.recipe, raw)

    layer = choose_layer(list_layers(model, inputs(np.zeros((1, *shape), np.uint8))))
    classes = _classes(signature, spec)
    subject = _subject(model, layer, inputs, classes, spec)
    for drawing in draw(subject, _test_images(trial.data.split("test"), classes)):
        yield f"{drawing.name} of {layer.name}", drawing.picture


def _image_shape(signature: Signature, spec: TaskSpec) -> tuple[int, int, int]:
    """Return (channels, height, width) of the data's images. Raises IncompatibleError if the inputs are none."""
    shape = tuple(size or 0 for size in signature.input_shape)
    if len(shape) != 3 or shape[0] not in CHANNELS or not all(shape):
        raise IncompatibleError(
            f"the inputs of task {spec.qualified} have the shape {signature.input_shape}: only models of images, "
            "(1 or 3, height, width), can be looked into"
        )
    return shape[0], shape[1], shape[2]


def _input_maker(task: Task, spec: TaskSpec, ctx: Context) -> Callable[[nn.Module, Signature, Recipe, Array], Tensor]:
    if not isinstance(task, HasImageInputs):
        raise IncompatibleError(
            f"models of task {spec.qualified} cannot be inspected: its code has no method `image_inputs`; tasks of "
            f"the kinds {' and '.join(IMAGE_KINDS)} have it"
        )
    return lambda model, signature, recipe, raw: task.image_inputs(ctx, model, signature, recipe, raw)


def _subject(
    model: nn.Module, layer: Layer, inputs: Callable[[Array], Tensor], classes: Sequence[str], spec: TaskSpec
) -> Subject:
    resized = spec.kind in KINDS and KINDS[spec.kind].resizes_images
    return Subject(model=model, layer=layer, make_inputs=inputs, classes=classes, resized=resized)


def _classes(signature: Signature, spec: TaskSpec) -> Sequence[str]:
    """Return the names of the classes, or their numbers; none for a task whose outputs are no scores of classes."""
    if spec.kind not in IMAGE_KINDS:
        return ()
    return signature.classes or [str(number) for number in range(signature.outputs or 0)]


def _class_number(name: str, classes: Sequence[str]) -> int:
    if name not in classes:
        raise UnknownNameError("class", name, classes)
    return [*classes].index(name)


def _images_of(job: InspectJob, saved: SavedModel, shape: tuple[int, int, int]) -> Images:
    """Return the job's files as images, or without files those of the test split. Opens the data for these only."""
    if not job.files:
        data, _ = open_job_data(saved, job)
        data.unseal()
        return _test_images(data.split("test"), _classes(data.signature, saved.task_spec))
    with restrained_use(saved.path, "cpu"):  # where images are read; their size is from the checkpoint
        raw = read_images([Path(file) for file in job.files], shape[1:], channels=shape[0])
    return Images(
        count=len(raw),
        read=lambda rows: raw[[*rows]],
        caption=lambda row: Path(job.files[row]).stem,
        shows_all=True,
        noun="file" if len(raw) == 1 else "files",
    )


def _test_images(split: Split, classes: Sequence[str]) -> Images:
    """Return the images of the test split, with their class as caption if the data state one for each.

    Raises IncompatibleError if the column `x` holds no images.
    """
    column, labels = split.columns["x"], split.columns.get("y")
    if isinstance(column, Ragged) or column.dtype != np.uint8 or column.ndim != 4:
        raise IncompatibleError("the column `x` of the data holds no images, uint8 (n, channels, height, width)")
    numbers: Array = np.arange(len(column)) if split.rows is None else split.rows

    def caption(row: int) -> str:
        if isinstance(labels, np.ndarray) and labels.ndim == 1 and classes:
            return classes[int(labels[numbers[row]])]
        return f"test {row}"

    return Images(
        count=len(numbers),
        read=lambda rows: np.asarray(column[numbers[[*rows]]]),
        caption=caption,
        shows_all=False,
        noun="test images",
    )


def _as_row(layer: Layer) -> dict[str, Any]:
    return {
        "layer": layer.name,
        "type": layer.class_name,
        "shape": list(layer.shape),
        "parameters": layer.parameters,
        "maps": layer.has_maps,
    }


def _path(name: str, layer: Layer, folder: Path) -> Path:
    return folder / f"{portable(layer.name)}-{name}.png"


def _refuse_existing(folder: Path, layer: Layer) -> None:
    """Raise UsageError before anything is drawn if there is a picture of the layer already."""
    for name in SHEETS:
        if os.path.lexists(path := _path(name, layer, folder)):
            raise UsageError(f"{path} exists, and no file is overwritten: give another folder to --out")


def _write(drawing: Drawing, layer: Layer, folder: Path) -> dict[str, Any]:
    path = _path(drawing.name, layer, folder)
    write_new(path, png(drawing.picture), option="--out")
    return {"picture": drawing.name, "layer": layer.name, "shows": drawing.shows, "file": str(path)}

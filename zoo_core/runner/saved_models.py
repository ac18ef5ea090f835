"""Uses a saved model in a new process: scores it again, or predicts local files.

The checkpoint may come from anyone. Its names are looked up among installed plugins. A file is run only if the person
names it in the same command.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zoo_core.data.accounting import warn_of_left_out
from zoo_core.data.locate import dataset_root, fingerprint
from zoo_core.data.open import OpenData, open_data
from zoo_core.entries import names_file
from zoo_core.entries.codehash import code_sha256
from zoo_core.entries.unpackaged import PLUGIN
from zoo_core.errors import IncompatibleError, UsageError
from zoo_core.files import own_cache
from zoo_core.kinds import IMAGE_KINDS, adapted_signature, make_task
from zoo_core.measure.devices import autocast
from zoo_core.measure.randomness import evaluation_mode
from zoo_core.optional import HasPredict, HasPredictionPictures
from zoo_core.pictures import png
from zoo_core.protocols import Context, Table, Task
from zoo_core.quote import one_line
from zoo_core.recipe import Recipe, check_value
from zoo_core.registry import Registry
from zoo_core.runner import checkpoints
from zoo_core.runner.build import build_model, prepare_task, reseed
from zoo_core.runner.checkpoints import Checkpoint
from zoo_core.runner.events import EvaluateJob, ExportJob, InspectJob, PredictJob
from zoo_core.runner.pair_recipe import pair_parameters
from zoo_core.runner.restraint import restrained_build, restrained_use
from zoo_core.specs import ModelSpec, Signature, TaskSpec


def evaluate(job: EvaluateJob) -> dict[str, Any]:
    """Score a saved model on the test split of the job's data set; return these scores and the saved ones."""
    saved = SavedModel(Path(job.checkpoint), Registry.load(), job.device, job.threads, job.model)
    task, model, facts = open_for_test(saved, job)
    with saved.inference(model):
        scores = task.evaluate(saved.ctx, model, "test").scores
    return {
        **facts,
        "metric": saved.header.metric,
        "scores": {name: float(score) for name, score in scores.items()},
        "saved_scores": saved.header.scores,
    }


def open_for_test(saved: SavedModel, job: EvaluateJob | ExportJob) -> tuple[Task, nn.Module, dict[str, Any]]:
    """Return the task with the job's data, test open, and the saved model; also what both are, for the command."""
    header = saved.header
    data, identity = open_job_data(saved, job)
    with restrained_use(saved.path, saved.ctx.device):
        task = prepare_task(saved.task_spec, saved.ctx, data, saved.recipe)
    model = saved.build_model()
    data.unseal()
    facts = {
        "task": header.task,
        "model": header.model,
        "dataset": data.spec.qualified,
        "same_data": identity == header.fingerprint,
        "same_code": (header.code_sha256, header.model_version, header.task_version)
        == (code_sha256(saved.model_spec.entry), saved.model_spec.version, saved.task_spec.version),
    }
    return task, model, facts


def open_job_data(saved: SavedModel, job: EvaluateJob | ExportJob | InspectJob) -> tuple[OpenData, str]:
    """Open the job's data set with the model's signature, and return it with its fingerprint.

    Raises IncompatibleError if the model was trained on other classes or shapes.
    """
    trained_on = saved.header.signature
    if not job.dataset:
        saved.require_plugin(saved.header.dataset)
    dataset = saved.registry.dataset(job.dataset or saved.header.dataset, saved.task_spec.plugin)
    saved.ctx.data_root = dataset_root(dataset, Path(job.data_root) if job.data_root else None)
    saved.ctx.offline = job.offline
    identity = fingerprint(dataset, saved.ctx.data_root)
    data = open_data(dataset, saved.ctx, identity)
    warn_of_left_out({dataset.qualified: data.left_out()})
    if (data.signature.classes, data.signature.outputs) != (trained_on.classes, trained_on.outputs):
        raise IncompatibleError(f"dataset {dataset.qualified} has other classes than the model was trained on")
    if not _fits(data.signature, trained_on, saved.task_spec):
        shapes = f"{data.signature.input_shape}, the model takes {trained_on.input_shape}"
        raise IncompatibleError(f"dataset {dataset.qualified} has examples of {shapes}")
    data.signature = saved.adapted_signature()
    return data, identity


def predict(job: PredictJob) -> Table:
    """Predict the job's files with a saved model, and draw the predictions if the job names files for them."""
    saved = SavedModel(Path(job.checkpoint), Registry.load(), job.device, 0, job.model)
    task = make_task(saved.task_spec)
    if not isinstance(task, HasPredict):
        raise IncompatibleError(f"models of task {saved.header.task} cannot predict files")
    if job.pictures and not isinstance(task, HasPredictionPictures):
        raise IncompatibleError(f"task {saved.header.task} draws no predictions: leave --pictures out")
    model = saved.build_model()
    files, signature = [Path(name) for name in job.files], saved.adapted_signature()
    with saved.inference(model):
        shape = saved.header.signature.input_shape
        table = task.predict(saved.ctx, model, signature, shape, saved.recipe, files, job.top)
    if isinstance(task, HasPredictionPictures) and job.pictures:
        drawn = task.prediction_pictures(files, signature, table)
        for path, picture in zip(map(Path, job.pictures), drawn, strict=True):
            write_new(path, png(picture))
    return table


def write_new(path: Path, content: bytes, *, option: str = "--pictures") -> None:
    """Write a new file, and its folder if needed. Raises UsageError if it cannot be written, or exists.

    option: the one of the command that names the folder.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:  # "x" also refuses a link that somebody has put there
            file.write(content)
    except FileExistsError as error:
        raise UsageError(f"{path} exists, and no file is overwritten: give another folder to {option}") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written ({error.strerror}): give another folder to {option}") from error


def _fits(given: Signature, trained_on: Signature, task: TaskSpec) -> bool:
    """Return whether a model can take other data: examples of the same shape, or images of any size."""
    if task.kind in IMAGE_KINDS:
        return given.input_shape[:1] == trained_on.input_shape[:1]
    return given.input_shape == trained_on.input_shape


class SavedModel:
    """A checkpoint with its header, specs, recipe and context."""

    def __init__(self, path: Path, registry: Registry, device: str, threads: int, model: str = "") -> None:
        self.path, self.registry = path, registry
        self.header: Checkpoint = checkpoints.read(path)
        self.require_plugin(self.header.task)
        self.task_spec = registry.task(self.header.task)
        self.model_spec = self._find_model(model)
        self.recipe = self._recipe()
        torch.set_flush_denormal(True)
        torch.set_num_threads(threads or self.header.threads)
        self.ctx = Context(
            device=device,
            dtype=self.header.dtype,
            seed=self.header.seed,
            threads=threads or self.header.threads,
            cache=own_cache(self.header.task),
        )
        reseed(self.ctx)

    def _find_model(self, file: str) -> ModelSpec:
        """Find the registered model that the header names, or the one in the file that the person named.

        Raises IncompatibleError if a file is missing, or given for a model of a plugin.
        """
        name, source = self.header.model, self.header.file
        if name.startswith(f"{PLUGIN}:") or names_file(name):
            if file:
                return self.registry.model_or_file(file, self.task_spec)
            claimed = f"{one_line(source)} ({one_line(name)})" if source else one_line(name)
            raise IncompatibleError(
                f"checkpoint {self.path} claims that its model is {claimed}, which no plugin adds: a file that only a "
                "checkpoint names is never run; if you have the file and trust it, name it: "
                f"`zoo eval {shlex.quote(str(self.path))} --model ./FILE.py:NAME`"
            )
        if not file:
            self.require_plugin(name)
            return self.registry.model(name, self.task_spec)
        if name.partition(":")[0] in self.registry.versions:
            raise IncompatibleError(
                f"checkpoint {self.path} is of model {name}, which a plugin adds: leave --model out"
            )
        return self.registry.model_or_file(file, self.task_spec)

    def require_plugin(self, name: str) -> None:
        """Raise UsageError if the plugin of a qualified name in the header is not installed, or cannot be used."""
        plugin, separator, _ = name.partition(":")
        if separator and plugin not in self.registry.versions:
            self.registry.refuse_unusable(plugin)
            raise IncompatibleError(
                f"checkpoint {self.path} names {one_line(name)}, and no plugin {one_line(plugin)} is installed: "
                "install it if you trust it"
            )

    def _recipe(self) -> Recipe:
        """Return the saved recipe, with defaults for newer keys. Raises RecipeError, IncompatibleError."""
        params, saved = pair_parameters(self.task_spec, self.model_spec), self.header.recipe
        missing = sorted(set(self.model_spec.options) - set(saved))
        if missing:
            raise IncompatibleError(
                f"checkpoint {self.path} has no {', '.join(missing)}: model {self.header.model} has changed since then"
            )
        values = {key: param.default for key, param in params.items()} | saved
        owner = f"checkpoint {self.path}"  # the file may come from anyone, so every value is checked
        return Recipe(
            {key: check_value(key, params[key], value, owner) for key, value in values.items() if key in params}
        )

    def adapted_signature(self) -> Signature:
        """The signature that the model was built for, with the mean and std that normalise its inputs."""
        return adapted_signature(self.model_spec, self.task_spec, self.header.signature, self.recipe)

    def build_model(self) -> nn.Module:
        """Build the model on the device and load its weights. Raises IncompatibleError, WeightsError."""
        with restrained_build(self.path):
            model = build_model(self.model_spec, self.adapted_signature(), self.recipe)
        checkpoints.restore(self.path, model)
        return model.to(self.ctx.device)

    @contextlib.contextmanager
    def inference(self, model: nn.Module) -> Iterator[None]:
        """Evaluation mode, no gradients, the precision that the model was trained in, and a limit of memory."""
        with (
            restrained_use(self.path, self.ctx.device),
            evaluation_mode(model, self.ctx.generator, self.ctx.device),
            autocast(self.ctx.device, self.ctx.dtype),
        ):
            yield

"""Uses a saved model in a new process: scores it again, or lets it answer a person's files."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from zoo_core import checkpoints
from zoo_core.checkpoints import Checkpoint
from zoo_core.data.cache import own_cache
from zoo_core.data.files import fingerprint, own_root
from zoo_core.data.open import open_data
from zoo_core.errors import IncompatibleError
from zoo_core.kinds import body_entry, kind_recipe, seen_by
from zoo_core.measure.randomness import seed_everything, undisturbed
from zoo_core.protocols import Context, Table
from zoo_core.recipe import RUNNER_PARAMS, Recipe, as_param
from zoo_core.registry import Registry
from zoo_core.runner.build import build
from zoo_core.runner.events import EvaluateJob, PredictJob
from zoo_core.specs import Signature, resolve


def evaluate(job: EvaluateJob) -> dict[str, Any]:
    """The scores on the test split of the job's data set, beside those when the model was saved."""
    saved = Saved(Path(job.checkpoint), Registry.load(), job.device, job.threads)
    about = saved.about
    dataset = saved.registry.dataset(job.dataset or about.dataset, saved.spec.plugin)
    saved.ctx.data_root = own_root(dataset, Path(job.data_root) if job.data_root else None)
    saved.ctx.offline = job.offline
    identity = fingerprint(dataset, saved.ctx.data_root)
    data = open_data(dataset, saved.ctx, identity)
    if data.signature.classes != about.signature.classes:
        raise IncompatibleError(f"dataset {dataset.qualified} has other classes than the model was trained on")
    data.signature = saved.seen(data.signature)
    saved.task.prepare(saved.ctx, data, saved.recipe)
    model = saved.model()
    data.unseal()
    with saved.looking(model), saved.autocast():
        scores = saved.task.evaluate(saved.ctx, model, "test").scores
    return {
        "task": about.task,
        "model": about.model,
        "dataset": dataset.qualified,
        "same_data": identity == about.fingerprint,
        "metric": about.metric,
        "scores": {name: float(score) for name, score in scores.items()},
        "saved_scores": about.scores,
    }


def predict(job: PredictJob) -> Table:
    """The model's answers to the job's files."""
    saved = Saved(Path(job.checkpoint), Registry.load(), job.device, 0)
    answer = getattr(saved.task, "predict", None)
    if answer is None:
        raise IncompatibleError(f"models of task {saved.about.task} cannot answer files")
    model = saved.model()
    files = [Path(name) for name in job.files]
    with saved.looking(model), saved.autocast():
        table: Table = answer(saved.ctx, model, saved.seen(saved.about.signature), saved.recipe, files, job.top)
    return table


class Saved:
    """A checkpoint with the specs, the task and the context that belong to it."""

    def __init__(self, path: Path, registry: Registry, device: str, threads: int) -> None:
        self.path, self.registry = path, registry
        self.about: Checkpoint = checkpoints.read(path)
        self.spec = registry.task(self.about.task)
        self.model_spec = registry.model(self.about.model)
        params = {**RUNNER_PARAMS, **kind_recipe(self.spec)}  # for keys that are younger than the checkpoint
        self.recipe = Recipe({key: as_param(value).default for key, value in params.items()} | self.about.recipe)
        self.task: Any = resolve(body_entry(self.spec))(self.spec)
        torch.set_flush_denormal(True)
        torch.set_num_threads(threads or self.about.threads)
        self.ctx = Context(
            device=device,
            dtype=self.about.dtype,
            seed=self.about.seed,
            threads=threads or self.about.threads,
            cache=own_cache(self.about.task),
            generator=seed_everything(self.about.seed, device),
        )

    def seen(self, signature: Signature) -> Signature:
        """What the model was built to see; normalised by the data it was trained on, also where others are named."""
        own = self.about.signature
        return seen_by(self.model_spec, self.spec, replace(signature, mean=own.mean, std=own.std), self.recipe)

    def model(self) -> nn.Module:
        """The model with its weights, on the device."""
        missing = sorted(set(self.model_spec.options) - set(self.recipe))
        if missing:
            raise IncompatibleError(
                f"checkpoint {self.path} knows no {', '.join(missing)}: model {self.about.model} has changed since"
            )
        model = build(self.model_spec, self.seen(self.about.signature), self.recipe)
        checkpoints.restore(self.path, model)
        return model.to(self.ctx.device)

    def looking(self, model: nn.Module) -> AbstractContextManager[None]:
        return undisturbed(model, self.ctx.generator, self.ctx.device)

    def autocast(self) -> AbstractContextManager[Any]:
        enabled = self.ctx.dtype != "float32"
        return torch.autocast(torch.device(self.ctx.device).type, getattr(torch, self.ctx.dtype), enabled=enabled)

"""What `zoo_benchmark_model` measures: one step of a model's training, or one answer. Torch inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from msgspec.structs import asdict

from zoo_core.checks.data import few_examples
from zoo_core.checks.harness import Harness, Started, tensors
from zoo_core.data.locate import fingerprint
from zoo_core.entries.codehash import code_sha256
from zoo_core.measure.environment import cpu_name, describe
from zoo_core.registry import Registry
from zoo_core.results.benchmarks import BenchmarkedCall, Note
from zoo_core.results.records import DeviceFacts, ModelFacts
from zoo_core.runner.facts import dataset_facts, model_size, task_facts
from zoo_core.specs import ModelSpec, TaskSpec

ENDLESS = 10**9  # steps: as many as are asked for
LENGTH = ("steps", "epochs")  # keys of a recipe that say nothing here


def measurable(
    registry: Registry, task: TaskSpec, model: ModelSpec, what: BenchmarkedCall, examples: int, folder: Path
) -> tuple[Callable[[], Any], Note]:
    """A function that does `what` once with so many examples, or as many as there are; and what is to be said of it.

    Inference is one answer in eval mode without gradients, of weights as they are drawn; a training step is the next
    one of a training that does not end.
    """
    data = few_examples(registry, task, None, train=examples)
    harness = Harness(task=task, model=model, data=data, cache=folder)
    started = harness.start(batch_size=examples, steps=ENDLESS)
    call, count = _inference(started, examples) if what == "inference" else _training_step(started)
    return call, _note(registry, harness, started, what, count)


def _inference(started: Started, examples: int) -> tuple[Callable[[], Any], int]:
    x = started.example(examples)
    started.model.eval()

    def answer() -> Any:
        with torch.no_grad():
            return started.model(x)

    return answer, len(tensors(x)[0])


def _training_step(started: Started) -> tuple[Callable[[], Any], int]:
    steps = started.steps()
    first = next(steps)  # slower than those that follow
    return lambda: next(steps), first.n


def _note(registry: Registry, harness: Harness, started: Started, what: BenchmarkedCall, examples: int) -> Note:
    model, dataset = harness.model, harness.data.spec
    return Note(
        what=what,
        examples=examples,
        task=task_facts(harness.task),
        dataset=dataset_facts(dataset, fingerprint(dataset, None), harness.data.sizes),
        model=ModelFacts(
            name=model.qualified,
            title=model.title,
            version=model.version,
            code_sha256=code_sha256(model.entry),
            **asdict(model_size(started.model)),
        ),
        device=DeviceFacts(kind="cpu", name=cpu_name(), threads=torch.get_num_threads()),
        recipe={key: value for key, value in started.recipe.items() if key not in LENGTH},
        environment=describe(registry.versions),
    )

"""The calls that `zoo_benchmark_model` measures: one training step or one inference. Torch inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from msgspec.structs import asdict

from zoo_core.checks.data import load_few_examples
from zoo_core.checks.harness import Harness, Started, tensors
from zoo_core.data.locate import fingerprint
from zoo_core.entries.codehash import code_sha256
from zoo_core.measure.environment import cpu_name, describe
from zoo_core.registry import Registry
from zoo_core.results.benchmarks import BenchmarkedCall, Note
from zoo_core.results.records import DeviceFacts, ModelFacts
from zoo_core.runner.record_facts import dataset_facts, model_size, task_facts
from zoo_core.specs import ModelSpec, TaskSpec

UNLIMITED_STEPS = 10**9
LENGTH_KEYS = ("steps", "epochs")  # recipe keys that do not apply to a benchmark


def make_benchmark(
    registry: Registry, task: TaskSpec, model: ModelSpec, what: BenchmarkedCall, examples: int, folder: Path
) -> tuple[Callable[[], Any], Note]:
    """Return a function to measure, and the facts to store with its times.

    The function runs one inference in evaluation mode with random weights and without gradients, or one training step.
    It uses `examples` examples, or fewer if the data set is smaller.
    """
    data = load_few_examples(registry, task, None, train=examples)
    harness = Harness(task=task, model=model, data=data, cache=folder)
    started = harness.start(batch_size=examples, steps=UNLIMITED_STEPS)
    call, count = _inference(started, examples) if what == "inference" else _training_step(started)
    return call, _note(registry, harness, started, what, count)


def _inference(started: Started, examples: int) -> tuple[Callable[[], Any], int]:
    x = started.example(examples)
    started.model.eval()

    def predict() -> Any:
        with torch.no_grad():
            return started.model(x)

    return predict, len(tensors(x)[0])


def _training_step(started: Started) -> tuple[Callable[[], Any], int]:
    steps = started.steps()
    first = next(steps)  # warm-up: slower than later steps
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
        recipe={key: value for key, value in started.recipe.items() if key not in LENGTH_KEYS},
        environment=describe(registry.versions),
    )

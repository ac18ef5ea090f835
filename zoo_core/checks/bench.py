"""What `zoo_benchmark_model` measures: one step of a model's training, or one answer. Torch inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from zoo_core.checks.bed import Bed
from zoo_core.checks.child import few_examples
from zoo_core.registry import Registry
from zoo_core.specs import ModelSpec, TaskSpec

ENDLESS = 10**9  # steps: as many as are asked for


def inference(registry: Registry, task: TaskSpec, model: ModelSpec, folder: Path, examples: int) -> Callable[[], Any]:
    """A function that lets the model answer a batch, in eval mode and without gradients."""
    started = _bed(registry, task, model, folder).start(batch_size=examples)
    x = started.example(examples)
    started.model.eval()

    def answer() -> Any:
        with torch.no_grad():
            return started.model(x)

    return answer


def training_step(
    registry: Registry, task: TaskSpec, model: ModelSpec, folder: Path, examples: int
) -> Callable[[], Any]:
    """A function that takes the next step of a training with batches of so many examples, or as many as there are."""
    started = _bed(registry, task, model, folder).start(batch_size=examples, steps=ENDLESS)
    steps = started.steps()
    return lambda: next(steps)


def _bed(registry: Registry, task: TaskSpec, model: ModelSpec, folder: Path) -> Bed:
    return Bed(task=task, model=model, data=few_examples(registry, task, None), cache=folder)

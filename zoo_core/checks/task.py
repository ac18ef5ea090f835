"""Checks of tasks: a few steps on a few examples with a small model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.checks import CheckFailedError, NotApplicableError, SkipCheckError
from zoo_core.checks.table import require_known_checks
from zoo_core.errors import MisspeltMethodError
from zoo_core.kinds import KINDS, kind_recipe, make_task, task_entry
from zoo_core.recipe import parameters, resolve_recipe
from zoo_core.registry import Registry
from zoo_core.specs import ModelSpec, TaskSpec

if TYPE_CHECKING:
    from zoo_core.checks.harness import Harness, Started
    from zoo_core.checks.watch import Watch

REQUIRED_METHODS = ("prepare", "train", "evaluate")


@dataclass
class TaskSubject:
    """A task under test, prepared for its checks. `folder` takes the files that they write."""

    spec: TaskSpec
    registry: Registry
    folder: Path = Path()
    data_root: Path | None = None
    watch: Watch | None = None

    @cached_property
    def model(self) -> ModelSpec:
        """The suite's own model for a shared kind, otherwise the first registered model."""
        from zoo_core.checks.harness import stand_in_for

        if self.spec.kind in KINDS:
            return stand_in_for(self.spec)
        models = self.registry.models_for(self.spec)
        if not models:
            raise SkipCheckError("its kind belongs to its plugin, and no installed model is registered for it")
        return models[0]

    @cached_property
    def harness(self) -> Harness:
        from zoo_core.checks.data import load_few_examples
        from zoo_core.checks.harness import Harness

        data = load_few_examples(self.registry, self.spec, self.data_root)
        return Harness(task=self.spec, model=self.model, data=data, cache=self.folder)


def metadata(subject: TaskSubject) -> None:
    spec = subject.spec
    missing = [name for name in ("title", "summary", "unit", "metric") if not getattr(spec, name).strip()]
    if missing:
        raise CheckFailedError(f"the spec states no {', no '.join(missing)}")
    if not spec.references and (spec.chance is None or spec.target is None):
        raise CheckFailedError("no score to compare with: give references, or both chance and target")
    if not all(reference.source.strip() for reference in spec.references):
        raise CheckFailedError("a reference has no source")
    unknown = {reference.dataset for reference in spec.references} - {"", *spec.datasets}
    if unknown:
        raise CheckFailedError(f"a reference is on {unknown.pop()!r}, which is no data set of the task")
    require_known_checks("task", spec.expected_failures)


def recipe(subject: TaskSubject) -> None:
    model_without_recipe = ModelSpec(name="bare", entry="none:none")
    params = parameters(subject.spec, model_without_recipe, kind_recipe(subject.spec))
    resolve_recipe(params, subject.spec.quick)


def entry(subject: TaskSubject) -> None:
    try:
        task = make_task(subject.spec)
    except MisspeltMethodError as error:
        raise CheckFailedError(str(error)) from error
    missing = [name for name in REQUIRED_METHODS if not callable(getattr(task, name, None))]
    if missing:
        raise CheckFailedError(f"{task_entry(subject.spec)} returns an object without {', '.join(missing)}")


def trains(subject: TaskSubject) -> None:
    from torch import Tensor

    from zoo_core.protocols import Deferred

    started = subject.harness.start()
    wanted, taken = started.recipe.steps, 0
    for step in started.steps():
        taken += step.steps
        if step.n < 1:
            raise CheckFailedError(f"a Step reports {step.n} {subject.spec.unit}")
        for name, value in step.logs.items():
            value = value.value() if isinstance(value, Deferred) else value
            if not isinstance(value, Tensor) or value.numel() != 1:
                raise CheckFailedError(f"the log {name!r} is {value!r}, not a scalar tensor")
        if taken > wanted:
            raise CheckFailedError(f"training continued after the {wanted} steps of the recipe")
    if taken != wanted:
        raise CheckFailedError(f"training ended after {taken} of the recipe's {wanted} steps")


def scores(subject: TaskSubject) -> None:
    started = subject.harness.start()
    started.train()
    for split in ("val", "test"):
        values = evaluate(started, split)
        if subject.spec.metric not in values:
            raise CheckFailedError(f"the scores of {split} are {', '.join(values)}, without {subject.spec.metric}")
        if not math.isfinite(values[subject.spec.metric]):
            raise CheckFailedError(f"{subject.spec.metric} on {split} is {values[subject.spec.metric]}")


def evaluate(started: Started, split: str, model: Any = None) -> dict[str, float]:
    """Score the model (default: the built one) on a split, in evaluation mode."""
    from zoo_core.measure.randomness import evaluation_mode

    model = started.model if model is None else model
    with evaluation_mode(model, started.ctx.generator, "cpu"):
        return started.task.evaluate(started.ctx, model, split).scores


def direction(subject: TaskSubject) -> None:
    from zoo_core.checks.fixed_model import make_perfect_and_wrong_models

    spec = subject.spec
    if spec.chance is not None and spec.target is not None and (spec.target > spec.chance) != spec.higher_is_better:
        raise CheckFailedError(f"the target {spec.target:g} is worse than chance level, {spec.chance:g}")
    if spec.kind not in KINDS:
        raise NotApplicableError("its kind belongs to its plugin, so the perfect predictions are unknown")
    started = subject.harness.start()
    models = make_perfect_and_wrong_models(spec.kind, started.data)
    perfect, wrong = (evaluate(started, "val", model)[spec.metric] for model in models)
    better = perfect > wrong if spec.higher_is_better else perfect < wrong
    if not better:
        order = "higher" if spec.higher_is_better else "lower"
        raise CheckFailedError(
            f"{spec.metric} is {perfect:g} for perfect and {wrong:g} for wrong predictions, "
            f"but the spec says {order} is better"
        )


def test_sealed(subject: TaskSubject) -> None:
    started = subject.harness.start()
    started.train()
    evaluate(started, "val")
    if "test" in started.data.requested:
        raise CheckFailedError("the test split was opened before the final score")


def same_seed(subject: TaskSubject) -> None:
    if _train_with_seed(subject, 3) != _train_with_seed(subject, 3):
        raise CheckFailedError("two trainings with seed 3 differ in their losses or weights")


def other_seed(subject: TaskSubject) -> None:
    if _train_with_seed(subject, 3) == _train_with_seed(subject, 4):
        raise CheckFailedError("from the same initial weights, seeds 3 and 4 give identical trainings")


def _train_with_seed(subject: TaskSubject, seed: int) -> tuple[list[dict[str, float]], list[bytes]]:
    """Train from initial weights that are the same for every seed. Returns the logs and the final weights."""
    started = subject.harness.start(seed=seed, model_seed=0)
    logs = started.train()
    return logs, [tensor.numpy().tobytes() for tensor in started.model.state_dict().values()]

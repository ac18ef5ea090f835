"""Checks of tasks: a few steps on a few examples with the smallest model there is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core.checks import CheckFailedError, NotApplicableError, SkipCheckError
from zoo_core.checks.dataset import refuse_unknown_marks
from zoo_core.errors import MisspeltMethodError
from zoo_core.kinds import KINDS, body_entry, kind_recipe, make_body
from zoo_core.recipe import parameters, resolve_recipe
from zoo_core.registry import Registry
from zoo_core.specs import ModelSpec, TaskSpec

if TYPE_CHECKING:
    from zoo_core.checks.harness import Harness, Started
    from zoo_core.checks.watch import Watch

METHODS = ("prepare", "train", "evaluate")


@dataclass
class TaskSubject:
    spec: TaskSpec
    registry: Registry
    folder: Path = Path()
    data_root: Path | None = None
    watch: Watch | None = None

    @cached_property
    def model(self) -> ModelSpec:
        """The suite's own for a shared kind, else the first that is registered."""
        from zoo_core.checks.harness import stand_in_for

        if self.spec.kind in KINDS:
            return stand_in_for(self.spec)
        models = self.registry.models_for(self.spec)
        if not models:
            raise SkipCheckError("its kind is its plugin's own, and no installed model is registered for it")
        return models[0]

    @cached_property
    def harness(self) -> Harness:
        from zoo_core.checks.data import few_examples
        from zoo_core.checks.harness import Harness

        data = few_examples(self.registry, self.spec, self.data_root)
        return Harness(task=self.spec, model=self.model, data=data, cache=self.folder)


def metadata(subject: TaskSubject) -> None:
    spec = subject.spec
    missing = [name for name in ("title", "summary", "unit", "metric") if not getattr(spec, name).strip()]
    if missing:
        raise CheckFailedError(f"the spec states no {', no '.join(missing)}")
    if not spec.references and (spec.chance is None or spec.target is None):
        raise CheckFailedError("it gives no references, and not both chance and target: nothing to compare with")
    if not all(reference.source.strip() for reference in spec.references):
        raise CheckFailedError("a reference has no source")
    refuse_unknown_marks("task", spec.expected_failures)


def recipe(subject: TaskSubject) -> None:
    bare = ModelSpec(name="bare", entry="none:none")
    resolve_recipe(parameters(subject.spec, bare, kind_recipe(subject.spec)), subject.spec.quick)


def entry(subject: TaskSubject) -> None:
    try:
        body = make_body(subject.spec)
    except MisspeltMethodError as error:
        raise CheckFailedError(str(error)) from error
    missing = [name for name in METHODS if not callable(getattr(body, name, None))]
    if missing:
        raise CheckFailedError(f"what {body_entry(subject.spec)} makes has no method {', no '.join(missing)}")


def trains(subject: TaskSubject) -> None:
    from torch import Tensor

    started = subject.harness.start()
    wanted, taken = started.recipe.steps, 0
    for step in started.steps():
        taken += step.steps
        if step.n < 1:
            raise CheckFailedError(f"a Step says that it used {step.n} {subject.spec.unit}")
        for name, value in step.logs.items():
            if not isinstance(value, Tensor) or value.numel() != 1:
                raise CheckFailedError(f"the log {name!r} is {value!r}, not a scalar tensor")
        if taken > wanted:
            raise CheckFailedError(f"training went on after the {wanted} steps of the recipe")
    if taken != wanted:
        raise CheckFailedError(f"training ended after {taken} of the recipe's {wanted} steps")


def scores(subject: TaskSubject) -> None:
    started = subject.harness.start()
    started.train()
    for split in ("val", "test"):
        found = score(started, split)
        if subject.spec.metric not in found:
            raise CheckFailedError(f"{split} was scored in {', '.join(found)}, not in {subject.spec.metric}")
        if not math.isfinite(found[subject.spec.metric]):
            raise CheckFailedError(f"{subject.spec.metric} on {split} is {found[subject.spec.metric]}")


def score(started: Started, split: str, model: Any = None) -> dict[str, float]:
    from zoo_core.measure.randomness import evaluation_mode

    model = started.model if model is None else model
    with evaluation_mode(model, started.ctx.generator, "cpu"):
        return started.body.evaluate(started.ctx, model, split).scores


def direction(subject: TaskSubject) -> None:
    from zoo_core.checks.planted import planted

    spec = subject.spec
    if spec.chance is not None and spec.target is not None and (spec.target > spec.chance) != spec.higher_is_better:
        raise CheckFailedError(f"the target {spec.target:g} is worse than guessing, {spec.chance:g}")
    if spec.kind not in KINDS:
        raise NotApplicableError("its kind is its plugin's own: what the truth would answer is not known")
    started = subject.harness.start()
    true, wrong = (score(started, "val", model)[spec.metric] for model in planted(spec.kind, started.data))
    better = true > wrong if spec.higher_is_better else true < wrong
    if not better:
        order = "higher" if spec.higher_is_better else "lower"
        raise CheckFailedError(
            f"{spec.metric} is {true:g} for the truth and {wrong:g} for wrong answers, but {order} is said to be better"
        )


def test_sealed(subject: TaskSubject) -> None:
    started = subject.harness.start()
    started.train()
    score(started, "val")
    if "test" in started.data.asked:
        raise CheckFailedError("the test split was opened before the final score")


def same_seed(subject: TaskSubject) -> None:
    if _trained(subject, seed=3) != _trained(subject, seed=3):
        raise CheckFailedError("two trainings from seed 3 differ in their losses or weights")


def other_seed(subject: TaskSubject) -> None:
    if _trained(subject, seed=3) == _trained(subject, seed=4):
        raise CheckFailedError("trainings from seeds 3 and 4, with the same first weights, are the same bit for bit")


def _trained(subject: TaskSubject, seed: int) -> tuple[list[dict[str, float]], list[bytes]]:
    """Losses and weights of a training whose model is the same for every seed."""
    started = subject.harness.start(seed=seed, model_seed=0)
    logs = started.train()
    return logs, [tensor.numpy().tobytes() for tensor in started.model.state_dict().values()]

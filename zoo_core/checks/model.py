"""Checks of models: built and trained for a few steps on a few examples of one task."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core import recipe as recipes
from zoo_core.checks import CheckFailedError, NotApplicableError
from zoo_core.checks.dataset import refuse_unknown_marks
from zoo_core.entries import resolve_entry
from zoo_core.entries.unpackaged import PLUGIN, takes_signature
from zoo_core.kinds import IMAGE_KINDS, KINDS, adapted_signature, kind_recipe
from zoo_core.registry import Registry
from zoo_core.specs import ModelSpec, Signature, TaskSpec

if TYPE_CHECKING:
    from zoo_core.checks.harness import Harness, Started
    from zoo_core.checks.watch import Watch


@dataclass
class ModelSubject:
    """`task` is None where the model is registered for none: then the drawn task of its kind serves."""

    spec: ModelSpec
    task: TaskSpec | None
    registry: Registry
    folder: Path = Path()
    data_root: Path | None = None
    watch: Watch | None = None

    @cached_property
    def harness(self) -> Harness:
        from zoo_core.checks.data import few_examples, tiny
        from zoo_core.checks.harness import Harness

        if self.task is None and not self.spec.kind:
            return self._first_that_fits()
        if self.task is None:
            shape = KINDS[self.spec.kind].example_shape
            size = self.spec.accepts.min_size
            if len(shape) == 3:
                shape = (shape[0], max(shape[1], size), max(shape[2], size))
            drawn = tiny(self.spec.kind, shape)
            return Harness(task=drawn.task, model=self.spec, data=drawn.data, cache=self.folder)
        data = few_examples(self.registry, self.task, self.data_root)
        return Harness(task=self.task, model=self.spec, data=data, cache=self.folder)

    def _first_that_fits(self) -> Harness:
        """Drawn data of the first shared kind, or of the form of the first installed task, that the model answers."""
        from zoo_core.checks.data import tiny
        from zoo_core.checks.harness import Harness

        forms: dict[tuple[str, tuple[Any, ...], int], None] = {}
        for task in self.registry.tasks if self.spec.plugin == PLUGIN else ():
            for dataset in self.registry.datasets_of(task):
                pattern = dataset.signature
                if task.kind in KINDS and None not in pattern.input_shape and pattern.outputs:
                    forms[task.kind, pattern.input_shape, pattern.outputs] = None
        forms |= {(name, kind.example_shape, 0): None for name, kind in KINDS.items()}
        reasons = []
        for kind, form, outputs in forms:
            drawn = tiny(kind, form, outputs)
            harness = Harness(task=drawn.task, model=replace(self.spec, kind=kind), data=drawn.data, cache=self.folder)
            try:
                started = harness.start()
                refuse_other_shape(kind, started, started.example())
            # The model's own code on data it was perhaps not made for.
            except Exception as error:
                reasons.append(f"{kind} {form}: {type(error).__name__}: {error}")
                continue
            return harness
        raise CheckFailedError(f"it answers no installed task's data ({reasons[0]}): say which it is for with --task")

    @cached_property
    def trained(self) -> Started:
        """After a few steps, for looking at only."""
        started = self.harness.start()
        started.train()
        return started


def metadata(subject: ModelSubject) -> None:
    spec = subject.spec
    if not spec.title.strip():
        raise CheckFailedError("the spec states no title")
    if spec.weights is not None and not spec.pretrained_on:
        raise CheckFailedError("the spec names first weights, but not what they were trained on: `pretrained_on`")
    if spec.kind and "/" not in spec.kind and spec.kind not in KINDS:
        raise CheckFailedError(f"kind {spec.kind!r} is none of {', '.join(KINDS)}")
    fixed, least = spec.accepts.fixed_size, spec.accepts.min_size
    if fixed is not None and fixed < least:
        raise CheckFailedError(f"it accepts only {fixed} pixels a side, and at least {least}")
    refuse_unknown_marks("model", spec.expected_failures)


def recipe(subject: ModelSubject) -> None:
    if subject.task is None:
        raise NotApplicableError("it is registered for no task")
    params = recipes.parameters(subject.task, subject.spec, kind_recipe(subject.task))
    recipes.resolve_recipe(params, {**subject.task.quick, **subject.spec.quick})


def entry(subject: ModelSubject) -> None:
    build = resolve_entry(subject.spec.entry)
    if not callable(build):
        raise CheckFailedError(f"{subject.spec.entry} is a {type(build).__name__}, not a function")
    whole = subject.spec.plugin != PLUGIN or takes_signature(build)
    try:
        inspect.signature(build).bind(*[object()] * whole, **dict.fromkeys(subject.spec.options))
    except TypeError as error:
        options = "".join(f", {name}=..." for name in subject.spec.options)
        raise CheckFailedError(f"it cannot be called as build_model(signature{options}): {error}") from error


def builds(subject: ModelSubject) -> None:
    from zoo_core.runner.build import build_model

    spec, harness = subject.spec, subject.harness
    recipe = harness.recipe()
    for signature in [adapted_signature(spec, harness.task, harness.data.signature, recipe), *claimed(subject)]:
        try:
            build_model(spec, signature, recipe)
        # The model's own code: whatever it raises is why it cannot be built.
        except Exception as error:
            form = f"{signature.input_shape} with {signature.outputs} outputs"
            raise CheckFailedError(f"for {form}: {type(error).__name__}: {error}") from error


def claimed(subject: ModelSubject) -> Iterator[Signature]:
    """Signatures that the spec says the model accepts, as its kind would show them to it."""
    spec, task = subject.spec, subject.task
    if task is not None:
        for dataset in subject.registry.datasets_of(task):
            pattern = dataset.signature
            if None not in pattern.input_shape and pattern.outputs and not spec.accepts.refusal(pattern):
                yield adapted_signature(spec, task, _with_statistics(pattern), subject.harness.recipe())
    if spec.kind not in IMAGE_KINDS or spec.plugin == PLUGIN:
        return
    accepts = spec.accepts
    size = accepts.fixed_size or accepts.min_size
    for channels in accepts.channels or (1, 3):
        yield _with_statistics(Signature(input_shape=(channels, size, size), outputs=2))
    if accepts.fixed_size is None:
        most = accepts.max_outputs or 11
        yield _with_statistics(Signature(input_shape=(channels, size + 3, size + 8), outputs=most))


def _with_statistics(signature: Signature) -> Signature:
    channels = signature.input_shape[0] or 1
    if signature.mean or len(signature.input_shape) != 3:
        return signature
    return replace(signature, mean=(0.5,) * channels, std=(0.25,) * channels)


def output_shape(subject: ModelSubject) -> None:
    started = subject.harness.start()
    x = started.example()
    refuse_other_shape(subject.harness.task.kind, started, x)


def refuse_other_shape(kind: str, started: Started, x: Any) -> None:
    """Raise where an answer is not of the form that the kind asks for; plugins' own kinds ask what their bodies do."""
    found = started.answers(x)
    if not found:
        raise CheckFailedError("it answers without a tensor")
    if kind not in KINDS:
        return
    wanted = resolve_entry(KINDS[kind].output_shape)(x, started.data.signature.outputs or 0)
    if len(found) != 1 or tuple(found[0].shape) != wanted:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in found)
        raise CheckFailedError(f"an input {tuple(x.shape)} gives {shapes}, the kind asks for {wanted}")


def odd_sizes(subject: ModelSubject) -> None:
    from zoo_core.checks.data import tiny
    from zoo_core.checks.harness import Harness

    spec = subject.spec
    if spec.kind not in IMAGE_KINDS or spec.plugin == PLUGIN:
        raise NotApplicableError("it is not said to take images of other tasks: its spec states no such kind")
    if spec.accepts.fixed_size is not None:
        raise NotApplicableError(f"it takes images of {spec.accepts.fixed_size} pixels a side only")
    channels, least = (spec.accepts.channels or (3,))[0], spec.accepts.min_size
    for height, width in ((least, least), (least + 3, least + 8)):
        drawn = tiny(spec.kind, (channels, height, width), min(2, spec.accepts.max_outputs or 2))
        harness = Harness(
            task=drawn.task, model=replace(spec, quick={}, recipe={}), data=drawn.data, cache=subject.folder
        )
        started = harness.start(batch_size=2)
        try:
            refuse_other_shape(spec.kind, started, started.example())
        except CheckFailedError as error:
            raise CheckFailedError(f"images of {height}x{width}: {error}") from error
        # The model's own code: whatever it raises is why it cannot take the size.
        except Exception as error:
            raise CheckFailedError(f"images of {height}x{width}: {type(error).__name__}: {error}") from error

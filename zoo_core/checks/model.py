"""Checks of models: the spec, the build function and the output shapes."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo_core import recipe as recipes
from zoo_core.checks import CheckFailedError, NotApplicableError
from zoo_core.checks.forward import run_forward
from zoo_core.checks.table import require_known_checks
from zoo_core.entries import resolve_entry
from zoo_core.entries.unpackaged import PLUGIN, takes_signature
from zoo_core.errors import WrongOutputError
from zoo_core.kinds import IMAGE_KINDS, KINDS, adapted_signature, kind_recipe
from zoo_core.optional import HasOutputForm
from zoo_core.outputs import form_of
from zoo_core.reasons import reason_of
from zoo_core.registry import Registry
from zoo_core.specs import ModelSpec, Signature, TaskSpec

if TYPE_CHECKING:
    from zoo_core.checks.harness import Harness, Started
    from zoo_core.checks.watch import Watch


@dataclass
class ModelSubject:
    """A model under test, prepared for its checks.

    `task` is None if the model is registered for no task; the checks then use a synthetic task of its kind. `folder`
    takes the files that the checks write.
    """

    spec: ModelSpec
    task: TaskSpec | None
    registry: Registry
    folder: Path = Path()
    data_root: Path | None = None
    watch: Watch | None = None

    @cached_property
    def harness(self) -> Harness:
        from zoo_core.checks.data import load_few_examples
        from zoo_core.checks.harness import Harness

        if self.task is None and not self.spec.kind:
            return self._find_fitting_harness()
        if self.task is None:
            shape = KINDS[self.spec.kind].example_shape
            size = self.spec.accepts.min_size
            if len(shape) == 3:
                shape = (shape[0], max(shape[1], size), max(shape[2], size))
            return self.synthetic_harness(self.spec, shape)
        data = load_few_examples(self.registry, self.task, self.data_root)
        return Harness(task=self.task, model=self.spec, data=data, cache=self.folder)

    def synthetic_harness(self, spec: ModelSpec, shape: tuple[int, ...], outputs: int = 0) -> Harness:
        """Make a harness with a synthetic task of the spec's kind."""
        from zoo_core.checks.data import make_synthetic_task
        from zoo_core.checks.harness import Harness

        made = make_synthetic_task(spec.kind, shape, outputs)
        return Harness(task=made.task, model=spec, data=made.data, cache=self.folder)

    def _find_fitting_harness(self) -> Harness:
        """Return a harness for the first kind and input shape on which a model without a kind works."""
        reasons = []
        for kind, shape, outputs in self._candidate_shapes():
            harness = self.synthetic_harness(replace(self.spec, kind=kind), shape, outputs)
            try:
                started = harness.start()
                require_output_shape(kind, started, started.example())
            # The model's code can raise anything on data that it was not made for.
            except Exception as error:
                reasons.append(f"{kind} {shape}: {error if isinstance(error, CheckFailedError) else reason_of(error)}")
                continue
            return harness
        raise CheckFailedError(f"it works on the data of no installed task ({reasons[0]}): name its task with --task")

    def _candidate_shapes(self) -> list[tuple[str, tuple[Any, ...], int]]:
        """List (kind, input shape, outputs) of installed tasks, if the model has no plugin, then of shared kinds."""
        candidates: list[tuple[str, tuple[Any, ...], int]] = []
        for task in self.registry.tasks if self.spec.plugin == PLUGIN else ():
            for dataset in self.registry.datasets_of(task):
                pattern = dataset.signature
                if task.kind in KINDS and None not in pattern.input_shape and pattern.outputs:
                    candidates.append((task.kind, pattern.input_shape, pattern.outputs))
        candidates += [(name, kind.example_shape, 0) for name, kind in KINDS.items()]
        return list(dict.fromkeys(candidates))

    @cached_property
    def trained(self) -> Started:
        """The model after a few training steps, shared by all checks that do not train it further."""
        started = self.harness.start()
        started.train()
        return started


def metadata(subject: ModelSubject) -> None:
    spec = subject.spec
    if not spec.title.strip():
        raise CheckFailedError("the spec states no title")
    if spec.weights is not None and not spec.pretrained_on:
        raise CheckFailedError("the spec has pretrained weights but no `pretrained_on`")
    if spec.kind and "/" not in spec.kind and spec.kind not in KINDS:
        raise CheckFailedError(f"kind {spec.kind!r} is not one of {', '.join(KINDS)}")
    fixed, least = spec.accepts.fixed_size, spec.accepts.min_size
    if fixed is not None and fixed < least:
        raise CheckFailedError(f"its accepts.fixed_size is {fixed}, below its min_size {least}")
    require_known_checks("model", spec.expected_failures)


def recipe(subject: ModelSubject) -> None:
    if subject.task is None:
        raise NotApplicableError("it is registered for no task")
    params = recipes.parameters(subject.task, subject.spec, kind_recipe(subject.task))
    recipes.resolve_recipe(params, {**subject.task.quick, **subject.spec.quick})


def entry(subject: ModelSubject) -> None:
    build = resolve_entry(subject.spec.entry)
    if not callable(build):
        raise CheckFailedError(f"{subject.spec.entry} is a {type(build).__name__}, not a function")
    has_signature = subject.spec.plugin != PLUGIN or takes_signature(build)
    try:
        inspect.signature(build).bind(*[object()] * has_signature, **dict.fromkeys(subject.spec.options))
    except TypeError as error:
        options = "".join(f", {name}=..." for name in subject.spec.options)
        raise CheckFailedError(f"it cannot be called as build_model(signature{options}): {error}") from error


def builds(subject: ModelSubject) -> None:
    from zoo_core.runner.build import build_model

    spec, harness = subject.spec, subject.harness
    recipe = harness.recipe()
    _require_no_lazy_layers(subject)
    task_signature = adapted_signature(spec, harness.task, harness.data.signature, recipe)
    for signature in [task_signature, *accepted_signatures(subject)]:
        try:
            build_model(spec, signature, recipe)
        # The model's code can raise anything. Its error is the reason of the failure.
        except Exception as error:
            case = f"input {signature.input_shape} with {signature.outputs} outputs"
            raise CheckFailedError(f"for {case}: {reason_of(error)}") from error


def _require_no_lazy_layers(subject: ModelSubject) -> None:
    """Raise CheckFailedError for layers without a shape, and say which shape a first batch gives them."""
    from torch.nn.modules.lazy import LazyModuleMixin

    started = subject.harness.start()
    modules = dict(started.model.named_modules())
    lazy = {name: type(module).__name__ for name, module in modules.items() if isinstance(module, LazyModuleMixin)}
    if not lazy:
        return
    run_forward(started.model.train(), started.example())
    shapes = ", ".join(f"`{name}` is a {kind}: write nn.{modules[name]}" for name, kind in lazy.items())
    raise CheckFailedError(
        f"its lazy layers have no weights before the first batch, so they cannot be counted or loaded: {shapes}"
    )


def accepted_signatures(subject: ModelSubject) -> Iterator[Signature]:
    """Yield signatures that the spec accepts: those of the task's data sets, then small image sizes."""
    spec, task = subject.spec, subject.task
    if task is not None:
        for dataset in subject.registry.datasets_of(task):
            pattern = dataset.signature
            if None not in pattern.input_shape and pattern.outputs and not spec.accepts.refusal(pattern):
                yield adapted_signature(spec, task, _with_default_statistics(pattern), subject.harness.recipe())
    if spec.kind not in IMAGE_KINDS or spec.plugin == PLUGIN:
        return
    accepts = spec.accepts
    size = accepts.fixed_size or accepts.min_size
    for channels in accepts.channels or (1, 3):
        yield _with_default_statistics(Signature(input_shape=(channels, size, size), outputs=2))
    if accepts.fixed_size is None:
        outputs = accepts.max_outputs or 11
        yield _with_default_statistics(Signature(input_shape=(channels, size + 3, size + 8), outputs=outputs))


def _with_default_statistics(signature: Signature) -> Signature:
    """Add a mean and std per channel to an image signature without them."""
    channels = signature.input_shape[0] or 1
    if signature.mean or len(signature.input_shape) != 3:
        return signature
    return replace(signature, mean=(0.5,) * channels, std=(0.25,) * channels)


def output_shape(subject: ModelSubject) -> None:
    started = subject.harness.start()
    require_output_shape(subject.harness.task.kind, started, started.example())


def require_output_shape(kind: str, started: Started, x: Any) -> None:
    """Raise CheckFailedError unless the output has the form that the kind requires; without one it has a tensor."""
    from zoo_core.checks.harness import tensors

    output = run_forward(started.model.eval(), x)
    form = started.task.output_form() if isinstance(started.task, HasOutputForm) else None
    if form is None and kind in KINDS:  # a shared kind with a task of its own
        form = KINDS[kind].output_form(started.data.signature)
    if form is None:
        if not tensors(output):
            raise CheckFailedError(f"its output contains no tensor: forward returns {form_of(output)}")
        return
    try:
        form.require(output, x)
    except WrongOutputError as error:
        raise CheckFailedError(f"for an input {form_of(x)}, {error}") from error


def odd_sizes(subject: ModelSubject) -> None:
    spec = subject.spec
    if spec.kind not in IMAGE_KINDS or spec.plugin == PLUGIN:
        raise NotApplicableError("its spec states no kind of image task, so it only runs on its own task")
    if spec.accepts.fixed_size is not None:
        size = spec.accepts.fixed_size
        raise NotApplicableError(f"it only takes images of {size}x{size} pixels")
    channels, least = (spec.accepts.channels or (3,))[0], spec.accepts.min_size
    for height, width in ((least, least), (least + 3, least + 8)):
        outputs = min(2, spec.accepts.max_outputs or 2)
        harness = subject.synthetic_harness(replace(spec, quick={}, recipe={}), (channels, height, width), outputs)
        started = harness.start(batch_size=2)
        try:
            require_output_shape(spec.kind, started, started.example())
        except CheckFailedError as error:
            raise CheckFailedError(f"images of {height}x{width}: {error}") from error
        # The model's code can raise anything. Its error is the reason of the failure.
        except Exception as error:
            raise CheckFailedError(f"images of {height}x{width}: {reason_of(error)}") from error

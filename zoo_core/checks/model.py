"""Checks of models: built and trained for a few steps on a few examples of one task."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from zoo_core import recipe as recipes
from zoo_core.checks import CheckFailedError, NotApplicableError
from zoo_core.checks.dataset import refuse_unknown_marks
from zoo_core.kinds import KINDS, LOOKING, SEGMENTATION, kind_recipe, seen_by
from zoo_core.registry import Registry
from zoo_core.specs import ModelSpec, Signature, TaskSpec, resolve
from zoo_core.unpackaged import PLUGIN, takes_signature

if TYPE_CHECKING:
    from torch import Tensor

    from zoo_core.checks.bed import Bed, Started
    from zoo_core.checks.watch import Watch

State: TypeAlias = "Mapping[str, Tensor]"
FEW = 4  # examples that are answered together
BY_HEART = 8  # examples that are learned by heart
LEARNED = 0.1  # of the first loss
PATIENCE = 100  # steps
# What is tried to learn a few examples: the model's own recipe, then others that suit most.
RATES: tuple[dict[str, Any], ...] = ({}, {"optimizer": "adam", "lr": 0.01}, {"optimizer": "adam", "lr": 0.001})
KEPT = ("optimizer", "lr", "momentum", "nesterov", "batch_size", "image_size", "normalize")


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
    def bed(self) -> Bed:
        from zoo_core.checks.bed import Bed
        from zoo_core.checks.child import few_examples
        from zoo_core.checks.data import SHAPES, tiny

        if self.task is None and not self.spec.kind:
            return self._first_that_fits()
        if self.task is None:
            shape = SHAPES[self.spec.kind]
            size = self.spec.accepts.min_size
            if len(shape) == 3:
                shape = (shape[0], max(shape[1], size), max(shape[2], size))
            drawn = tiny(self.spec.kind, shape)
            return Bed(task=drawn.task, model=self.spec, data=drawn.data, cache=self.folder)
        data = few_examples(self.registry, self.task, self.data_root)
        return Bed(task=self.task, model=self.spec, data=data, cache=self.folder)

    def _first_that_fits(self) -> Bed:
        """Drawn data of the first shared kind, or of the form of the first installed task, that the model answers."""
        from zoo_core.checks.bed import Bed
        from zoo_core.checks.data import SHAPES, tiny

        forms: dict[tuple[str, tuple[Any, ...], int], None] = {}
        for task in self.registry.tasks if self.spec.plugin == PLUGIN else ():
            for dataset in self.registry.datasets_of(task):
                pattern = dataset.signature
                if task.kind in KINDS and None not in pattern.input_shape and pattern.outputs:
                    forms[task.kind, pattern.input_shape, pattern.outputs] = None
        forms |= {(kind, shape, 0): None for kind, shape in SHAPES.items()}
        reasons = []
        for kind, form, outputs in forms:
            drawn = tiny(kind, form, outputs)
            bed = Bed(task=drawn.task, model=replace(self.spec, kind=kind), data=drawn.data, cache=self.folder)
            try:
                started = bed.start()
                _refuse_other_shape(kind, started, started.example(FEW))
            # The model's own code on data it was perhaps not made for.
            except Exception as error:
                reasons.append(f"{kind} {form}: {type(error).__name__}: {error}")
                continue
            return bed
        raise CheckFailedError(f"it answers no installed task's data ({reasons[0]}): say which it is for with --task")

    @cached_property
    def trained(self) -> Started:
        """After a few steps, for looking at only."""
        started = self.bed.start()
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
    recipes.resolve(params, {**subject.task.quick, **subject.spec.quick})


def entry(subject: ModelSubject) -> None:
    build = resolve(subject.spec.entry)
    if not callable(build):
        raise CheckFailedError(f"{subject.spec.entry} is a {type(build).__name__}, not a function")
    whole = subject.spec.plugin != PLUGIN or takes_signature(build)
    try:
        inspect.signature(build).bind(*[object()] * whole, **dict.fromkeys(subject.spec.options))
    except TypeError as error:
        options = "".join(f", {name}=..." for name in subject.spec.options)
        raise CheckFailedError(f"it cannot be called as build(signature{options}): {error}") from error


def builds(subject: ModelSubject) -> None:
    from zoo_core.runner.build import build

    spec, bed = subject.spec, subject.bed
    recipe = bed.recipe()
    for signature in [seen_by(spec, bed.task, bed.data.signature, recipe), *claimed(subject)]:
        try:
            build(spec, signature, recipe)
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
                yield seen_by(spec, task, _with_statistics(pattern), subject.bed.recipe())
    if spec.kind not in LOOKING or spec.plugin == PLUGIN:
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
    started = subject.bed.start()
    x = started.example(FEW)
    _refuse_other_shape(subject.bed.task.kind, started, x)


def _refuse_other_shape(kind: str, started: Started, x: Any) -> None:
    """Raise where an answer is not of the form that the kind asks for; plugins' own kinds ask what their bodies do."""
    found = started.answers(x)
    if not found:
        raise CheckFailedError("it answers without a tensor")
    if kind not in KINDS:
        return
    wanted: tuple[int, ...] = (len(x), started.data.signature.outputs or 0)
    if kind == SEGMENTATION:
        wanted = (*wanted, *x.shape[2:])
    if len(found) != 1 or tuple(found[0].shape) != wanted:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in found)
        raise CheckFailedError(f"an input {tuple(x.shape)} gives {shapes}, the kind asks for {wanted}")


def odd_sizes(subject: ModelSubject) -> None:
    from zoo_core.checks.bed import Bed
    from zoo_core.checks.data import tiny

    spec = subject.spec
    if spec.kind not in LOOKING or spec.plugin == PLUGIN:
        raise NotApplicableError("it is not said to take images of other tasks: its spec states no such kind")
    if spec.accepts.fixed_size is not None:
        raise NotApplicableError(f"it takes images of {spec.accepts.fixed_size} pixels a side only")
    channels, least = (spec.accepts.channels or (3,))[0], spec.accepts.min_size
    for height, width in ((least, least), (least + 3, least + 8)):
        drawn = tiny(spec.kind, (channels, height, width), min(2, spec.accepts.max_outputs or 2))
        bed = Bed(task=drawn.task, model=replace(spec, quick={}, recipe={}), data=drawn.data, cache=subject.folder)
        started = bed.start(batch_size=FEW)
        try:
            _refuse_other_shape(spec.kind, started, started.example(FEW))
        except CheckFailedError as error:
            raise CheckFailedError(f"images of {height}x{width}: {error}") from error
        # The model's own code: whatever it raises is why it cannot take the size.
        except Exception as error:
            raise CheckFailedError(f"images of {height}x{width}: {type(error).__name__}: {error}") from error


def finite_loss(subject: ModelSubject) -> None:
    _refuse_infinite(subject.bed.start().train())


def _refuse_infinite(logs: list[dict[str, float]]) -> None:
    if not any(logs):
        raise NotApplicableError("the task logs nothing")
    for number, values in enumerate(logs, 1):
        for name, value in values.items():
            if not math.isfinite(value):
                raise CheckFailedError(f"{name} is {value} at step {number}")


def gradients(subject: ModelSubject) -> None:
    started = subject.bed.start()
    trainable = {name: item for name, item in started.model.named_parameters() if item.requires_grad}
    if not trainable:
        raise CheckFailedError("it has no trainable parameter")
    reached: set[str] = set()
    hooks = [
        cast(Any, item).register_post_accumulate_grad_hook(lambda _, name=name: reached.add(name))
        for name, item in trainable.items()
    ]
    try:
        started.train()
    finally:
        for hook in hooks:
            hook.remove()
    missed = [name for name in trainable if name not in reached]
    if missed:
        raise CheckFailedError(f"{len(missed)} of {len(trainable)} parameters get no gradient, such as {missed[0]}")


def overfits(subject: ModelSubject) -> None:
    kind = KINDS.get(subject.bed.task.kind)
    if kind is None:
        raise NotApplicableError("the kind is a plugin's own: what its losses mean is not known")
    bed = subject.bed.with_train(BY_HEART)
    plain = {key: recipes.as_param(value).default for key, value in kind.recipe.items() if key not in KEPT}
    tried = []
    for rate in RATES:
        started = bed.start(**{**plain, **rate, "batch_size": BY_HEART, "steps": PATIENCE})
        losses: list[float] = []
        for step in started.steps():
            losses.append(float(step.logs["loss"]))
            if sum(losses[-3:]) / 3 <= LEARNED * losses[0] and len(losses) > 3:
                return
        tried.append(sum(losses[-3:]) / 3)
    raise CheckFailedError(
        f"of {BY_HEART} examples the loss fell from {losses[0]:.3g} to {min(tried):.3g} at best in {PATIENCE} steps; "
        f"a tenth is asked for"
    )


def same_seed(subject: ModelSubject) -> None:
    first, logs, last = _seeded(subject)
    first_again, logs_again, last_again = _seeded(subject)
    _refuse_unequal(first, first_again, "two instances from seed 3 have other first weights")
    if logs != logs_again:
        raise CheckFailedError("two trainings from seed 3 differ in their losses")
    _refuse_unequal(last, last_again, "two trainings from seed 3 end with other weights")


def _seeded(subject: ModelSubject) -> tuple[State, list[dict[str, float]], State]:
    """First weights, losses and last weights of a short training."""
    started = subject.bed.start(seed=3)
    first = {name: tensor.clone() for name, tensor in started.model.state_dict().items()}
    return first, started.train(), started.model.state_dict()


def _refuse_unequal(one: State, other: State, complaint: str) -> None:
    import torch

    for name, tensor in one.items():
        if not torch.equal(tensor, other[name]):
            raise CheckFailedError(f"{complaint}, such as {name}")


def other_seed(subject: ModelSubject) -> None:
    import torch

    one, other = (subject.bed.start(seed=seed).model for seed in (3, 4))
    if not any(item.requires_grad for item in one.parameters()):
        raise NotApplicableError("it has no weights to draw")
    others = other.state_dict()
    if all(torch.equal(tensor, others[name]) for name, tensor in one.state_dict().items()):
        raise CheckFailedError("seeds 3 and 4 give the same first weights")


def eval_mode(subject: ModelSubject) -> None:
    import torch

    started = subject.trained
    x = started.example(FEW)
    started.model.eval()
    awake = [name for name, module in started.model.named_modules() if module.training]
    if awake:
        raise CheckFailedError(f"after eval() {awake[0] or 'the model'} is still in training mode")
    before = {name: tensor.clone() for name, tensor in started.model.state_dict().items()}
    one, other = started.answers(x), started.answers(x)
    for name, tensor in started.model.state_dict().items():
        if not torch.equal(tensor, before[name]):
            raise CheckFailedError(f"answering in eval mode changed {name}")
    if not all(torch.equal(*pair) for pair in zip(one, other, strict=True)):
        raise CheckFailedError("asked twice in eval mode it gives two answers")


def batch_of_one(subject: ModelSubject) -> None:
    started = subject.trained
    x = started.example(FEW)
    among, alone = started.answers(x), started.answers(started.example(1))
    for many, one in zip(among, alone, strict=True):
        if len(many) != FEW:  # a plugin's own kind, whose answers are not one an example
            continue
        if one.shape != many[:1].shape:
            raise CheckFailedError(f"one example gives {tuple(one.shape)}, the first of {FEW} {tuple(many[:1].shape)}")
        _refuse_far(one, many[:1], "one example alone gets another answer than among others")


def _refuse_far(one: Tensor, other: Tensor, complaint: str) -> None:
    import torch

    one, other = one.float().cpu(), other.float().cpu()
    scale = float(other.abs().max()) or 1.0
    if not torch.allclose(one, other, rtol=1e-2, atol=1e-3 * scale):
        raise CheckFailedError(f"{complaint}: they differ by up to {float((one - other).abs().max()):.3g}")


def state_dict(subject: ModelSubject) -> None:
    from safetensors.torch import save_file

    from zoo_core.weights import load_into, read_weights

    started, path = subject.trained, subject.folder / "weights.safetensors"
    tensors = started.model.state_dict()
    odd = [name for name, value in tensors.items() if not hasattr(value, "contiguous")]
    if odd:
        raise CheckFailedError(f"{odd[0]} in the state dict is no tensor: it could only be pickled")
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, path)
    other = subject.bed.start(seed=9)
    load_into(other.model, read_weights(path))
    path.unlink()
    x = started.example(FEW)
    for one, again in zip(started.answers(x), started.answers(x, other.model), strict=True):
        _refuse_far(again, one, "another instance with the same state dict answers otherwise")


def device(subject: ModelSubject) -> None:
    import torch

    started = subject.bed.start()
    x = started.example(FEW)
    here = started.answers(x)
    found = torch.accelerator.current_accelerator(check_available=True)
    name = found.type if found else "meta"  # torch's device without memory shows most of what another would
    try:
        there = started.answers(_moved(x, name), started.model.to(name))
    except (RuntimeError, NotImplementedError) as error:
        if found is None and ("meta" in str(error) and ("item()" in str(error) or "register_meta" in str(error))):
            raise NotApplicableError(
                "its forward looks at values, which only a device with memory has; none is here"
            ) from error
        raise CheckFailedError(f"on {name}: {str(error).partition(chr(10))[0]}") from error
    for one, other in zip(here, there, strict=True):
        if other.device.type != name:
            raise CheckFailedError(f"on {name} it answers on {other.device}")
        if found is not None:
            _refuse_far(other, one, f"on {name} it answers otherwise")


def _moved(x: Any, name: str) -> Any:
    if isinstance(x, dict):
        return {key: _moved(value, name) for key, value in x.items()}
    if isinstance(x, list | tuple):
        return type(x)(_moved(value, name) for value in x)
    return x.to(name) if hasattr(x, "to") else x


def bf16(subject: ModelSubject) -> None:
    _refuse_infinite(subject.bed.start(steps=1).train(dtype="bfloat16"))


def backbone_head(subject: ModelSubject) -> None:
    import torch

    started = subject.trained
    model = cast(Any, started.model)
    if not (hasattr(model, "backbone") and hasattr(model, "head")):
        raise NotApplicableError("it has no `backbone` and `head`")
    x = started.example(FEW)
    (whole,) = started.answers(x)
    with torch.no_grad():
        parts = model.head(model.backbone(x))
    if whole.shape != parts.shape:
        raise CheckFailedError(f"head(backbone(x)) is {tuple(parts.shape)}, forward(x) {tuple(whole.shape)}")
    _refuse_far(parts, whole, "forward(x) is not head(backbone(x))")

"""Checks of a model's outputs: in evaluation mode, for one example, from saved weights, and on another device."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, cast

from zoo_core import recipe as recipes
from zoo_core.checks import CheckFailedError, NotApplicableError
from zoo_core.checks.forward import run_forward
from zoo_core.checks.model import ModelSubject
from zoo_core.kinds import kind_recipe

if TYPE_CHECKING:
    from torch import Tensor


def eval_mode(subject: ModelSubject) -> None:
    import torch

    started = subject.trained
    x = started.example()
    started.model.eval()
    training = [name for name, module in started.model.named_modules() if module.training]
    if training:
        raise CheckFailedError(f"after eval() {training[0] or 'the model'} is still in training mode")
    before = {name: tensor.clone() for name, tensor in started.model.state_dict().items()}
    first, second = started.predict(x), started.predict(x)
    for name, tensor in started.model.state_dict().items():
        if not torch.equal(tensor, before[name]):
            raise CheckFailedError(f"a forward pass in evaluation mode changed {name}")
    if not all(torch.equal(*pair) for pair in zip(first, second, strict=True)):
        raise CheckFailedError("two forward passes in evaluation mode gave different outputs")


def batch_of_one(subject: ModelSubject) -> None:
    from zoo_core.checks.harness import first_of, tensors

    started = subject.trained
    x = started.example()
    size = started.predict_batch_size
    in_batch = started.predict(x)
    alone = tensors(run_forward(started.model.eval(), first_of(x), "one example alone"))
    if _trains_on_one_example(subject):
        run_forward(copy.deepcopy(started.model).train(), first_of(x), "one example in training (batch_size is 1)")
    for many, one in zip(in_batch, alone, strict=True):
        if len(many) != size:  # a plugin's own kind, whose outputs are not one per example
            continue
        if one.shape != many[:1].shape:
            raise CheckFailedError(f"one example gives {tuple(one.shape)}, the first of {size} {tuple(many[:1].shape)}")
        require_close(one, many[:1], "one example gives another output alone than in a batch")


def _trains_on_one_example(subject: ModelSubject) -> bool:
    """Return whether the pair's own recipe has batches of one; the checks use larger ones."""
    if subject.task is None:
        return False
    params = recipes.parameters(subject.task, subject.spec, kind_recipe(subject.task))
    presets: tuple[dict[str, Any], ...] = ({}, {**subject.task.quick, **subject.spec.quick})
    return any(recipes.resolve_recipe(params, preset).get("batch_size") == 1 for preset in presets)


def require_close(actual: Tensor, expected: Tensor, complaint: str) -> None:
    """Raise CheckFailedError, with `complaint`, if the outputs differ by more than rounding."""
    import torch

    actual, expected = actual.float().cpu(), expected.float().cpu()
    scale = float(expected.abs().max()) or 1.0
    if not torch.allclose(actual, expected, rtol=1e-2, atol=1e-3 * scale):
        raise CheckFailedError(f"{complaint}: they differ by up to {float((actual - expected).abs().max()):.3g}")


def state_dict(subject: ModelSubject) -> None:
    from safetensors.torch import save_file

    from zoo_core.weights import load_into, read_weights

    started, path = subject.trained, subject.folder / "weights.safetensors"
    tensors = started.model.state_dict()
    others = [name for name, value in tensors.items() if not hasattr(value, "contiguous")]
    if others:
        raise CheckFailedError(f"{others[0]} in the state dict is not a tensor, so safetensors cannot save it")
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, path)
    restored = subject.harness.start(seed=9)
    load_into(restored.model, read_weights(path))
    path.unlink()
    x = started.example()
    for expected, actual in zip(started.predict(x), started.predict(x, restored.model), strict=True):
        require_close(actual, expected, "another instance with the same state dict gives other outputs")


def device(subject: ModelSubject) -> None:
    import torch

    started = subject.harness.start()
    x = started.example()
    on_cpu = started.predict(x)
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    name = accelerator.type if accelerator else "meta"  # a device without memory, which shows most of the errors
    try:
        moved = started.predict(_moved(x, name), started.model.to(name))
    except (RuntimeError, NotImplementedError) as error:
        if accelerator is None and ("meta" in str(error) and ("item()" in str(error) or "register_meta" in str(error))):
            raise NotApplicableError("forward reads values: this can be tested only with an accelerator") from error
        raise CheckFailedError(f"on {name}: {str(error).partition(chr(10))[0]}") from error
    for expected, actual in zip(on_cpu, moved, strict=True):
        if actual.device.type != name:
            raise CheckFailedError(f"a model on {name} gives outputs on {actual.device}")
        if accelerator is not None:
            require_close(actual, expected, f"the outputs on {name} and on the CPU are not equal")


def _moved(x: Any, device_name: str) -> Any:
    if isinstance(x, dict):
        return {key: _moved(value, device_name) for key, value in x.items()}
    if isinstance(x, list | tuple):
        return type(x)(_moved(value, device_name) for value in x)
    return x.to(device_name) if hasattr(x, "to") else x


def backbone_head(subject: ModelSubject) -> None:
    import torch

    started = subject.trained
    model = cast(Any, started.model)
    if not (hasattr(model, "backbone") and hasattr(model, "head")):
        raise NotApplicableError("it has no `backbone` and `head`")
    x = started.example()
    (expected,) = started.predict(x)
    with torch.no_grad():
        actual = model.head(model.backbone(x))
    if actual.shape != expected.shape:
        raise CheckFailedError(f"head(backbone(x)) is {tuple(actual.shape)}, forward(x) {tuple(expected.shape)}")
    require_close(actual, expected, "forward(x) is not head(backbone(x))")

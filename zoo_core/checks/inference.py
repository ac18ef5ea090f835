"""Checks of how a model answers: in eval mode, alone and among others, from a file of weights, on another device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from zoo_core.checks import CheckFailedError, NotApplicableError
from zoo_core.checks.model import ModelSubject

if TYPE_CHECKING:
    from torch import Tensor


def eval_mode(subject: ModelSubject) -> None:
    import torch

    started = subject.trained
    x = started.example()
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
    from zoo_core.checks.harness import first_of

    started = subject.trained
    x = started.example()
    among, alone = started.answers(x), started.answers(first_of(x))
    for many, one in zip(among, alone, strict=True):
        if len(many) != started.few:  # a plugin's own kind, whose answers are not one an example
            continue
        if one.shape != many[:1].shape:
            raise CheckFailedError(
                f"one example gives {tuple(one.shape)}, the first of {started.few} {tuple(many[:1].shape)}"
            )
        refuse_far(one, many[:1], "one example alone gets another answer than among others")


def refuse_far(one: Tensor, other: Tensor, complaint: str) -> None:
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
    other = subject.harness.start(seed=9)
    load_into(other.model, read_weights(path))
    path.unlink()
    x = started.example()
    for one, again in zip(started.answers(x), started.answers(x, other.model), strict=True):
        refuse_far(again, one, "another instance with the same state dict answers otherwise")


def device(subject: ModelSubject) -> None:
    import torch

    started = subject.harness.start()
    x = started.example()
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
            refuse_far(other, one, f"on {name} it answers otherwise")


def _moved(x: Any, name: str) -> Any:
    if isinstance(x, dict):
        return {key: _moved(value, name) for key, value in x.items()}
    if isinstance(x, list | tuple):
        return type(x)(_moved(value, name) for value in x)
    return x.to(name) if hasattr(x, "to") else x


def backbone_head(subject: ModelSubject) -> None:
    import torch

    started = subject.trained
    model = cast(Any, started.model)
    if not (hasattr(model, "backbone") and hasattr(model, "head")):
        raise NotApplicableError("it has no `backbone` and `head`")
    x = started.example()
    (whole,) = started.answers(x)
    with torch.no_grad():
        parts = model.head(model.backbone(x))
    if whole.shape != parts.shape:
        raise CheckFailedError(f"head(backbone(x)) is {tuple(parts.shape)}, forward(x) {tuple(whole.shape)}")
    refuse_far(parts, whole, "forward(x) is not head(backbone(x))")

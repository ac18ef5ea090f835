"""Runs a model once, and explains in words why its forward pass fails."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from zoo_core.checks import CheckFailedError
from zoo_core.outputs import form_of
from zoo_core.reasons import reason_of

if TYPE_CHECKING:
    from torch import nn

BATCH_STATISTICS = "more than 1 value per channel"  # of BatchNorm's error for a batch of one


def run_forward(model: nn.Module, x: Any, case: str = "") -> Any:
    """Return what forward returns for `x`, without gradients, in the model's current mode.

    Raises CheckFailedError with the layer that failed, what it got, and how to fix it. `case`: of the input in words.
    """
    import torch

    running: list[tuple[str, nn.Module, tuple[Any, ...]]] = []  # layers whose forward has begun and not returned

    def enter(name: str, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        running.append((name, module, inputs))

    def leave(module: nn.Module) -> None:
        while running and running.pop()[1] is not module:  # the model caught the error of a layer inside this one
            pass

    hooks = []
    for name, module in model.named_modules():
        hooks.append(module.register_forward_pre_hook(lambda module, inputs, name=name: enter(name, module, inputs)))
        hooks.append(module.register_forward_hook(lambda module, *_: leave(module)))
    try:
        with torch.no_grad():
            return model(x)
    # The model's code can raise anything. Its error is the reason of the failure.
    except Exception as error:
        for hook in hooks:
            hook.remove()
        layer = running[-1] if running else ("", model, (x,))
        raise CheckFailedError(_explain(model, x, layer, error, case or f"an input {form_of(x)}")) from error
    finally:
        for hook in hooks:
            hook.remove()


def _explain(
    model: nn.Module, x: Any, layer: tuple[str, nn.Module, tuple[Any, ...]], error: Exception, case: str
) -> str:
    name, module, inputs = layer
    said = [f"forward fails for {case}: {reason_of(error)}"]
    if name:
        got = ", ".join(map(form_of, inputs))
        said.append(f"Layer `{name}` is {module if _is_short(module) else type(module).__name__} and gets {got}")
    if advice := _advice(model, x, module, inputs, error):
        said.append(advice[0].upper() + advice[1:])
    return ". ".join(said)


def _is_short(module: nn.Module) -> bool:
    return not list(module.children())


def _advice(model: nn.Module, x: Any, module: nn.Module, inputs: tuple[Any, ...], error: Exception) -> str:
    import torch
    from torch import nn

    got = tuple(inputs[0].shape) if inputs and isinstance(inputs[0], torch.Tensor) else ()
    if BATCH_STATISTICS in str(error):
        if module.training:
            return "BatchNorm cannot train on one example: use batches of two or more, or another normalisation"
        return "it has no running statistics, so that it needs a batch even in evaluation: track_running_stats=True"
    if not isinstance(x, torch.Tensor) or not x.ndim:  # a plugin's own kind may have several inputs
        return ""
    if x.ndim > 2 and _works(model, x.flatten(1)):
        return "it works on flattened input: begin forward with `x = x.flatten(1)`, or the model with nn.Flatten()"
    if isinstance(module, nn.Linear):
        return _linear_advice(module, got, x)
    if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        return _convolution_advice(module, got)
    return ""


def _works(model: nn.Module, x: Any) -> bool:
    import torch

    try:
        with torch.no_grad():
            model(x)
    except Exception:  # the model's code, on an input of another shape: all that counts is whether it works
        return False
    return True


def _linear_advice(layer: nn.Linear, got: tuple[int, ...], x: Any) -> str:
    count, wanted = len(x), layer.in_features
    if len(got) > 2 and math.prod(got[1:]) == wanted:
        return "flatten before this layer: `x.flatten(1)`"
    if got[:1] != (count,) and math.prod(got) % count == 0:
        return "the batch dimension is gone: flatten with `x.flatten(1)`, which keeps it"
    if len(got) == 2:
        same = got[1] == math.prod(x.shape[1:])
        size = f"`signature.features`, here {got[1]}" if same else str(got[1])
        return f"its number of inputs must be {size}, not {wanted}"
    return "a Linear layer takes vectors: flatten before it" if len(got) > 2 else ""


def _convolution_advice(layer: Any, got: tuple[int, ...]) -> str:
    dimensions = len(layer.kernel_size) + 2
    if len(got) < dimensions:
        return f"it takes {dimensions} dimensions, (batch, channels, ...): do not flatten before it"
    if len(got) == dimensions and got[-1] == layer.in_channels:
        return "the channels must come second, right after the batch: `x.movedim(-1, 1)`"
    if len(got) == dimensions and got[1] != layer.in_channels:
        first = "`signature.input_shape[0]` for the first layer"
        return f"its number of input channels must be {got[1]}, not {layer.in_channels}: {first}"
    return ""

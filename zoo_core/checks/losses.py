"""Watches what a training gives to the losses that take logits or log-probabilities. Torch inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

TAKES_LOGITS = (F.cross_entropy, F.binary_cross_entropy_with_logits)
# Backward steps that leave the values as they are, so that the step before made them.
SAME_VALUES = ("ToCopy", "Slice", "View", "Reshape", "Unsafe", "Squeeze", "Unsqueeze", "Permute", "Transpose", "Clone")
TOLERANCE = 1e-3  # of the sum of probabilities; bfloat16 is not used here


class LossWatch(TorchFunctionMode):
    """While active, describes the first unsuitable input of a loss. `calls`: the number of watched calls."""

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.problem = 0, ""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if function in TAKES_LOGITS or function is F.nll_loss:
            output = args[0] if args else kwargs["input"]
            self.calls += 1
            self.problem = self.problem or _problem(function, output)
        return function(*args, **kwargs)


def _problem(function: Callable[..., Any], output: Tensor) -> str:
    """Say what is wrong with a loss's input (batch, classes, ...); "" if nothing is known to be wrong."""
    name, last = function.__name__, _last_step(output)
    low, high = float(output.detach().min()), float(output.detach().max())
    if function is F.nll_loss:
        wrong = high > TOLERANCE
        return f"{name} takes log-probabilities and gets values from {low:.3g} to {high:.3g}" if wrong else ""
    if last.startswith("Sigmoid"):
        return f"{name} takes logits and gets the outputs of a sigmoid, from {low:.3g} to {high:.3g}"
    if last.startswith("Softmax") or (function is F.cross_entropy and _are_probabilities(output)):
        return f"{name} takes logits and gets probabilities, from {low:.3g} to {high:.3g}: softmax is applied twice"
    return ""


def _are_probabilities(output: Tensor) -> bool:
    values, axis = output.detach().float(), 1 if output.ndim > 1 else 0
    if values.shape[axis] < 2 or bool((values < 0).any()):
        return False
    return bool(torch.allclose(values.sum(axis), torch.ones(()), atol=TOLERANCE))


def _last_step(output: Tensor) -> str:
    """Return the name of the backward step of what made the values; "" if it is unknown."""
    step: Any = output.grad_fn
    while step is not None and step.name().startswith(SAME_VALUES):
        step = step.next_functions[0][0] if step.next_functions else None
    return step.name() if step is not None else ""

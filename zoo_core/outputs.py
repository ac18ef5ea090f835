"""What a model's forward returns: its shape, type and device, and whether its numbers are finite. Torch-free.

A kind states this once, as an `OutputForm`. Training, evaluation, predictions and `zoo check` all require it, because
a wrong shape would often be broadcast without an error and give a wrong score.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from zoo_core.errors import DivergedError, WrongOutputError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class OutputForm:
    """What forward returns for a batch: one tensor of a floating-point type, on the device of its inputs.

    kind: for messages. shape: the shape of the output for the inputs `x`, the argument of forward. values: the numbers
    in a word, such as "logits". part: what returns them, for models with several parts.

    >>> OutputForm(kind="digits", shape=lambda x: (len(x), 10)).shape([0, 0, 0])
    (3, 10)
    """

    kind: str
    shape: Callable[[Any], tuple[int, ...]]
    values: str = "numbers"
    part: str = "forward"

    def require(self, output: Any, x: Any) -> None:
        """Raise WrongOutputError unless `output` has this form. Takes less than a microsecond if it has."""
        try:
            if output.shape == self.shape(x) and output.dtype.is_floating_point and output.device == x.device:
                return
        except AttributeError:  # one of them is no tensor
            pass
        self._explain(output, x)

    def fixed_for(self, example: Any) -> OutputForm:
        """Return the form for inputs that are not forward's, such as features, of examples like those in `example`."""
        sizes = self.shape(example)[1:]
        return replace(self, shape=lambda x: (x.shape[0], *sizes))

    def _explain(self, output: Any, x: Any) -> None:
        import torch

        wanted = self.shape(x)
        if not isinstance(output, torch.Tensor):
            raise WrongOutputError(self._not_a_tensor(output, wanted))
        actual, device = tuple(output.shape), getattr(x, "device", output.device)
        returned = f"{self.part} returned {actual}, {str(output.dtype).removeprefix('torch.')}"
        wants = f"{self.kind} wants {wanted} {self.values}"
        if actual != wanted:
            advice = shape_advice(actual, wanted)
            raise WrongOutputError(f"{returned}; {wants}{f': {advice}' if advice else ''}")
        if not output.dtype.is_floating_point:
            raise WrongOutputError(f"{returned}; {wants} of a floating-point type, such as float32")
        if output.device != device:
            raise WrongOutputError(f"{returned}, on {output.device}; {wants} on {device}, the device of the inputs")

    def _not_a_tensor(self, output: Any, wanted: tuple[int, ...]) -> str:
        """Describe an output that is no tensor, and name the part of it that has the wanted shape."""
        wants = f"{self.kind} wants one tensor {wanted} of {self.values}"
        if output is None:
            return f"{self.part} returned None; {wants}: is its `return` missing?"
        parts: Mapping[Any, Any] = {}
        if isinstance(output, Mapping):
            parts = output
        elif isinstance(output, list | tuple):
            parts = dict(enumerate(output))
        fitting = [key for key, item in parts.items() if tuple(getattr(item, "shape", ())) == wanted]
        advice = f"return only its item {fitting[0]!r}" if fitting else "return only the tensor with the predictions"
        return f"{self.part} returned {form_of(output)}; {wants}: {advice}"


class FiniteOutputs:
    """Notes on the device whether the numbers of each example are finite; `require` waits for the device once."""

    def __init__(self) -> None:
        self._largest: list[Tensor] = []

    def add(self, numbers: Tensor) -> None:
        """Note the numbers of a batch, of a floating-point type (batch, ...), by their largest size (batch,)."""
        # A maximum, unlike a sum, does not overflow, and a nan stays a nan.
        self._largest.append(numbers.detach().reshape(len(numbers), -1).abs().amax(1))

    def require(self, what: str) -> None:
        """Raise DivergedError if a number was not finite. `what`: the examples in words, such as "examples of val"."""
        import torch

        if not self._largest:
            return
        wrong = ~torch.isfinite(torch.cat(self._largest))
        if bool(wrong.any()):
            count, first = int(wrong.sum()), int(wrong.nonzero()[0])
            raise DivergedError(
                f"the model's output is not finite (nan or inf) for {count} of {len(wrong)} {what}, first for number "
                f"{first}, counted from 0"
            )


def form_of(value: Any) -> str:
    """Describe a value by its shape or its type.

    >>> form_of(("logits", None))
    'a tuple of 2: a str, None'
    """
    if value is None:
        return "None"
    if hasattr(value, "shape"):
        return f"{tuple(value.shape)}"
    if isinstance(value, Mapping):
        return f"a {type(value).__name__} with {', '.join(f'{key!r}: {form_of(item)}' for key, item in value.items())}"
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}: {', '.join(map(form_of, value))}"
    return f"a {type(value).__name__}"


def shape_advice(actual: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """Say what probably made an output of this shape; "" if there is no guess.

    >>> shape_advice((4,), (4, 1))
    'the last dimension is missing: remove `squeeze()`'
    """
    if actual == expected[1:]:
        return "the batch dimension is missing: index or pool only the other dimensions"
    if len(actual) == len(expected) and actual[:1] == (1,) and actual[1:] == expected[1:]:
        return "one output for the whole batch: flatten with `x.flatten(1)`, and average only over the other dimensions"
    if (*actual, 1) == expected:
        return "the last dimension is missing: remove `squeeze()`"
    if actual[: len(expected)] == expected and set(actual[len(expected) :]) == {1}:
        return "dimensions of length 1 are left: end with `flatten(1)`"
    if len(actual) > len(expected) and actual[:1] == expected[:1]:
        return "pool over the remaining dimensions, then flatten: nn.AdaptiveAvgPool2d(1), nn.Flatten()"
    if math.prod(actual) == math.prod(expected) and len(actual) == 2 and len(expected) > 2:
        return f"the output is flattened: end with `reshape(len(x), {', '.join(map(str, expected[1:]))})`"
    if actual == tuple(reversed(expected)):
        return "the dimensions are swapped"
    if len(actual) == len(expected) and actual[:1] == expected[:1] and actual[2:] == expected[2:]:
        return f"it has {actual[1]} outputs where the data have {expected[1]}: use `signature.outputs`"
    if len(actual) == len(expected) and actual[1:] == expected[1:]:
        return f"it has {actual[0]} examples for a batch of {expected[0]}: return one output for each example"
    return ""

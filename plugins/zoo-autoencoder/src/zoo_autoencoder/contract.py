"""Calls a model's `encode` and `decode`, and refuses results that the kinds do not allow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor, nn

from zoo_core import IncompatibleError
from zoo_core.outputs import OutputForm, form_of


@dataclass(frozen=True, kw_only=True, slots=True)
class Contract:
    """The rules of one task for `encode` and `decode`.

    kind: for messages. image_shape: (channels, height, width). max_code: the largest number of code numbers per image.
    pixels: what decode returns, in a word.
    """

    kind: str
    image_shape: tuple[int, ...]
    max_code: int
    pixels: str

    def code(self, model: nn.Module, x: Tensor) -> Tensor:
        """Return `model.encode(x)`: float (batch, numbers)."""
        code = _method(model, "encode")(x)
        self._require_code(code, x, "encode")
        return cast(Tensor, code)

    def gaussian(self, model: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log-variance of the codes of `x` from `model.encode(x)`: float (batch, numbers) each."""
        pair = _method(model, "encode")(x)
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise IncompatibleError(
                f"encode returned {form_of(pair)}; {self.kind} wants a pair (mean, log-variance) of tensors "
                f"({len(x)}, numbers): `return mean, log_variance`"
            )
        for name, part in zip(("mean", "log-variance"), pair, strict=True):
            self._require_code(part, x, f"the {name} of encode")
        mean, log_variance = pair
        if mean.shape != log_variance.shape:
            raise IncompatibleError(
                f"encode returned a mean {tuple(mean.shape)} and a log-variance {tuple(log_variance.shape)}; "
                f"{self.kind} wants one log-variance for each number of the mean"
            )
        return mean.float(), log_variance.float()

    def images(self, model: nn.Module, code: Tensor) -> Tensor:
        """Return `model.decode(code)`: float (batch, channels, height, width)."""
        images = _method(model, "decode")(code)
        form = OutputForm(
            kind=self.kind, shape=lambda code: (len(code), *self.image_shape), values=self.pixels, part="decode"
        )
        form.require(images, code)
        return cast(Tensor, images)

    def _require_code(self, code: Any, x: Tensor, part: str) -> None:
        numbers = code.shape[1] if isinstance(code, Tensor) and code.dim() == 2 else self.max_code or 1
        OutputForm(kind=self.kind, shape=lambda x: (len(x), numbers), part=part).require(code, x)
        if self.max_code and numbers > self.max_code:
            raise IncompatibleError(
                f"{part} returned {numbers} numbers for each image, and the recipe allows {self.max_code}: use a "
                f"smaller code, such as --set code_size={self.max_code}, or allow more with --set max_code={numbers}"
            )


def _method(model: nn.Module, name: str) -> Callable[[Tensor], Any]:
    method = getattr(model, name, None)
    if not callable(method):
        owner = type(getattr(model, "_orig_mod", model)).__name__
        raise IncompatibleError(
            f"{owner} has no method `{name}`: the task needs `encode(x)`, which returns a code for each image, and "
            "`decode(code)`, which returns the images"
        )
    return cast(Callable[[Tensor], Any], method)

"""The largest difference between the outputs of a model and those of its exported file."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from zoo_core.errors import ExportError


@dataclass(frozen=True, slots=True)
class Difference:
    """The largest absolute difference of two outputs, and the largest size of the expected numbers.

    >>> Difference(absolute=0.5, scale=10.0).relative
    0.05
    """

    absolute: float = 0.0
    scale: float = 0.0

    @property
    def relative(self) -> float:
        """The absolute difference as a share of the largest number that was expected."""
        return self.absolute / self.scale if self.scale else self.absolute

    def joined(self, other: Difference) -> Difference:
        """Return the largest of both."""
        return Difference(max(self.absolute, other.absolute), max(self.scale, other.scale))


def difference_of(expected: Tensor, actual: Tensor) -> Difference:
    """Compare two tensors of numbers. The difference is infinite where one of two numbers is not finite.

    Raises ExportError if they have other shapes.

    >>> import torch
    >>> difference_of(torch.tensor([1.0, -2.0]), torch.tensor([1.5, -2.0]))
    Difference(absolute=0.5, scale=2.0)
    """
    if expected.shape != actual.shape:
        raise ExportError(f"the file returns {tuple(actual.shape)} where the model returns {tuple(expected.shape)}")
    if not expected.numel():
        return Difference()
    wanted, found = expected.double(), actual.double()
    differences = (found - wanted).abs()
    differences[found == wanted] = 0.0  # also two equal infinite numbers
    largest = float(differences.max())
    scale = float(wanted.abs().nan_to_num(0.0, 0.0, 0.0).max())
    return Difference(largest if math.isfinite(largest) else math.inf, scale)

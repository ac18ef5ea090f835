"""Implementations of the product of two matrices, as models without parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zoo_core import Signature
from zoo_core.data.columns import Array


class Numpy(nn.Module):
    """numpy's product, by its BLAS library."""

    def __init__(self, signature: Signature) -> None:
        super().__init__()

    def operand(self, matrix: Array) -> Array:
        return matrix

    def forward(self, a: Array, b: Array) -> Array:
        product: Array = a @ b
        return product

    def result(self, product: Array) -> Array:
        return product


class Torch(nn.Module):
    """Torch's product. Operands are tensors on the trial's device, as for every model without `operand`."""

    def __init__(self, signature: Signature) -> None:
        super().__init__()

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a @ b


class Einsum(Torch):
    """The product as a sum over the index that both matrices share."""

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        product: Tensor = torch.einsum("ij,jk->ik", a, b)
        return product


class Compiled(Torch):
    """Torch's product, compiled once for all sizes. Compiling is part of the warm-up, which does not count."""

    def __init__(self, signature: Signature) -> None:
        super().__init__(signature)
        self._compiled = torch.compile(torch.matmul, dynamic=True)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        product: Tensor = self._compiled(a, b)
        return product


class PythonLoops(nn.Module):
    """The definition of the product, in three loops over lists of Python's floats."""

    def __init__(self, signature: Signature) -> None:
        super().__init__()

    def operand(self, matrix: Array) -> list[list[float]]:
        rows: list[list[float]] = matrix.tolist()
        return rows

    def forward(self, a: list[list[float]], b: list[list[float]]) -> list[list[float]]:
        product = [[0.0] * len(b[0]) for _ in a]
        for a_row, sums in zip(a, product, strict=True):
            for factor, b_row in zip(a_row, b, strict=True):
                for column, value in enumerate(b_row):
                    sums[column] += factor * value
        return product

    def result(self, product: Any) -> Array:
        return np.array(product)

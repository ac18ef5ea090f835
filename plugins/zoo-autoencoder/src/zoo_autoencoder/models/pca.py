"""Principal component analysis: the best of all linear autoencoders (Baldi and Hornik 1989)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn

from zoo_core import Signature


class Pca(nn.Module):
    """Projects images on the directions of largest variance. `fit` computes these; it has no parameters to train."""

    mean: Tensor  # (pixels,)
    components: Tensor  # (numbers, pixels), orthonormal rows, the largest variance first

    def __init__(self, shape: tuple[int, ...], code_size: int) -> None:
        super().__init__()
        self.shape = shape
        pixels = torch.Size(shape).numel()
        self.register_buffer("mean", torch.zeros(pixels))
        self.register_buffer("components", torch.zeros(min(code_size, pixels), pixels))

    def fit(self, batches: Iterator[Tensor]) -> None:
        """Compute mean and components of all images, in float64: the eigenvectors of the covariance matrix."""
        device = "cpu" if self.mean.device.type == "mps" else self.mean.device  # which has no float64
        total = torch.zeros_like(self.mean, dtype=torch.float64, device=device)
        products = torch.zeros(len(total), len(total), dtype=torch.float64, device=device)
        count = 0
        for x in batches:
            flat = x.flatten(1).to(device, torch.float64)
            total += flat.sum(0)
            products.addmm_(flat.T, flat)
            count += len(flat)
        mean = total / count
        covariance = products / count - mean.outer(mean)
        vectors = torch.linalg.eigh(covariance).eigenvectors  # (pixels, pixels), columns, the smallest variance first
        self.mean.copy_(mean)
        self.components.copy_(vectors.flip(1)[:, : len(self.components)].T)

    def encode(self, x: Tensor) -> Tensor:
        return (x.flatten(1) - self.mean) @ self.components.T

    def decode(self, code: Tensor) -> Tensor:
        return (code @ self.components + self.mean).reshape(len(code), *self.shape)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


def pca(signature: Signature, code_size: int) -> nn.Module:
    """Build PCA with `code_size` components."""
    return Pca(cast(tuple[int, ...], signature.input_shape), code_size)

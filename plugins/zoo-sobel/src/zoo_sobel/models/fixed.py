"""The Sobel filter as a convolution with a given kernel (Sobel and Feldman 1968)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo_core import Signature

SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))  # right minus left, smoothed from top to bottom


class FixedSobel(nn.Module):
    """A convolution (batch, 1, H, W) -> (batch, 1, H - 2, W - 2). Its kernel is no parameter, so nothing trains it."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", torch.tensor(SOBEL)[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.kernel)


def fixed(signature: Signature) -> nn.Module:  # noqa: ARG001 - the filter is the same for all images
    """Build the filter."""
    return FixedSobel()

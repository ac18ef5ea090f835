"""The Sobel filter as a convolution with a given kernel (Sobel and Feldman 1968)."""

from __future__ import annotations

from torch import Tensor, nn

from zoo_core import Signature

SOBEL = ((-1.0, 0.0, 1.0), (-2.0, 0.0, 2.0), (-1.0, 0.0, 1.0))  # right minus left, smoothed from top to bottom


class FixedSobel(nn.Module):
    """A convolution (batch, 1, H, W) -> (batch, 1, H - 2, W - 2). Nothing trains its kernel.

    It is a sum of shifted images and not `conv2d`, which on a GPU rounds its inputs to the ten bits of TF32, and under
    autocast to bfloat16: an error of a thousandth, where this filter is to be exact. Sums are in float32 everywhere.
    """

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2] - 2, x.shape[-1] - 2
        return sum(
            (
                weight * x[..., top : top + height, left : left + width]
                for top, row in enumerate(SOBEL)
                for left, weight in enumerate(row)
                if weight
            ),
            start=x.new_zeros(()),
        )


def fixed(signature: Signature) -> nn.Module:  # noqa: ARG001 - the filter is the same for all images
    """Build the filter."""
    return FixedSobel()

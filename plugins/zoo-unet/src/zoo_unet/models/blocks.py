"""Parts that several models share: two convolutions, the decoder, and the U-Net on any encoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo_core import IncompatibleError


def two_convolutions(before: int, width: int) -> nn.Sequential:
    """(batch, before, H, W) -> (batch, width, H, W), each with BatchNorm and ReLU."""
    return nn.Sequential(*convolution(before, width), *convolution(width, width))


def convolution(before: int, width: int) -> list[nn.Module]:
    """Build a 3x3 convolution with BatchNorm and ReLU."""
    return [nn.Conv2d(before, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]


class Decoder(nn.Module):
    """Merges features of several sizes, from the smallest to the largest, through skip connections.

    Shapes:
        features: (batch, channels[i], H_i, W_i), largest first -> (batch, widths[0], H_0, W_0).
        widths: channels after merging level i; the smallest level is not merged, so its width is not used.
    Features are enlarged by copying pixels. Transposed convolutions are slow in channels-last layout on a CPU, and
    cause checkerboard artefacts (Odena et al. 2016). Raises IncompatibleError if `widths` is too short.
    """

    def __init__(self, channels: Sequence[int], widths: Sequence[int]) -> None:
        super().__init__()
        if len(widths) < len(channels) - 1:
            raise IncompatibleError(
                f"the decoder's widths {list(widths)} are for fewer than {len(channels) - 1} levels"
            )
        below = [*widths[1 : len(channels) - 1], channels[-1]]
        self.levels = nn.ModuleList(
            two_convolutions(own + under, width)
            for own, under, width in zip(channels[:-1], below, widths, strict=False)
        )

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        x = features[-1]
        for level, skip in zip(reversed(self.levels), reversed(features[:-1]), strict=True):
            x = level(torch.cat([skip, F.interpolate(x, skip.shape[2:])], 1))
        return x


class OnEncoder(nn.Module):
    """A U-Net on an encoder that returns a list of features, largest first: (batch, C, H, W) -> (batch, classes, H, W).

    The largest features of most encoders have half the size; the logits are then enlarged bilinearly.
    """

    def __init__(self, encoder: nn.Module, channels: Sequence[int], widths: Sequence[int], classes: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = Decoder(channels, widths)
        self.classifier = nn.Conv2d(widths[0] if len(channels) > 1 else channels[-1], classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.decoder(self.encoder(x)))
        if logits.shape[2:] == x.shape[2:]:
            return logits
        return F.interpolate(logits, x.shape[2:], mode="bilinear")

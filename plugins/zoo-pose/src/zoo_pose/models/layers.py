"""What the families share: movement beside places, the last layers, and the frame around a model of motion."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zoo_core import Signature
from zoo_pose.skeletons import window

LEAST_SIZE = 1e-4  # of a body, in the data's unit


def with_velocity(x: Tensor, gain: float = 4.0) -> Tensor:
    """Places and movements: (batch, frames, joints, axes) -> (batch, frames, 2 * joints * axes).

    gain: movements from frame to frame are that much smaller than places.
    """
    moved = torch.diff(x, dim=1, prepend=x[:, :1]) * gain
    return torch.cat([x, moved], dim=-1).flatten(2)


def features_of(signature: Signature) -> int:
    """Numbers a frame of `with_velocity`."""
    _, joints, axes = signature.input_shape
    return 2 * (joints or 1) * (axes or 1)


class OverTime(nn.Module):
    """Logits from the features of frames, by their mean over time: (batch, frames, width) -> (batch, classes)."""

    def __init__(self, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout, self.linear = nn.Dropout(dropout), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.linear(self.dropout(x.mean(dim=1)))
        return logits


class Classifier(nn.Module):
    """Logits of an action: `encoder` takes (batch, frames, features) to (batch, frames, width)."""

    def __init__(self, encoder: nn.Module, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.encoder, self.head = encoder, OverTime(width, classes, dropout)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.encoder(with_velocity(x)))
        return logits


class Forecaster(nn.Module):
    """How the last frame will change, from the last of `encoder`'s features.

    The body is seen from its root in the last frame, over its size there, so that neither place nor unit matter. The
    last layer begins at zero: untrained, the body stays as it was.
    """

    def __init__(self, signature: Signature, encoder: nn.Module, width: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.root: Sequence[int] = signature.extra["root"]
        _, self.future = window(signature.extra)
        self.linear = nn.Linear(width, self.future * features_of(signature) // 2)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor) -> Tensor:
        last = x[:, -1:]
        body = x - last[:, :, list(self.root)].mean(dim=2, keepdim=True)
        size = body[:, -1:].square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(LEAST_SIZE)
        found = self.linear(self.encoder(with_velocity(body / size))[:, -1])
        answer: Tensor = last + size * found.view(len(x), self.future, *x.shape[2:])
        return answer


def with_head(signature: Signature, encoder: nn.Module, width: int, dropout: float, output: str) -> nn.Module:
    """The encoder as a model of what the task asks for: `class` or `motion`."""
    if output == "motion":
        return Forecaster(signature, encoder, width)
    return Classifier(encoder, width, signature.outputs or 0, dropout)

"""What the families share: movement beside places, the last layers, and the frame around a model of motion."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from zoo_core import Signature
from zoo_pose.skeletons import window

LEAST_SIZE = 1e-4  # of a body, in the data's unit
LEAST_DEVIATION = 1e-6  # of places or movements, in the body's size


def with_velocity(x: Tensor) -> Tensor:
    """Places, then movements: (batch, frames, joints, axes) -> (batch, frames, 2 * joints * axes)."""
    moved = torch.diff(x, dim=1, prepend=x[:, :1])
    return torch.cat([x.flatten(2), moved.flatten(2)], dim=2)


def features_of(signature: Signature) -> int:
    """Numbers a frame of `with_velocity`."""
    _, joints, axes = signature.input_shape
    return 2 * (joints or 1) * (axes or 1)


class Frames(nn.Module):
    """What encoders see of a body: (batch, frames, joints, axes) -> (batch, frames, features).

    Places and movements minus their means over train, since what all bodies have in common would drown the movement;
    places over one deviation, movements over another. A deviation for each number would raise the noise of joints that
    hardly move to the height of a waving hand's: on MSR Action3D that costs an LSTM five points.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, signature: Signature) -> None:
        super().__init__()
        features = features_of(signature)
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))

    def initialize(self, x: Tensor) -> None:
        """Learn means and deviations from training examples, (n, frames, joints, axes)."""
        numbers = with_velocity(x).flatten(0, 1)
        self.mean.copy_(numbers.mean(dim=0))
        deviations = numbers.var(dim=0).view(2, -1).mean(dim=1).sqrt().clamp_min(LEAST_DEVIATION)
        self.scale.copy_(deviations.repeat_interleave(len(self.scale) // 2))

    def forward(self, x: Tensor) -> Tensor:
        return (with_velocity(x) - self.mean) / self.scale


class OverTime(nn.Module):
    """Logits from the features of frames, by their mean and their most over time.

    (batch, frames, width) -> (batch, classes). Features are brought to one scale before: an LSTM's cells live in a
    small part of [-1, 1], each in its own.
    """

    def __init__(self, width: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.dropout = nn.BatchNorm1d(width), nn.Dropout(dropout)
        self.linear = nn.Linear(2 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x.transpose(1, 2))
        logits: Tensor = self.linear(self.dropout(torch.cat([x.mean(dim=2), x.amax(dim=2)], dim=1)))
        return logits


class Classifier(nn.Module):
    """Logits of an action: `encoder` takes (batch, frames, features) to (batch, frames, width)."""

    def __init__(self, signature: Signature, encoder: nn.Module, width: int, dropout: float) -> None:
        super().__init__()
        self.frames, self.encoder = Frames(signature), encoder
        self.head = OverTime(width, signature.outputs or 0, dropout)

    def initialize(self, x: Tensor) -> None:
        self.frames.initialize(x)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.encoder(self.frames(x)))
        return logits


class Forecaster(nn.Module):
    """How the last frame will change, from the last of `encoder`'s features.

    The body is seen from its root in the last frame, over its size there, so that neither place nor unit matter. The
    last layer begins at zero: untrained, the body stays as it was.
    """

    def __init__(self, signature: Signature, encoder: nn.Module, width: int) -> None:
        super().__init__()
        self.frames, self.encoder = Frames(signature), encoder
        self.root: Sequence[int] = signature.extra["root"]
        _, self.future = window(signature.extra)
        self.linear = nn.Linear(width, self.future * features_of(signature) // 2)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def initialize(self, x: Tensor) -> None:
        self.frames.initialize(self._seen(x)[0])

    def forward(self, x: Tensor) -> Tensor:
        body, size = self._seen(x)
        found = self.linear(self.encoder(self.frames(body))[:, -1])
        answer: Tensor = x[:, -1:] + size * found.view(len(x), self.future, *x.shape[2:])
        return answer

    def _seen(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The body from its root in the last frame over its size there, and that size (batch, 1, 1, 1)."""
        body = x - x[:, -1:, list(self.root)].mean(dim=2, keepdim=True)
        size = body[:, -1:].square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(LEAST_SIZE)
        return body / size, size


def with_head(signature: Signature, encoder: nn.Module, width: int, dropout: float, output: str) -> nn.Module:
    """The encoder as a model of what the task asks for: `class` or `motion`."""
    if output == "motion":
        return Forecaster(signature, encoder, width)
    return Classifier(signature, encoder, width, dropout)

"""Layers that several models share: input features, pooling over time, and the heads for both tasks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo_core import Signature
from zoo_pose.skeletons import window_frames

MIN_BODY_SIZE = 1e-4  # in the data's unit
MIN_STD = 1e-6  # of positions or velocities, as a share of the body's size


def with_velocity(x: Tensor) -> Tensor:
    """Concatenate positions and velocities: (batch, frames, joints, axes) -> (batch, frames, 2 * joints * axes)."""
    moved = torch.diff(x, dim=1, prepend=x[:, :1])
    return torch.cat([x.flatten(2), moved.flatten(2)], dim=2)


def features_per_frame(signature: Signature) -> int:
    """Return the size of one frame of `with_velocity`."""
    _, joints, axes = signature.input_shape
    return 2 * (joints or 1) * (axes or 1)


class FrameFeatures(nn.Module):
    """Input features of the encoders: (batch, frames, joints, axes) -> (batch, frames, features).

    Subtracts the mean over train from every number, because the shape that all bodies share would hide the movement.
    Divides all positions by one std and all velocities by another. A separate std for each number would amplify the
    noise of joints that hardly move; on MSR Action3D that costs an LSTM five points.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, signature: Signature) -> None:
        super().__init__()
        features = features_per_frame(signature)
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))

    def initialize(self, x: Tensor) -> None:
        """Compute means and stds from training examples (n, frames, joints, axes)."""
        numbers = with_velocity(x).flatten(0, 1)
        self.mean.copy_(numbers.mean(dim=0))
        stds = numbers.var(dim=0).view(2, -1).mean(dim=1).sqrt().clamp_min(MIN_STD)
        self.scale.copy_(stds.repeat_interleave(len(self.scale) // 2))

    def forward(self, x: Tensor) -> Tensor:
        return (with_velocity(x) - self.mean) / self.scale


class TimePooling(nn.Module):
    """Classifies by the mean and the maximum of features over time: (batch, frames, width) -> (batch, classes) logits.

    BatchNorm comes first, because each cell of an LSTM uses only a small part of [-1, 1].
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
    """Predicts an action; `encoder` maps (batch, frames, features) to (batch, frames, width)."""

    def __init__(self, signature: Signature, encoder: nn.Module, width: int, dropout: float) -> None:
        super().__init__()
        self.frames, self.encoder = FrameFeatures(signature), encoder
        self.head = TimePooling(width, signature.outputs or 0, dropout)

    def initialize(self, x: Tensor) -> None:
        self.frames.initialize(x)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.encoder(self.frames(x)))
        return logits


class Forecaster(nn.Module):
    """Predicts how the body will differ from its last frame, from the last of the encoder's features.

    Input and output are relative to the root in the last frame and divided by the body's size there, so that position
    and unit do not matter. The last layer starts at zero: an untrained model repeats the last frame.
    """

    root: Tensor

    def __init__(self, signature: Signature, encoder: nn.Module, width: int) -> None:
        super().__init__()
        self.frames, self.encoder = FrameFeatures(signature), encoder
        # On the model's device, because a list as an index waits for it; the signature has it, so no checkpoint must.
        self.register_buffer("root", torch.tensor(signature.extra["root"]), persistent=False)
        _, self.future = window_frames(signature.extra)
        self.linear = nn.Linear(width, self.future * features_per_frame(signature) // 2)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def initialize(self, x: Tensor) -> None:
        self.frames.initialize(self._normalize(x)[0])

    def forward(self, x: Tensor) -> Tensor:
        body, size = self._normalize(x)
        change = self.linear(self.encoder(self.frames(body))[:, -1])
        future: Tensor = x[:, -1:] + size * change.view(len(x), self.future, *x.shape[2:])
        return future

    def _normalize(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the body relative to its last root and size, and that size (batch, 1, 1, 1)."""
        body = x - x[:, -1:, self.root].mean(dim=2, keepdim=True)
        size = body[:, -1:].square().mean(dim=(1, 2, 3), keepdim=True).sqrt().clamp_min(MIN_BODY_SIZE)
        return body / size, size


def with_head(signature: Signature, encoder: nn.Module, width: int, dropout: float, output: str) -> nn.Module:
    """Add the head for a task's `output`: `class` or `motion`."""
    if output == "motion":
        return Forecaster(signature, encoder, width)
    return Classifier(signature, encoder, width, dropout)

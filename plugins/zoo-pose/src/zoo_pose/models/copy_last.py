"""The baseline for `motion`: every future frame is a copy of the last one."""

from __future__ import annotations

from torch import Tensor, nn

from zoo_core import Signature
from zoo_pose.skeletons import window_frames


class CopyLast(nn.Module):
    """(batch, past, joints, axes) -> (batch, future, joints, axes), copies of the last frame."""

    def __init__(self, future: int) -> None:
        super().__init__()
        self.future = future

    def forward(self, x: Tensor) -> Tensor:
        return x[:, -1:].repeat(1, self.future, 1, 1)


def copy_last(signature: Signature) -> nn.Module:
    """Build the baseline; it has no parameters."""
    _, future = window_frames(signature.extra)
    return CopyLast(future)

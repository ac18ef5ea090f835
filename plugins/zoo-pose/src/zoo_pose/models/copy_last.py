"""The body stays as it was in the last frame: what any model of motion must beat."""

from __future__ import annotations

from torch import Tensor, nn

from zoo_core import Signature
from zoo_pose.skeletons import window


class CopyLast(nn.Module):
    """(batch, past, joints, axes) -> (batch, future, joints, axes), all frames the last one."""

    def __init__(self, future: int) -> None:
        super().__init__()
        self.future = future

    def forward(self, x: Tensor) -> Tensor:
        return x[:, -1:].repeat(1, self.future, 1, 1)


def copy_last(signature: Signature) -> nn.Module:
    """Nothing to train."""
    _, future = window(signature.extra)
    return CopyLast(future)

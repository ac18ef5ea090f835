"""Random changes of bodies that do not change the action. Each example of a batch draws its own, on the device."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from zoo_core import Context, Recipe, Signature


class BodyAugmentation:
    """Changes sequences of joints, float (batch, frames, joints, axes), relative to the root.

    Reads the recipe's `rotate`, `zoom`, `mirror` and `jitter`. Random numbers come from the context's generator.
    """

    def __init__(self, signature: Signature, recipe: Recipe, ctx: Context) -> None:
        self._ctx = ctx
        self._rotate, self._zoom = math.radians(recipe.rotate), recipe.zoom
        self._mirror, self._jitter = recipe.mirror, recipe.jitter
        # On the device once: a list as an index, or made into a tensor in each step, would make Python wait for it.
        self._mirrored_joints = torch.tensor(signature.extra["mirror"], device=ctx.device)
        axes = signature.input_shape[-1] or 1
        self._sign = torch.tensor([-1.0] + [1.0] * (axes - 1), device=ctx.device)  # of a mirrored body's positions

    def uniform(self, *shape: int) -> Tensor:
        """Draw uniform numbers in [-1, 1]."""
        return torch.rand(shape, generator=self._ctx.generator, device=self._ctx.device) * 2 - 1

    def noise(self, x: Tensor) -> Tensor:
        """Draw standard normal numbers in the shape of `x`."""
        return torch.randn(x.shape, generator=self._ctx.generator, device=self._ctx.device)

    def random_transforms(self, count: int, axes: int) -> Tensor:
        """Draw matrices (count, axes, axes) that rotate and stretch."""
        matrix = torch.eye(axes, device=self._ctx.device).repeat(count, 1, 1)
        if self._zoom:
            matrix = matrix * (1 + self._zoom * self.uniform(count, 1, axes))
        if self._rotate and axes == 3:
            matrix = matrix @ rotation_about_vertical(self._rotate * self.uniform(count))
        return matrix

    def change_bodies(self, *parts: Tensor) -> Sequence[Tensor]:
        """Change all parts of an example in the same way; add noise to the first. Each: (batch, frames, joints, axes).

        Mirroring also exchanges the left and right joints, so that the names of the joints stay true.
        """
        count, axes = len(parts[0]), parts[0].shape[-1]
        matrix = self.random_transforms(count, axes)
        changed = [torch.einsum("btjc,bcd->btjd", part, matrix) for part in parts]
        if self._mirror:
            other = (self.uniform(count) < 0).view(-1, 1, 1, 1)
            changed = [torch.where(other, part[:, :, self._mirrored_joints] * self._sign, part) for part in changed]
        if self._jitter:
            changed[0] = changed[0] + self._jitter * self.noise(changed[0])
        return changed


def rotation_about_vertical(angles: Tensor) -> Tensor:
    """Return rotation matrices (n, 3, 3) about the second axis, for row vectors; angles (n,) in radians."""
    cosine, sine = angles.cos(), angles.sin()
    zero, one = torch.zeros_like(cosine), torch.ones_like(cosine)
    rows = [cosine, zero, -sine, zero, one, zero, sine, zero, cosine]
    return torch.stack(rows, dim=1).view(-1, 3, 3)


def resample_at(x: Tensor, times: Tensor) -> Tensor:
    """Interpolate sequences (batch, frames, ...) linearly at times (batch, new), in frames from 0."""
    before = times.floor().clamp(0, x.shape[1] - 2).long()
    share = (times - before).view(*times.shape, *[1] * (x.dim() - 2))
    rows = torch.arange(len(x), device=x.device).unsqueeze(1)
    return torch.lerp(x[rows, before], x[rows, before + 1], share)

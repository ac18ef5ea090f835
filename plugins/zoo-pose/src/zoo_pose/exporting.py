"""The export of models of kind `zoo-pose/action`: the file takes joints as the data have them, of any number of frames.

A file of its own, because `action.py` is part of the experiment key of every trial.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from zoo_core import Context, Exportable
from zoo_core.data.columns import Array, Ragged
from zoo_pose.action import Action
from zoo_pose.sequences import MIN_BODY_SIZE, normalize


class FromFrames(nn.Module):
    """A model behind `sequences.normalize`: (batch, frames, joints, axes) -> logits (batch, classes)."""

    def __init__(self, model: nn.Module, root: Sequence[int], frames: int) -> None:
        super().__init__()
        self.model, self._root, self._frames = model, list(root), frames

    def forward(self, x: Tensor) -> Tensor:
        centre = x[:, :, self._root].mean(dim=2, keepdim=True)
        size = (x - centre).square().sum(3).mean(dim=(1, 2)).sqrt().clamp_min(MIN_BODY_SIZE)
        logits: Tensor = self.model(self._resampled((x - centre.mean(dim=1, keepdim=True)) / size.view(-1, 1, 1, 1)))
        return logits

    def _resampled(self, x: Tensor) -> Tensor:
        """Interpolate linearly to a fixed number of evenly spaced frames."""
        last = x.shape[1] - 1
        places = torch.arange(self._frames, dtype=x.dtype, device=x.device) * last / (self._frames - 1)
        before = places.long().clamp(max=last)
        after = (before + 1).clamp(max=last)
        share = (places - before).view(1, -1, 1, 1)
        return x[:, before] * (1 - share) + x[:, after] * share


def action(task: Action, _: Context, model: nn.Module) -> Exportable:
    """Return what a file of a model holds. Sequences of one batch are cut to the shortest of them."""
    raw = task._data._data.split("test")  # type: ignore[attr-defined]  # `Action` wraps the data in `NormalizedData`
    x, root, frames = raw.columns["x"], task._data.signature.extra["root"], int(task._recipe.frames)
    assert isinstance(x, Ragged)
    rows = list(range(len(x))) if raw.rows is None else raw.rows.tolist()

    def batch_of(numbers: Sequence[int]) -> list[Array]:
        sequences = [x[rows[number]] for number in numbers]
        return [sequence[: min(map(len, sequences))] for sequence in sequences]

    def expected(numbers: Sequence[int]) -> Tensor:
        inputs = np.stack([normalize(sequence, root, frames) for sequence in batch_of(numbers)])
        logits: Tensor = model(torch.from_numpy(inputs))
        return logits

    return Exportable(
        module=FromFrames(model, root, frames),
        inputs={"x": {0: "batch", 1: "frames"}},
        outputs={"logits": {0: "batch"}},
        count=len(rows),
        examples=lambda numbers: (torch.from_numpy(np.stack(batch_of(numbers))),),
        expected=expected,
    )

"""Models with fixed predictions: perfect ones or wrong ones. Torch inside."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from zoo_core.checks.data import SmallData
from zoo_core.entries import resolve_entry
from zoo_core.kinds import KINDS


class FixedModel(nn.Module):
    """Returns the given outputs (n, ...) in order, one row per example, and starts again after the last row."""

    def __init__(self, outputs: Tensor) -> None:
        super().__init__()
        self.outputs, self.next_row = outputs, 0

    def forward(self, x: Tensor) -> Tensor:
        rows = torch.arange(self.next_row, self.next_row + len(x)) % len(self.outputs)
        self.next_row += len(x)
        return self.outputs[rows]


def make_perfect_and_wrong_models(kind: str, data: SmallData) -> tuple[FixedModel, FixedModel]:
    """Return, for a shared kind, a model that predicts val's targets and one that is wrong on every example."""
    split = data.split("val")
    targets = np.asarray(split.columns["y"])[slice(None) if split.rows is None else split.rows]
    perfect, wrong = resolve_entry(KINDS[kind].perfect_and_wrong_entry)(targets, data.signature.outputs or 1)
    return FixedModel(perfect), FixedModel(wrong)

"""Models that answer with the truth, or with something else, whatever they are asked. Torch inside."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from zoo_core.checks.data import SmallData
from zoo_core.entries import resolve_entry
from zoo_core.kinds import KINDS


class Planted(nn.Module):
    """Gives the answers (n, ...) row by row, as many as it is asked for, and then from the start again."""

    def __init__(self, answers: Tensor) -> None:
        super().__init__()
        self.answers, self.at = answers, 0

    def forward(self, x: Tensor) -> Tensor:
        rows = torch.arange(self.at, self.at + len(x)) % len(self.answers)
        self.at += len(x)
        return self.answers[rows]


def planted(kind: str, data: SmallData) -> tuple[Planted, Planted]:
    """For a shared kind: a model that answers val's truth, and one that is wrong on each example."""
    split = data.split("val")
    truth = np.asarray(split.columns["y"])[slice(None) if split.rows is None else split.rows]
    true, wrong = resolve_entry(KINDS[kind].plant)(truth, data.signature.outputs or 1)
    return Planted(true), Planted(wrong)

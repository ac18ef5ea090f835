"""What all optimizers share: one number that is tuned, a learning rate or a standard deviation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo_basics.optimizers.oracle import Oracle
from zoo_core import Signature


class Searcher(nn.Module):
    """An optimizer with one tuned number for each function, `scales`: 0 until it is tuned."""

    scales: Tensor  # float64 (functions,)

    def __init__(self, signature: Signature, *, lowest: float, highest: float) -> None:
        super().__init__()
        self.lowest, self.highest = lowest, highest
        self.register_buffer("scales", torch.zeros(signature.outputs or 1, dtype=torch.float64))

    def forward(self, oracle: Oracle, starts: Tensor, scale: float) -> None:
        """Look for the minimum from `starts` (n, size) until BudgetSpentError; return earlier if nothing is left."""
        raise NotImplementedError

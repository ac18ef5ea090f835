"""Tables of vectors of which a training step touches only the rows in use, and the optimizer for them.

torch's sparse gradients would do the same, but not every device has them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-10


class RowTable(nn.Module):
    """A table of vectors, like `nn.Embedding`, whose gradient is one row for each use of a word.

    `weight.grad` stays None: `RowAdagrad` takes the gradients of the uses instead. The weights begin uniform in
    +-0.5 / dimension, as in word2vec's code.
    """

    def __init__(self, words: int, dimension: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(words, dimension))
        nn.init.uniform_(self.weight, -0.5 / dimension, 0.5 / dimension)
        self._uses: list[tuple[Tensor, Tensor]] = []

    def forward(self, words: Tensor) -> Tensor:
        """Return the vectors of words int64 (...): (..., dimension)."""
        rows = F.embedding(words, self.weight.detach())
        if torch.is_grad_enabled():
            rows.requires_grad_()
            self._uses.append((words, rows))
        return rows

    def take_uses(self) -> list[tuple[Tensor, Tensor]]:
        """Return words (n,) and gradients (n, dimension) of each use since the last call."""
        uses, self._uses = self._uses, []
        return [(words.flatten(), rows.grad.flatten(0, -2)) for words, rows in uses if rows.grad is not None]


class RowAdagrad:
    """Adagrad (Duchi et al. 2011) with one rate for each row of a `RowTable`, and for each number of other parameters.

    The uses of one word are not joined, because that would wait for the device: the squares of their gradients are
    summed, instead of the square of the sum.
    """

    def __init__(self, model: nn.Module) -> None:
        tables = [module for module in model.modules() if isinstance(module, RowTable)]
        rows = {id(table.weight) for table in tables}
        dense = [item for item in model.parameters() if item.requires_grad and id(item) not in rows]
        self._tables = [(table, table.weight.new_zeros(len(table.weight))) for table in tables]
        self._dense = [(parameter, torch.zeros_like(parameter)) for parameter in dense]
        for table in tables:
            table.take_uses()  # of before the training

    @torch.no_grad()
    def step(self, lr: float) -> None:
        """Move all parameters that have a gradient, and forget it."""
        for table, sums in self._tables:
            uses = table.take_uses()
            for words, gradients in uses:
                squares = torch.linalg.vector_norm(gradients, dim=1).square_() / gradients.shape[1]
                sums.index_add_(0, words, squares)
            for words, gradients in uses:
                rates = (sums.index_select(0, words) + EPSILON).rsqrt_()
                table.weight.index_add_(0, words, gradients * rates[:, None], alpha=-lr)
        for parameter, sums in self._dense:
            if (gradient := parameter.grad) is None:
                continue
            gradient = gradient.to_dense()
            sums.addcmul_(gradient, gradient)
            parameter.addcdiv_(gradient, (sums + EPSILON).sqrt_(), value=-lr)
            parameter.grad = None

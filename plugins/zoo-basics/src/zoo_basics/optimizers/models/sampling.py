"""Searches without gradients that sample points from a normal distribution."""

from __future__ import annotations

from torch import Tensor

from zoo_basics.optimizers.models.searcher import Searcher
from zoo_basics.optimizers.oracle import Oracle
from zoo_core import Signature


class RandomSearch(Searcher):
    """Take a normal step from the best point so far; stay there unless the value is lower (Matyas 1965)."""

    def __init__(self, signature: Signature, lowest: float, highest: float) -> None:
        super().__init__(signature, lowest=lowest, highest=highest)

    def forward(self, oracle: Oracle, starts: Tensor, scale: float) -> None:
        best, lowest = starts, oracle.values(starts)
        while True:
            tried = best + scale * oracle.normal(*best.shape)
            values = oracle.values(tried)
            better = values < lowest
            best, lowest = best.where(~better[:, None], tried), lowest.where(~better, values)


class CrossEntropy(Searcher):
    """Sample from a normal distribution, fit it to the best samples, and so on (Rubinstein 1999).

    The distribution has a standard deviation for each coordinate, at first `scale`.
    """

    def __init__(self, signature: Signature, lowest: float, highest: float, population: int, elite: int) -> None:
        super().__init__(signature, lowest=lowest, highest=highest)
        self._population, self._elite = population, min(elite, population)

    def forward(self, oracle: Oracle, starts: Tensor, scale: float) -> None:
        mean, std = starts, starts.new_full(starts.shape, scale)
        while True:
            noise = oracle.normal(len(starts), self._population, starts.shape[1])
            samples = mean[:, None] + std[:, None] * noise  # (runs, population, size)
            order = oracle.values(samples).argsort(dim=1, stable=True)[:, : self._elite]
            elite = samples.gather(1, order[:, :, None].expand(-1, -1, starts.shape[1]))
            mean, std = elite.mean(dim=1), elite.std(dim=1, correction=0)

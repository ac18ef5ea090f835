"""What an optimizer may ask: values and gradients of a function, counted up to a fixed number of evaluations."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


class BudgetSpentError(Exception):
    """The evaluations of a run are used up; ends an optimizer's `forward`. The task catches it: it is no fault."""


class Oracle:
    """Answers for n independent runs at once, and notes the best value of each.

    A value costs each run one evaluation. A value with its gradient costs `gradient_cost`. What no longer fits into
    `budget` is not answered: BudgetSpentError.
    best: the lowest value of each run so far, float64 (n,). spent: the largest number of evaluations of any run.
    paths: the points that were asked, one tensor (n, size) for each question, if `keep_paths`; of several points for
    each run, the best.
    """

    def __init__(
        self,
        value: Callable[[Tensor], Tensor],
        starts: Tensor,
        *,
        budget: int,
        gradient_cost: int,
        noise: float,
        generator: torch.Generator | None,
        keep_paths: bool = False,
    ) -> None:
        self._value, self._starts = value, starts
        self._budget, self._gradient_cost, self._noise = budget, gradient_cost, noise
        self.generator = generator
        self._keep_paths = keep_paths
        self._noise_std: Tensor | None = None  # of each run, (n, 1)
        self.spent = self._spent_before = 0
        self.best = torch.full((len(starts),), torch.inf, dtype=starts.dtype, device=starts.device)
        self.paths: list[Tensor] = []

    def values(self, points: Tensor) -> Tensor:
        """Return the values at points (n, size), or at k points for each run (n, k, size): (n,) or (n, k).

        Of the last k points, only as many are answered as the budget has left; the others have the value infinity.
        """
        asked = 1 if points.dim() == 2 else points.shape[1]
        left = min(asked, self._budget - self.spent)
        if left < 1:
            raise BudgetSpentError
        self.spent += left
        with torch.no_grad():
            values = self._value(points.detach())
        if points.dim() == 2:
            self._note(points, values)
            return values
        values[:, left:] = torch.inf
        lowest, place = values.nan_to_num(nan=torch.inf, posinf=torch.inf).min(dim=1)
        self._note(points.gather(1, place[:, None, None].expand(-1, 1, points.shape[2]))[:, 0], lowest)
        return values

    def gradients(self, points: Tensor, *, noisy: bool = False) -> Tensor:
        """Return the gradients (n, size) at points (n, size); noisy: with normal noise of the recipe's size."""
        return self.values_and_gradients(points, noisy=noisy)[1]

    def values_and_gradients(self, points: Tensor, *, noisy: bool = False) -> tuple[Tensor, Tensor]:
        """Return the values (n,) and the gradients (n, size) at points (n, size)."""
        if self.spent + self._gradient_cost > self._budget:
            raise BudgetSpentError
        self.spent += self._gradient_cost
        with torch.enable_grad():
            asked = points.detach().requires_grad_()
            values = self._value(asked)
            (gradients,) = torch.autograd.grad(values.sum(), asked)
        values = values.detach()
        self._note(points, values)
        if noisy:
            if self._noise_std is None:
                self._noise_std = self._noise * gradients.norm(dim=1, keepdim=True)
            gradients = gradients + self._noise_std * self.normal(*gradients.shape)
        return values, gradients

    def normal(self, *shape: int) -> Tensor:
        """Draw standard normal numbers, float64."""
        return torch.randn(shape, generator=self.generator, dtype=self._starts.dtype, device=self._starts.device)

    def seed(self) -> int:
        """Draw a seed for a library that has random numbers of its own."""
        return int(torch.randint(2**62, (), generator=self.generator, device=self._starts.device))

    def runs(self) -> list[Oracle]:
        """Return an oracle for each run alone, for an optimizer that cannot handle several runs at once.

        They get what is left of the budget. Until `join`, this oracle has nothing left.
        """
        left, self._spent_before = self._budget - self.spent, self.spent
        self.spent = self._budget
        return [
            Oracle(
                self._value,
                start[None],
                budget=left,
                gradient_cost=self._gradient_cost,
                noise=self._noise,
                generator=self.generator,
                keep_paths=self._keep_paths,
            )
            for start in self._starts
        ]

    def join(self, runs: list[Oracle]) -> None:
        """Take over what the oracles of `runs()` have noted."""
        self.best = torch.minimum(self.best, torch.cat([run.best for run in runs]))
        self.spent = self._spent_before + max(run.spent for run in runs)
        longest = max((len(run.paths) for run in runs), default=0)
        for number in range(longest):  # a run that ended earlier stays at its last point
            self.paths.append(torch.cat([run.paths[min(number, len(run.paths) - 1)] for run in runs]))

    def _note(self, points: Tensor, values: Tensor) -> None:
        self.best = torch.fmin(self.best, values)  # a nan is never the best
        if self._keep_paths:
            self.paths.append(points.detach().clone())

"""Torch's optimizers, which follow gradients."""

from __future__ import annotations

import contextlib
from collections.abc import Callable

import torch
from torch import Tensor

from zoo_basics.optimizers.models.searcher import Searcher
from zoo_basics.optimizers.oracle import BudgetSpentError, Oracle
from zoo_core import Signature

Make = Callable[[Tensor, float], torch.optim.Optimizer]  # (point, learning rate)


class Gradient(Searcher):
    """An optimizer of torch that treats each coordinate alone, so that it can take the steps of all runs at once."""

    def __init__(self, signature: Signature, make: Make, *, lowest: float, highest: float, noisy: bool = False) -> None:
        super().__init__(signature, lowest=lowest, highest=highest)
        self._make, self._noisy = make, noisy

    def forward(self, oracle: Oracle, starts: Tensor, scale: float) -> None:
        point = starts.clone().requires_grad_()
        optimizer = self._make(point, scale)
        while True:
            point.grad = oracle.gradients(point, noisy=self._noisy)
            optimizer.step()


def gradient_descent(signature: Signature, lowest: float, highest: float) -> Gradient:
    return Gradient(signature, lambda x, lr: torch.optim.SGD([x], lr=lr), lowest=lowest, highest=highest)


def stochastic(signature: Signature, lowest: float, highest: float) -> Gradient:
    return Gradient(signature, lambda x, lr: torch.optim.SGD([x], lr=lr), lowest=lowest, highest=highest, noisy=True)


def momentum(signature: Signature, lowest: float, highest: float, momentum: float) -> Gradient:
    def make(x: Tensor, lr: float) -> torch.optim.Optimizer:
        return torch.optim.SGD([x], lr=lr, momentum=momentum)

    return Gradient(signature, make, lowest=lowest, highest=highest)


def nesterov(signature: Signature, lowest: float, highest: float, momentum: float) -> Gradient:
    def make(x: Tensor, lr: float) -> torch.optim.Optimizer:
        return torch.optim.SGD([x], lr=lr, momentum=momentum, nesterov=momentum > 0)

    return Gradient(signature, make, lowest=lowest, highest=highest)


def adagrad(signature: Signature, lowest: float, highest: float) -> Gradient:
    return Gradient(signature, lambda x, lr: torch.optim.Adagrad([x], lr=lr), lowest=lowest, highest=highest)


def rmsprop(signature: Signature, lowest: float, highest: float) -> Gradient:
    return Gradient(signature, lambda x, lr: torch.optim.RMSprop([x], lr=lr), lowest=lowest, highest=highest)


def adam(signature: Signature, lowest: float, highest: float) -> Gradient:
    return Gradient(signature, lambda x, lr: torch.optim.Adam([x], lr=lr), lowest=lowest, highest=highest)


def adamw(signature: Signature, lowest: float, highest: float) -> Gradient:
    return Gradient(signature, lambda x, lr: torch.optim.AdamW([x], lr=lr), lowest=lowest, highest=highest)


class Lbfgs(Searcher):
    """Torch's L-BFGS with its strong-Wolfe line search; each call of its closure counts as one gradient."""

    def __init__(self, signature: Signature, lowest: float, highest: float, history: int) -> None:
        super().__init__(signature, lowest=lowest, highest=highest)
        self._history = history

    def forward(self, oracle: Oracle, starts: Tensor, scale: float) -> None:
        runs = oracle.runs()
        for run, start in zip(runs, starts, strict=True):
            with contextlib.suppress(BudgetSpentError):
                self._minimise(run, start, scale)
        oracle.join(runs)

    def _minimise(self, oracle: Oracle, start: Tensor, scale: float) -> None:
        point = start[None].clone().requires_grad_()
        optimizer = torch.optim.LBFGS(
            [point],
            lr=scale,
            max_iter=10_000,  # the oracle ends the search
            max_eval=10_000,
            tolerance_grad=0.0,
            tolerance_change=0.0,
            history_size=self._history,
            line_search_fn="strong_wolfe",
        )

        def closure() -> Tensor:
            values, point.grad = oracle.values_and_gradients(point)
            return values[0]

        optimizer.step(closure)  # type: ignore[no-untyped-call]

"""The length of a trial, and when it evaluates val, from the recipe and the steps of an epoch."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

from zoo_core.errors import PluginError, RecipeError
from zoo_core.recipe import Recipe

MIN_EVALUATIONS = 10  # of a trial if the recipe has no `eval_every`; long trials have up to three times as many
ENDLESS = sys.maxsize  # steps under a time budget, where the clock ends the trial


@dataclass(frozen=True, slots=True)
class Length:
    """Total steps, steps per epoch (None for a task without epochs), and steps between evaluations, not rounded."""

    total: int
    epoch_steps: int | None
    interval: float

    def due(self, number: int) -> int:
        """Return the step at which evaluation `number`, counted from 1, is due; exact at the ends of epochs."""
        return math.ceil(round(number * self.interval, 6))

    def epoch(self, step: int) -> float | None:
        """Return how many epochs `step` steps are; None for a task without epochs."""
        return step / self.epoch_steps if self.epoch_steps else None


class EvaluationSchedule:
    """Decides when val is evaluated: by steps, or under a time budget at shares of it.

    by_shares: whether a budget without `eval_every` sets the evaluations. Its end is one in any case.
    """

    def __init__(self, length: Length, budget_s: float | None, *, by_shares: bool) -> None:
        self._length, self._budget_s, self._by_shares = length, budget_s, by_shares
        self._evaluations = 0
        self._next_number, self._next_step = 1, length.due(1)

    def is_due(self, steps: int, train_s: float) -> bool:
        """Return whether an evaluation is due after `steps` steps and `train_s` seconds of training."""
        if self._budget_s is not None:
            share = train_s / self._budget_s
            if share >= 1 or (self._by_shares and share >= (self._evaluations + 1) / MIN_EVALUATIONS):
                return True
        return steps >= self._next_step

    def mark_evaluated(self, steps: int) -> None:
        """Count an evaluation after `steps` steps, and find the next one."""
        self._evaluations += 1
        while self._next_step <= steps:  # `due` multiplies: a sum of fractions would drift past the ends of epochs
            self._next_number += 1
            self._next_step = self._length.due(self._next_number)


def resolve_length(recipe: Recipe, epoch_steps: int | None, budget_s: float | None) -> Length:
    """Return the length of a trial: set by the time budget, or else by `steps`, or else by `epochs`.

    epoch_steps: optimizer steps of one pass over train; None for a task without epochs.
    Raises RecipeError if neither a budget nor `steps` nor `epochs` gives a length, PluginError if `epoch_steps` is no
    positive whole number.
    """
    if epoch_steps is not None and (not isinstance(epoch_steps, int) or epoch_steps is True or epoch_steps < 1):
        raise PluginError(f"the task's `epoch_steps` returned {epoch_steps!r}: return a whole number, 1 or more")
    if budget_s is not None:
        total = ENDLESS
    elif recipe.steps:
        total = recipe.steps
    elif epoch_steps is None:
        raise RecipeError("`steps` is 0 and the task has no epochs: set `steps`, for example with --max-steps")
    elif not recipe.epochs:
        raise RecipeError("`epochs` and `steps` are 0: set one of them, for example with --epochs or --max-steps")
    else:
        total = max(1, round(recipe.epochs * epoch_steps))
    return Length(total, epoch_steps, _interval(recipe, total, epoch_steps))


def _interval(recipe: Recipe, total: int, epoch_steps: int | None) -> float:
    """Return the steps between evaluations. Without `eval_every`, they are chosen to hit the ends of epochs exactly."""
    if recipe.eval_every and epoch_steps:
        return max(1.0, float(recipe.eval_every) * epoch_steps)
    if total == ENDLESS:
        return float(ENDLESS)  # `Training` evaluates at shares of the budget
    epochs = total / epoch_steps if epoch_steps else 0.0
    if epoch_steps is None or epochs < 1:
        return max(1.0, total / MIN_EVALUATIONS)
    if epochs < MIN_EVALUATIONS:
        return epoch_steps / math.ceil(MIN_EVALUATIONS / epochs)
    return float(epoch_steps * max(1, round(epochs / (2 * MIN_EVALUATIONS))))

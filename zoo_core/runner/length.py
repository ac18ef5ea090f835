"""How long a trial is and when it looks at val: from the recipe and the steps of an epoch."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

from zoo_core.recipe import Recipe

POINTS = 10  # val evaluations of a trial, where the recipe leaves it open; long trials have up to three times as many
ENDLESS = sys.maxsize  # steps under a time budget: the clock ends the trial


@dataclass(frozen=True, slots=True)
class Length:
    """Steps in all, steps of an epoch where the task has epochs, steps between evaluations (a fraction is kept)."""

    total: int
    epoch_steps: int | None
    interval: float

    def due(self, number: int) -> int:
        """The first step at which evaluation `number`, counted from 1, is due; exact at the ends of epochs."""
        return math.ceil(round(number * self.interval, 6))

    def epoch(self, step: int) -> float | None:
        return step / self.epoch_steps if self.epoch_steps else None


def resolve_length(recipe: Recipe, epoch_steps: int | None, budget_s: float | None) -> Length:
    """The length a recipe asks for: `steps`, else `epochs`; a time budget goes before both."""
    if budget_s is not None:
        total = ENDLESS
    elif recipe.steps or epoch_steps is None:
        total = max(1, recipe.steps)
    else:
        total = max(1, round(recipe.epochs * epoch_steps))
    return Length(total, epoch_steps, _interval(recipe, total, epoch_steps))


def _interval(recipe: Recipe, total: int, epoch_steps: int | None) -> float:
    """Steps between evaluations; where the recipe leaves it open, every end of an epoch that is looked at is exact."""
    if recipe.eval_every and epoch_steps:
        return max(1.0, float(recipe.eval_every) * epoch_steps)
    if total == ENDLESS:
        return float(ENDLESS)  # shares of the budget decide
    epochs = total / epoch_steps if epoch_steps else 0.0
    if epoch_steps is None or epochs < 1:
        return max(1.0, total / POINTS)
    if epochs < POINTS:
        return epoch_steps / math.ceil(POINTS / epochs)
    return float(epoch_steps * max(1, round(epochs / (2 * POINTS))))

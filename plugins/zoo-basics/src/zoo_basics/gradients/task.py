"""Kind `zoo-basics/gradient`, version 1: a benchmark without training, gradients in float64.

Data: column x, ragged float64 (n; entries), points theta; column y, of the same form, the gradients; column function,
integer (n,), the number of the function among the lesson's.
Model: forward(chain, theta) takes a function and a point, float64 (size,), and returns the gradient there, float64
(size,). `chain(theta)` is the value, a scalar; theta may be complex, and may require a gradient. `chain.parts(theta)`
are the function's layers, for a backward pass by hand (`zoo_basics.gradients.chains`).
Reference: central differences with 50 digits and a step of 1e-20, rounded to float64; the closed forms of the lesson's
functions agree with them.
Scores: the metric `max_relative_error`, over all functions the largest error of an entry of the gradient, divided by
its largest entry (lower is better); `us_per_gradient`, the geometric mean of the microseconds, by the runner's clock
(`Context.time_calls`); a table by function. The largest error is no mean over functions, so there are no results by
example. One unit is one gradient; one step is one gradient of train's first function, and is not scored.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from zoo_basics.gradients.chains import Chain
from zoo_basics.gradients.data import CASES
from zoo_core import Context, Data, Evaluation, Recipe, Step, Table, TaskSpec
from zoo_core.data.columns import Ragged
from zoo_core.outputs import FiniteOutputs, OutputForm


class Gradients:
    """The task of this kind."""

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec
        self._form = OutputForm(kind=spec.kind, shape=lambda theta: tuple(theta.shape), values="partial derivatives")

    def prepare(self, ctx: Context, data: Data, recipe: Recipe) -> None:
        self._data, self._recipe = data, recipe

    def train(self, ctx: Context, model: nn.Module, recipe: Recipe) -> Iterator[Step]:
        """Compute one gradient in each step. Nothing is learned, and the time of these steps is not scored."""
        (_, chain, theta, _), *_ = self._examples(ctx, "train")
        for _ in range(recipe.steps):
            with torch.no_grad():
                model(chain, theta)
            yield Step(1)

    def evaluate(self, ctx: Context, model: nn.Module, split: str) -> Evaluation:
        rows: list[list[Any]] = []
        finite = FiniteOutputs()
        for name, chain, theta, exact in self._examples(ctx, split):
            gradient = model(chain, theta)
            self._form.require(gradient, theta)
            finite.add(gradient[None])
            error = float((gradient - exact).abs().max() / exact.abs().max())
            timing = ctx.time_calls(lambda: model(chain, theta), repeats=self._recipe.repeats)  # noqa: B023 - called now
            rows.append([name, chain.size, error, 1e6 * timing.median_s])
        finite.require("gradients")
        scores = {
            "max_relative_error": max(row[2] for row in rows),
            "us_per_gradient": float(np.exp(np.mean(np.log([row[3] for row in rows])))),
        }
        return Evaluation(scores, tables={"by function": Table(["function", "entries", "relative_error", "us"], rows)})

    def _examples(self, ctx: Context, split: str) -> Iterator[tuple[str, Chain, Tensor, Tensor]]:
        """Yield the name, the function, the point and the gradient of each example."""
        found = self._data.split(split, holdout=self._recipe.holdout)
        columns: Any = found.columns
        x, y = cast(Ragged, columns["x"]), cast(Ragged, columns["y"])
        for row in range(len(x)) if found.rows is None else found.rows.tolist():
            case = CASES[int(columns["function"][row])]
            theta, exact = (torch.from_numpy(np.array(column[row])).to(ctx.device) for column in (x, y))
            yield case.name, case.chain, theta, exact

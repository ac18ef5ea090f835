"""Kind `zoo-basics/minimisation`, version 1: find the minimum of a known function with few evaluations.

Data: column x, float64 (n, 25), starting points; column function, integer (n,), the number of the function among those
that `signature.extra["functions"]` names. `signature.outputs` is their count.
Model: an optimizer. Its `forward(oracle, starts, scale)` looks for the minimum from all `starts`, float64 (runs, size),
at once; each is a run of its own. It asks the `oracle` for values and gradients (`zoo_basics.optimizers.oracle`), which
raises BudgetSpentError when the evaluations are used up; a model lets this error pass. What forward returns is ignored:
the lowest value that the oracle gave a run counts. `scale` is the one number that is tuned, such as a learning rate,
between the model's attributes `lowest` and `highest`. The model has a buffer `scales`, float64 (functions,), where the
task keeps the tuned number of each function; 0 means untuned.
Budget: a value counts as one evaluation, a value with its gradient as `gradient_cost`, by default 3: the gradient of
one output by backpropagation costs at most about four times the value (Griewank and Walther 2008), in practice about
twice beside it.
Tuning: the training. Each of its `steps` tries one scale, spaced evenly on a log axis, on the starting points of train,
with the whole budget for each run. The scale with the lowest mean score is kept, for each function by itself. These
evaluations are not part of the budget: each optimizer has the same number of tries.
Scores, over the runs from the starting points of test: the metric `log10_excess`, the mean log10 of the lowest value,
not below 1e-12, as the minimum is 0 (lower is better); `solved`, the share of runs below 1e-6; a table by function.
One unit is one evaluation that the tuning used in the run that used most.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from zoo_basics.optimizers.functions import TestFunction, test_functions
from zoo_basics.optimizers.oracle import BudgetSpentError, Oracle
from zoo_basics.optimizers.pictures import path_sheet
from zoo_core import Context, Data, Evaluation, IncompatibleError, Recipe, Step, Table, TaskSpec
from zoo_core.data.batches import DeviceSplit
from zoo_core.data.columns import Array

FLOOR, SOLVED = 1e-12, 1e-6
EVALUATION_SEED = 1_000_003  # added to the trial's seed, so that evaluations draw other numbers than the tuning
SHOWN = 2  # runs in each panel of the picture


class Minimisation:
    """The task of this kind."""

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec

    def prepare(self, ctx: Context, data: Data, recipe: Recipe) -> None:
        self._data, self._recipe = data, recipe
        self._names: list[str] = list(data.signature.extra["functions"])
        functions = test_functions()
        self._functions = [functions[name] for name in self._names]

    def train(self, ctx: Context, model: nn.Module, recipe: Recipe) -> Iterator[Step]:
        """Try one scale in each step, and keep the best of each function in `model.scales`."""
        scales, (lowest, highest) = require_searcher(model, len(self._functions))
        starts = self._starts(ctx, "train")
        best = torch.full_like(scales, torch.inf)
        for number in range(recipe.steps):
            share = number / max(1, recipe.steps - 1)
            scale = lowest * (highest / lowest) ** share
            scores, spent = [], 0
            for function, points in zip(self._functions, starts, strict=True):
                oracle = self._minimise(model, function, points, scale, ctx.generator)
                scores.append(log10_excess(oracle.best).mean())
                spent += oracle.spent
            mean = torch.stack(scores)
            scales.copy_(torch.where(mean < best, torch.full_like(scales, scale), scales))
            best = torch.minimum(best, mean)
            yield Step(spent, {"loss": mean.mean(), "score": best.mean()})

    def evaluate(self, ctx: Context, model: nn.Module, split: str) -> Evaluation:
        """Run the optimizer from every starting point of a split."""
        runs = self._runs(ctx, model, split)
        scores = [log10_excess(oracle.best).cpu().numpy() for oracle in runs]
        every = np.concatenate(scores)
        scales = require_searcher(model, len(self._functions))[0].tolist()
        rows = [
            [name, float(score.mean()), float((score < math.log10(SOLVED)).mean()), scale, oracle.spent]
            for name, score, scale, oracle in zip(self._names, scores, scales, runs, strict=True)
        ]
        return Evaluation(
            {"log10_excess": float(every.mean()), "solved": float((every < math.log10(SOLVED)).mean())},
            tables={"by function": Table(["function", "log10_excess", "solved", "scale", "evaluations"], rows)},
            per_example={"score": every},
        )

    def pictures(self, ctx: Context, model: nn.Module) -> dict[str, Array]:
        """Draw the paths of a few runs on the map of each function of the plane."""
        drawn = [
            (name, function, torch.stack(oracle.paths)[:, :SHOWN].cpu().numpy())
            for name, function, oracle in zip(
                self._names, self._functions, self._runs(ctx, model, "test", keep_paths=True), strict=True
            )
            if function.size == 2 and oracle.paths
        ]
        return path_sheet(drawn)

    def _starts(self, ctx: Context, split: str) -> list[Tensor]:
        """Return the starting points of each function, (runs, size)."""
        whole = DeviceSplit(self._data.split(split, holdout=self._recipe.holdout), ctx.device)
        batch = whole.first(len(whole))
        return [
            batch["x"][batch["function"] == number, : function.size] for number, function in enumerate(self._functions)
        ]

    def _runs(self, ctx: Context, model: nn.Module, split: str, *, keep_paths: bool = False) -> list[Oracle]:
        """Minimise each function from the starting points of a split, with the tuned scales."""
        scales = require_searcher(model, len(self._functions))[0].tolist()
        generator = torch.Generator(ctx.device).manual_seed(ctx.seed + EVALUATION_SEED)
        return [
            self._minimise(model, function, points, scale, generator, keep_paths=keep_paths)
            for function, points, scale in zip(self._functions, self._starts(ctx, split), scales, strict=True)
        ]

    def _minimise(
        self,
        model: nn.Module,
        function: TestFunction,
        starts: Tensor,
        scale: float,
        generator: torch.Generator | None,
        *,
        keep_paths: bool = False,
    ) -> Oracle:
        recipe = self._recipe
        oracle = Oracle(
            function.value,
            starts,
            budget=recipe.evaluations,
            gradient_cost=recipe.gradient_cost,
            noise=recipe.noise,
            generator=generator,
            keep_paths=keep_paths,
        )
        if scale <= 0:  # an untuned model only has its starting points
            oracle.values(starts)
            return oracle
        with contextlib.suppress(BudgetSpentError), torch.autocast(starts.device.type, enabled=False):
            model(oracle, starts, scale)
        return oracle


def require_searcher(model: nn.Module, functions: int) -> tuple[Tensor, tuple[float, float]]:
    """Return the model's buffer `scales`, and the range of the scale. Raises IncompatibleError if it has none."""
    model = getattr(model, "_orig_mod", model)
    scales: Any = getattr(model, "scales", None)
    lowest, highest = getattr(model, "lowest", None), getattr(model, "highest", None)
    if not isinstance(scales, Tensor) or scales.shape != (functions,) or not scales.is_floating_point():
        raise IncompatibleError(
            f"the model has no buffer `scales` of shape ({functions},), where the tuned number of each function is "
            'kept: self.register_buffer("scales", torch.zeros(signature.outputs, dtype=torch.float64))'
        )
    if not (isinstance(lowest, float) and isinstance(highest, float) and 0 < lowest <= highest < math.inf):
        raise IncompatibleError(
            f"the model's `lowest` is {lowest!r} and its `highest` {highest!r}: between them its scale is tuned, so "
            "give two positive numbers, such as 1e-4 and 10.0"
        )
    return scales, (lowest, highest)


def log10_excess(values: Tensor) -> Tensor:
    """Return log10 of values above the minimum, which is 0; not below FLOOR. A run without any value counts as 1e6."""
    return values.nan_to_num(nan=1e6, posinf=1e6).clamp(FLOOR, 1e6).log10()

"""Kind `zoo-basics/matrix-product`, version 1: a benchmark without training, the product of two matrices.

Data: column x, int64 (n, 4): rows m, inner size k, columns n, and the number of the type, float32 or float64. The
numbers of the matrices are standard normal and follow from the trial's seed.
Model: forward takes the operands a (m, k) and b (k, n) and returns their product (m, n). Operands are tensors of the
case's type on the trial's device, and forward returns such a tensor; unless the model has a method `operand`, which
gets a numpy array and returns what forward takes, and `result`, which turns what forward returned into a numpy array.
Both run outside of the timed calls. The product is computed in the type of the case.
Check: each product is compared with numpy's in float64. An entry may differ by 4 sqrt(k) u |a_i| |b_j|, where u is half
the distance from 1 to the next number of the type, and |.| the Euclidean norm of a row or a column: rounding errors add
up like a random walk (Higham and Mary 2019, doi:10.1137/18M1226312). A product with a larger error, or of another
shape, fails the trial.
Limits: what `operand` and `result` do is not timed, and the timed calls all have the same operands. So an
implementation could move work into these methods, or keep a product that it has seen; read the code of a fast one.
Times: by the runner's clock (`Context.time_calls`), case by case for the model and then for numpy. The number of
threads is the trial's for both. An implementation that takes longer than `limit_s` for a product is timed on its first
rows only, at least one; the table says on how many.
Scores: the metric `gflops`, the geometric mean over the cases of 2 m k n / seconds in 1e9 (higher is better), from the
median of the repeats; `speedup`, the geometric mean of the model's GFLOP/s divided by numpy's; `course_speedup`, the
same for the course's case in float32 alone. A table by case. Results by example: each repeat of each case.
One unit is one product; one step is one product of train, whose time is not scored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]
from torch import nn

from zoo_basics.products.data import COURSE, DTYPES
from zoo_basics.products.models import Numpy
from zoo_core import Context, Data, Evaluation, Recipe, Step, Table, TaskSpec, ZooError
from zoo_core.data.columns import Array
from zoo_core.pictures import BLUE, ORANGE, scatter

TEST_SEED = 1_000_003  # added to the trial's seed, so that test has other numbers than train
SPREAD = 4  # of rounding errors, in standard deviations at most
AT_LEAST_S = 0.001  # of one repeat, which has many calls for small matrices
COLUMNS = ["case", "type", "rows timed", "gflops", "us", "numpy_us", "speedup", "error_share"]


class WrongProductError(ZooError):
    """A model's product is not the product of its operands."""


@dataclass(frozen=True, slots=True)
class Case:
    """The sizes of a product, and the name of its type."""

    rows: int
    inner: int
    columns: int
    dtype: str

    @property
    def sizes(self) -> tuple[int, int, int]:
        return (self.rows, self.inner, self.columns)

    @property
    def operations(self) -> int:
        """Multiplications and additions."""
        return 2 * self.rows * self.inner * self.columns

    def __str__(self) -> str:
        return f"{self.rows}x{self.inner} by {self.inner}x{self.columns}"


@dataclass(frozen=True, slots=True)
class Speed:
    """Seconds of one product of the first `rows` rows of a case, by repeat."""

    case: Case
    rows: int
    seconds: tuple[float, ...]

    @property
    def gflops(self) -> Array:
        """1e9 operations in a second, by repeat."""
        return 2e-9 * self.rows * self.case.inner * self.case.columns / np.array(self.seconds)

    @property
    def median_gflops(self) -> float:
        return float(np.median(self.gflops))


@dataclass(frozen=True, slots=True)
class Measured:
    """A case as the model computed it, and as numpy did.

    error_share: the model's largest error, as a share of what is allowed.
    """

    model: Speed
    numpy: Speed
    error_share: float

    @property
    def speedup(self) -> float:
        return self.model.median_gflops / self.numpy.median_gflops


class Products:
    """The task of this kind."""

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec
        self._last: list[Measured] = []

    def prepare(self, ctx: Context, data: Data, recipe: Recipe) -> None:
        self._data, self._recipe = data, recipe

    def train(self, ctx: Context, model: nn.Module, recipe: Recipe) -> Iterator[Step]:
        """Compute one product in each step. Nothing is learned, and the time of these steps is not scored."""
        (case, *_) = self._cases("train")
        a, b = operands(case, ctx.seed)
        to_operand = operand_maker(ctx, model)
        left, right = to_operand(a), to_operand(b)
        for _ in range(recipe.steps):
            model(left, right)
            yield Step(1)

    def evaluate(self, ctx: Context, model: nn.Module, split: str) -> Evaluation:
        # The limit is for numpy's library, which torch's number of threads does not reach.
        with threadpool_limits(ctx.threads), torch.autocast(torch.device(ctx.device).type, enabled=False):
            self._last = [self._measure(ctx, model, case) for case in self._cases(split)]
        return evaluation_of(self._last)

    def pictures(self, ctx: Context, model: nn.Module) -> dict[str, Array]:
        """Draw log10 of GFLOP/s over log10 of the product's operations: the model orange, numpy blue."""
        sizes = np.log10([item.model.case.operations for item in self._last])
        speeds = np.log10([(item.numpy.median_gflops, item.model.median_gflops) for item in self._last])
        layers = [(np.stack([sizes, speeds[:, place]], axis=1), (BLUE, ORANGE)[place]) for place in (0, 1)]
        return {"thumbnail": scatter(layers)}

    def _cases(self, split: str) -> list[Case]:
        found = self._data.split(split, holdout=self._recipe.holdout)
        x: Any = found.columns["x"]
        rows = x if found.rows is None else x[found.rows]
        cases = [Case(m, k, n, DTYPES[number]) for m, k, n, number in rows.tolist()]
        return [case for case in cases if max(case.rows, case.inner, case.columns) <= self._recipe.max_size] or cases[
            :1
        ]

    def _measure(self, ctx: Context, model: nn.Module, case: Case) -> Measured:
        """Check and time a case, for the model and for numpy."""
        a, b = operands(case, ctx.seed + TEST_SEED)
        to_operand = operand_maker(ctx, model)
        right = to_operand(b)
        share = error_share(as_array(model, model(to_operand(a[:1]), right)), a[:1], b)
        speed = self._time(ctx, model, case, to_operand, (a, b))
        rows = speed.rows
        share = max(share, error_share(as_array(model, model(to_operand(a[:rows]), right)), a[:rows], b))
        numpy = Numpy(self._data.signature)
        return Measured(speed, self._time(ctx, numpy, case, numpy.operand, (a, b)), share)

    def _time(
        self,
        ctx: Context,
        model: nn.Module,
        case: Case,
        to_operand: Callable[[Array], Any],
        matrices: tuple[Array, Array],
    ) -> Speed:
        """Time as many rows as `limit_s` allows."""
        right = to_operand(matrices[1])

        def timed(rows: int, repeats: int, at_least_s: float) -> tuple[float, ...]:
            left = to_operand(matrices[0][:rows])
            return ctx.time_calls(lambda: model(left, right), repeats=repeats, at_least_s=at_least_s).seconds

        rows = affordable_rows(lambda rows: timed(rows, 1, 0.0)[0], case.rows, self._recipe.limit_s)
        return Speed(case, rows, timed(rows, self._recipe.repeats, AT_LEAST_S))


def operand_maker(ctx: Context, model: nn.Module) -> Callable[[Array], Any]:
    """Return what turns a matrix into an operand of the model's forward."""
    own: Callable[[Array], Any] | None = getattr(model, "operand", None)
    return own or (lambda matrix: torch.from_numpy(matrix).to(ctx.device))


def operands(case: Case, seed: int) -> tuple[Array, Array]:
    """Draw both matrices of a case in its type."""
    rng = np.random.default_rng([seed, case.rows, case.inner, case.columns])
    a, b = rng.standard_normal((case.rows, case.inner)), rng.standard_normal((case.inner, case.columns))
    return a.astype(case.dtype), b.astype(case.dtype)


def as_array(model: nn.Module, product: Any) -> Array:
    """Return a product as a numpy array. Raises WrongProductError for what is none."""
    own = getattr(model, "result", None)
    array: Any = own(product) if own else product.cpu().numpy() if isinstance(product, torch.Tensor) else product
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        raise WrongProductError(
            f"forward returned a {type(product).__name__}: return a tensor of real numbers, or give the model a method "
            "`result` that turns it into a numpy array"
        )
    return array


def error_share(product: Array, a: Array, b: Array) -> float:
    """Return the largest error of a product, as a share of the allowed one. Raises WrongProductError beyond 1."""
    wanted = (a.shape[0], b.shape[1])
    if product.shape != wanted:
        raise WrongProductError(f"the product of {a.shape} and {b.shape} has the shape {product.shape}, not {wanted}")
    exact = a.astype(np.float64) @ b.astype(np.float64)
    unit = float(np.finfo(a.dtype).eps) / 2
    lengths = np.linalg.norm(a.astype(np.float64), axis=1)[:, None] * np.linalg.norm(b.astype(np.float64), axis=0)
    shares = np.abs(product.astype(np.float64) - exact) / (SPREAD * math.sqrt(a.shape[1]) * unit * lengths)
    largest = float(shares.max())
    if not largest <= 1:  # nan too
        row, column = np.unravel_index(int(np.argmax(np.nan_to_num(shares, nan=np.inf))), wanted)
        raise WrongProductError(
            f"the product of {a.shape} and {b.shape} in {a.dtype} is wrong: entry ({row}, {column}) is "
            f"{product[row, column]:.9g}, not {exact[row, column]:.9g}, which rounding in {a.dtype} does not explain"
        )
    return largest


def affordable_rows(seconds: Callable[[int], float], rows: int, limit_s: float) -> int:
    """Return how many of the rows a product may have to take `limit_s` or less: all, some, or one.

    seconds: the time of a product with so many rows. The first row takes longer than another, so a number of rows is
    tried before it is believed.
    """
    tried = 1
    while tried < rows:
        spent = seconds(tried)
        fitting = int(0.8 * tried * limit_s / max(spent, 1e-9))
        if fitting <= 1.5 * tried:
            return tried
        tried = min(rows, fitting)
    return rows


def evaluation_of(measured: list[Measured]) -> Evaluation:
    """Score the measured cases; see the kind's text."""
    medians = np.array([item.model.median_gflops for item in measured])
    mean = float(np.exp(np.log(medians).mean()))
    course = [item for item in measured if item.model.case.sizes == COURSE]
    scores = {"gflops": mean, "speedup": float(np.exp(np.mean(np.log([item.speedup for item in measured]))))}
    if course:
        scores["course_speedup"] = course[0].speedup
    # A geometric mean is no mean over examples: each repeat gets the mean plus its influence on it, to first order.
    logs = np.log([item.model.gflops for item in measured])  # (cases, repeats)
    influence = mean * (1 + logs - logs.mean())
    table = Table(COLUMNS, [row_of(item) for item in measured])
    return Evaluation(scores, tables={"by case": table}, per_example={"score": influence.ravel()})


def row_of(item: Measured) -> list[Any]:
    """Return a row of the table by case; `us` are those of the whole product."""
    case, speeds = item.model.case, (item.model.median_gflops, item.numpy.median_gflops)
    us = [1e-3 * case.operations / speed for speed in speeds]
    return [str(case), case.dtype, item.model.rows, speeds[0], *us, item.speedup, item.error_share]

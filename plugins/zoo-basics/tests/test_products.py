"""The product of matrices: implementations, the check of their results, the rows that are timed, and the scores."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from zoo_basics.products.data import COURSE, Sizes
from zoo_basics.products.models import Compiled, Einsum, Numpy, PythonLoops, Torch
from zoo_basics.products.specs import TASK
from zoo_basics.products.task import (
    Case,
    Measured,
    Products,
    Speed,
    WrongProductError,
    affordable_rows,
    as_array,
    error_share,
    evaluation_of,
    operand_maker,
    operands,
)

from zoo_core import Context, Recipe, UnknownSplitError
from zoo_core.columns import Split

SMALL = Case(7, 5, 3, "float32")


@pytest.mark.parametrize("make", [Numpy, Torch, Einsum, PythonLoops])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_implementation_computes_the_product(make: Any, dtype: str) -> None:
    model, (a, b) = make(Sizes.signature), operands(Case(7, 50, 3, dtype), 0)
    to_operand = operand_maker(Context(), model)
    product = as_array(model, model(to_operand(a), to_operand(b)))
    assert product == pytest.approx(a.astype(np.float64) @ b.astype(np.float64), rel=1e-4, abs=1e-4)
    assert error_share(product, a, b) <= 1


@pytest.mark.nightly  # the compiler takes seconds
def test_the_compiled_product_takes_every_size() -> None:
    model = Compiled(Sizes.signature)
    for case in (SMALL, Case(2, 9, 4, "float64"), Case(1, 5, 3, "float32")):
        a, b = operands(case, 0)
        assert error_share(model(torch.from_numpy(a), torch.from_numpy(b)).numpy(), a, b) <= 1


def test_the_courses_case_is_among_the_sizes_and_train_is_small() -> None:
    sizes = Sizes(Context())
    test = sizes.load("test")["x"].tolist()
    assert [100, 1000, 100, 0] in test
    assert [2000, 2000, 2000, 0] in test
    assert [10, 10, 10, 1] in test
    assert sizes.load("train")["x"][:, :3].max() == 64
    with pytest.raises(UnknownSplitError, match="train, val and test"):
        sizes.load("rest")


# the check


def test_rounding_in_the_type_is_allowed_and_rounding_in_a_smaller_one_is_not() -> None:
    a, b = operands(Case(20, 300, 20, "float64"), 0)
    assert error_share(a @ b, a, b) <= 1
    with pytest.raises(WrongProductError, match="which rounding in float64 does not explain"):
        error_share((a.astype(np.float32) @ b.astype(np.float32)).astype(np.float64), a, b)


@pytest.mark.parametrize("inner", [300, 1000, 2000])
@pytest.mark.parametrize(("kind", "dropped_bits"), [("bfloat16", 16), ("TF32", 13)])
def test_operands_of_fewer_bits_do_not_pass_for_float32(inner: int, kind: str, dropped_bits: int) -> None:
    a, b = operands(Case(60, inner, 60, "float32"), 0)
    assert error_share(a @ b, a, b) < 0.1
    half = np.uint32(1 << (dropped_bits - 1))  # rounds to the nearest
    short_a, short_b = (
        ((matrix.view(np.uint32) + half) >> dropped_bits << dropped_bits).view(np.float32) for matrix in (a, b)
    )
    with pytest.raises(WrongProductError, match="float32"):
        error_share(short_a @ short_b, a, b)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.T, r"has the shape \(3, 7\), not \(7, 3\)"),
        (lambda c: c + 0.01, "is wrong: entry"),
        (lambda c: np.where(np.arange(3) == 1, np.nan, c), r"entry \(0, 1\) is nan"),
        (np.zeros_like, "is wrong"),
    ],
)
def test_a_wrong_product_is_an_error_that_names_the_entry(change: Callable[[Any], Any], words: str) -> None:
    a, b = operands(SMALL, 0)
    with pytest.raises(WrongProductError, match=words):
        error_share(change(a @ b), a, b)


@pytest.mark.parametrize("product", [None, [[1.0]], np.array([1]), "product"])
def test_what_is_no_matrix_of_real_numbers_is_refused(product: Any) -> None:
    with pytest.raises(WrongProductError, match="return a tensor of real numbers"):
        as_array(Torch(Sizes.signature), product)


# what is timed


@pytest.mark.parametrize(
    ("seconds", "limit_s", "rows"),
    [
        (lambda rows: 0.001 * rows, 10.0, 1000),  # all of them fit
        (lambda rows: 0.01 * rows, 1.0, 80),  # with some room
        (lambda rows: 5.0 * rows, 1.0, 1),  # at least one
        (lambda rows: 0.1 + 0.0001 * rows, 0.5, 1000),  # the first row says little of the others
    ],
)
def test_as_many_rows_are_timed_as_fit_into_the_limit(
    seconds: Callable[[int], float], limit_s: float, rows: int
) -> None:
    assert affordable_rows(seconds, 1000, limit_s) == rows


def speed(case: Case, rows: int, *seconds: float) -> Speed:
    return Speed(case, rows, seconds)


def test_the_score_is_the_geometric_mean_and_the_repeats_have_it_as_their_mean() -> None:
    big, course = Case(100, 100, 50, "float32"), Case(*COURSE, "float32")  # 1e6 and 2e7 operations
    measured = [
        Measured(speed(big, 100, 1e-4, 1e-4, 1e-4), speed(big, 100, 2e-4, 2e-4, 2e-4), 0.1),  # 10 GFLOP/s
        Measured(speed(course, 50, 1e-4, 1e-4, 1e-4), speed(course, 100, 1e-4, 1e-4, 1e-4), 0.1),  # 100, of half
    ]
    evaluation = evaluation_of(measured)
    assert evaluation.scores["gflops"] == pytest.approx(1000**0.5)
    assert evaluation.scores["course_speedup"] == pytest.approx(0.5)
    assert evaluation.scores["speedup"] == pytest.approx(1.0)  # of 2 and 0.5
    assert evaluation.per_example["score"].mean() == pytest.approx(1000**0.5)
    assert len(evaluation.per_example["score"]) == 6
    rows = evaluation.tables["by case"].rows
    assert rows[1][:3] == ["100x1000 by 1000x100", "float32", 50]
    assert rows[1][4] == pytest.approx(200), "microseconds of the whole product"


class Data:
    signature = Sizes.signature

    def split(self, name: str, *, holdout: bool = True) -> Split:
        return Split(Sizes(Context()).load(name))


def scored(model: nn.Module) -> Any:
    task: Any = Products(TASK)
    task.prepare(
        Context(), Data(), Recipe({"holdout": False, "max_size": 30, "repeats": 2, "limit_s": 0.01, "steps": 1})
    )
    assert [step.n for step in task.train(Context(), model, Recipe({"steps": 2}))] == [1, 1]
    evaluation = task.evaluate(Context(), model, "test")
    assert set(task.pictures(Context(), model)) == {"thumbnail"}
    return evaluation


def test_a_model_that_waits_is_slow_by_the_runners_clock() -> None:
    import time

    class Slow(nn.Module):
        def forward(self, a: Any, b: Any) -> Any:
            time.sleep(0.005)
            return a @ b

    rows = scored(Slow()).tables["by case"].rows
    assert [row[0] for row in rows] == ["10x10 by 10x10", "30x30 by 30x30", "10x10 by 10x10"]
    assert all(row[4] >= 5000 for row in rows)
    assert all(row[4] > row[5] for row in rows)


def test_a_trial_scores_an_implementation(zoo: Callable[..., Any]) -> None:
    done = zoo(
        "bench", "matmul", "-m", "torch", "--set", "max_size=100", "--set", "limit_s=0.01", "--json", "--device", "cpu"
    )
    assert done.code == 0, done.err
    (record,) = json.loads(done.out)
    scores = record["measured"]["scores"]
    assert scores["gflops"] > 0
    assert scores["speedup"] > 0
    assert "course_speedup" not in scores, "its matrices are larger"


def test_a_net_of_ones_own_that_is_wrong_fails_its_trial(zoo: Callable[..., Any], tmp_path: Any) -> None:
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n\n\nclass Mine(nn.Module):\n    def forward(self, a, b):\n        return a @ b + 1\n"
    )
    done = zoo("bench", "matmul", "-m", f"{tmp_path}/mine.py:Mine", "--set", "max_size=10", "--json", "--device", "cpu")
    assert done.code == 1
    (record,) = json.loads(done.out)
    assert record["status"] == "error"
    assert "is wrong: entry" in record["reason"]

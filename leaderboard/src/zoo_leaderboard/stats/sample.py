"""The test scores of one row of the board, checked; arrays only, without any knowledge of records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zoo_leaderboard.stats.variance import Floats, Moments, moments

# What an interval allows for. "seeds" holds on this test set only, "test sample" for this seed only; with few groups of
# examples, or few examples, the interval is approximate.
Few: TypeAlias = Literal["few groups", "few examples"]
Covers: TypeAlias = Literal[
    "seeds and test sample", "seeds", "test sample", "seeds and few groups", "seeds and few examples", Few, ""
]

MAX_MEAN_ERROR = 1e-4  # as a share of the largest example; scores are often float32 sums


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Sample:
    """The test scores of one row of the board.

    `scores` is (seeds,), in the metric's unit. `examples` is (seeds, examples), any float; its means over the examples
    are the scores. It is None if no results by example were recorded. `groups` is int (examples,): examples with the
    same number belong together. It is None if all examples are independent. `data` names the test examples and their
    order. Rows with the same name are compared example by example.

    Raises:
        ValueError: empty or non-finite values, shapes that do not match, examples whose means are not the scores, or
            examples without the name of their data.
    """

    scores: Floats
    examples: NDArray[np.floating[Any]] | None = None
    groups: NDArray[np.integer[Any]] | None = None
    data: str = ""

    def __post_init__(self) -> None:
        check_values(self.scores, "scores")
        if self.examples is not None:
            _check_examples(self.scores, self.examples)
            if not self.data:
                raise ValueError(
                    "examples need the name of their data: rows with the same name are compared by example"
                )
        if self.groups is not None and (self.examples is None or self.groups.shape != self.examples.shape[1:]):
            shape = None if self.examples is None else self.examples.shape
            raise ValueError(f"groups are {self.groups.shape}, one for each example of {shape} expected")

    def moments(self) -> Moments:
        """Compute the moments that intervals and comparisons are made from."""
        return moments(self.scores, self.examples, self.groups, self.data)


def coverage_words(*, seeds: bool, test: bool, few: Few | None = None) -> Covers:
    """The sources of variation that an interval with these parts covers."""
    if test and few == "few groups":
        return "seeds and few groups" if seeds else few
    if test and few:
        return "seeds and few examples" if seeds else few
    if seeds:
        return "seeds and test sample" if test else "seeds"
    return "test sample" if test else ""


def check_values(values: Floats, name: str, *, infinite: bool = False) -> None:
    """Raise ValueError unless `values` is (n,), n > 0, and finite; `infinite` allows plus infinity."""
    if values.ndim != 1 or not len(values):
        raise ValueError(f"{name} must be one row of at least one number, not of shape {values.shape}")
    wrong = values[~(np.isfinite(values) | (infinite & (values == np.inf)))]
    if len(wrong):
        raise ValueError(f"{name} hold {wrong[0]}, which is not a {'time' if infinite else 'finite number'}")


def check_share(value: float, name: str) -> None:
    """Raise ValueError unless the value lies strictly between 0 and 1."""
    if not 0 < value < 1:
        raise ValueError(f"{name} lies between 0 and 1, not {value}")


def _check_examples(scores: Floats, examples: NDArray[np.floating[Any]]) -> None:
    if examples.ndim != 2 or examples.shape[0] != len(scores) or not examples.shape[1]:
        raise ValueError(f"examples are {examples.shape}, ({len(scores)} seeds, examples) expected")
    means = examples.mean(axis=1, dtype=np.float64)
    if not np.isfinite(means).all():
        raise ValueError("examples hold numbers that are not finite")
    if np.abs(means - scores).max() > MAX_MEAN_ERROR * np.abs(examples).max():
        raise ValueError(f"the examples' means {means.tolist()} are not the scores {scores.tolist()}")

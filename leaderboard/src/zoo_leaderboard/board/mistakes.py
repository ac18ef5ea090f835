"""Which test examples the models of a table get wrong: by example, by class, and where one model beats another.

All of it comes from the results by example of the records. A model's score of an example is the mean over its seeds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from zoo_leaderboard.board.rows import Row
from zoo_leaderboard.records.samples import Answers, read_answers
from zoo_leaderboard.records.trials import TrialSummary

MAX_MODELS = 8  # of a table, best first
MAX_VOTES = 20_000_000  # examples x classes of the count of a model's answers

Floats: TypeAlias = NDArray[np.floating[Any]]
Numbers: TypeAlias = NDArray[np.integer[Any]]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Mistakes:
    """The results by example of a table's first models, which all had the same test examples.

    rows: the models, best first. scores: float64 (models, examples), higher is better. answers: the class that most
    seeds of a model predicted, int64 (models, examples); None if they or the true classes are unknown. truth: the true
    classes, int64 (examples,), or None. wrong_of_trial: the wrong examples of each trial, in ascending order, by the id
    of its record.
    is_right_or_wrong: each example is either right or wrong, so that scores are shares of the seeds.
    left_out: models with results on other examples, or without any, or beyond `MAX_MODELS`.
    """

    rows: Sequence[Row]
    scores: Floats
    answers: Numbers | None
    truth: Numbers | None
    wrong_of_trial: Mapping[str, Numbers]
    is_right_or_wrong: bool
    left_out: int
    higher_is_better: bool

    @property
    def examples(self) -> int:
        """The number of test examples."""
        return int(self.scores.shape[1])

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether more than half of a model's seeds are right, (models, examples); only if `is_right_or_wrong`."""
        found: NDArray[np.bool_] = self.scores > 0.5
        return found

    def better(self, one: int, other: int) -> Numbers:
        """Return the numbers of the examples on which one model beats another, the largest difference first.

        If examples are right or wrong, these are the examples that the one gets right and the other wrong.
        """
        gain = self.scores[one] - self.scores[other]
        chosen = self.right[one] & ~self.right[other] if self.is_right_or_wrong else gain > 0
        numbers = np.flatnonzero(chosen)
        return numbers[np.argsort(-gain[numbers], kind="stable")]

    def hardest(self) -> Numbers:
        """Return the numbers of all examples, the lowest mean score over the models first."""
        return np.argsort(self.scores.mean(axis=0), kind="stable")

    def some_wrong(self) -> Numbers:
        """Return the numbers of the examples that some model gets wrong; of all if there is no right and wrong."""
        if not self.is_right_or_wrong:
            return np.arange(self.examples)
        return np.flatnonzero((self.scores < 1).any(axis=0))

    def most_informative(self, limit: int) -> Numbers:
        """Return the numbers of examples that some model gets wrong, at most `limit`, in ascending order.

        Half of them are the hardest, the others are those on which the models differ most.
        """
        some_wrong = self.some_wrong()
        if len(some_wrong) <= limit:
            return some_wrong
        scores = self.scores[:, some_wrong]
        hard = np.argsort(scores.mean(axis=0), kind="stable")[: limit // 2]
        rest = np.setdiff1d(np.arange(len(some_wrong)), hard)
        apart = rest[np.argsort(-scores[:, rest].std(axis=0), kind="stable")[: limit - len(hard)]]
        return np.sort(some_wrong[np.concatenate([hard, apart])])


def mistakes_of(
    rows: Sequence[Row], trials_of: Mapping[str, Sequence[TrialSummary]], *, higher_is_better: bool
) -> Mistakes | None:
    """Load the results of a table's current rows, best first; None if no row has any.

    trials_of: the ok trials by the text of the row. The examples are those of the first row with results.
    """
    current = [row for row in rows if row.current]
    kept: list[tuple[Row, list[tuple[TrialSummary, Answers]]]] = []
    data = ""
    for row in current:
        if len(kept) == MAX_MODELS:
            break
        read = [(trial, read_answers(trial)) for trial in trials_of.get(row.row_text, ())]
        known = [(trial, answers) for trial, answers in read if answers is not None]
        if not known or len({answers.examples.data for _, answers in known}) > 1:
            continue
        data = data or known[0][1].examples.data
        if known[0][1].examples.data == data:
            kept.append((row, known))
    if not kept:
        return None
    return _mistakes(kept, left_out=len(current) - len(kept), higher_is_better=higher_is_better)


def _mistakes(
    kept: Sequence[tuple[Row, Sequence[tuple[TrialSummary, Answers]]]], *, left_out: int, higher_is_better: bool
) -> Mistakes:
    sign = 1.0 if higher_is_better else -1.0
    seeds = [np.stack([answers.examples.scores for _, answers in known]) for _, known in kept]
    truth = kept[0][1][0][1].truth
    binary = higher_is_better and all(bool(np.isin(table, (0.0, 1.0)).all()) for table in seeds)
    voted = [_most_frequent([answers.answer for _, answers in known]) for _, known in kept]
    known = [found for found in voted if found is not None]
    answers = np.stack(known) if len(known) == len(voted) and truth is not None else None
    return Mistakes(
        rows=[row for row, _ in kept],
        scores=np.stack([sign * table.mean(axis=0) for table in seeds]),
        answers=answers,
        truth=truth,
        wrong_of_trial={
            trial.id: np.flatnonzero(found.answer != found.truth)
            for _, known in kept
            for trial, found in known
            if found.answer is not None and found.truth is not None
        },
        is_right_or_wrong=binary,
        left_out=left_out,
        higher_is_better=higher_is_better,
    )


def _most_frequent(answers: Iterable[Numbers | None]) -> Numbers | None:
    """Return the class that most seeds predicted, of equally frequent ones the first; None if a seed has no classes."""
    known = list(answers)
    of_seeds = [answer for answer in known if answer is not None]
    if len(of_seeds) < len(known) or not of_seeds:
        return None
    classes, examples = 1 + max(int(answer.max()) for answer in of_seeds), len(of_seeds[0])
    if len(of_seeds) == 1 or classes * examples > MAX_VOTES:
        return of_seeds[-1]
    places = np.concatenate([np.arange(examples) * classes + answer for answer in of_seeds])
    votes: Numbers = np.bincount(places, minlength=classes * examples).reshape(examples, classes)
    most: Numbers = votes.argmax(axis=1)
    return most


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassMistakes:
    """A true class: its number, its examples, and for each model the share that it gets wrong.

    confused: the class that the models predict most often instead, None if unknown.
    """

    number: int
    examples: int
    wrong: Sequence[float]
    confused: int | None


def by_class(mistakes: Mistakes) -> list[ClassMistakes]:
    """Return the true classes, the one that the models get wrong most often first; empty without classes."""
    truth, answers = mistakes.truth, mistakes.answers
    if truth is None or not mistakes.is_right_or_wrong:
        return []
    found = []
    for number in np.unique(truth).tolist():
        members = truth == number
        wrong = 1 - mistakes.scores[:, members].mean(axis=1)
        confused = None
        if answers is not None:
            other = answers[:, members].ravel()
            other = other[other != number]
            confused = int(np.bincount(other).argmax()) if len(other) else None
        found.append(ClassMistakes(number=number, examples=int(members.sum()), wrong=wrong.tolist(), confused=confused))
    return sorted(found, key=lambda item: -sum(item.wrong))

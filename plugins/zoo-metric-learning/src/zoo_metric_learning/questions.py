"""The three questions of the assignment, asked about classes that were never trained on.

Thresholds are chosen on the embeddings of val, and error rates counted on those of test. Which examples are known, or
compared, depends on the classes of the examples alone, so it is the same for all models and seeds. An error rate is the
mean of two: of what should be accepted, and of what should not. So always the same answer has an error rate of 0.5.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from zoo_core.data.columns import Array
from zoo_metric_learning.scoring import Pairs, error_curve, error_rates, midway, pair_similarities, similarity_blocks

SEED = 20_060_617  # of the choice of examples
ENROLLED = 3  # examples of somebody new, before the one that is asked about
IDENTIFICATION = "Who of the known is on a new picture, or nobody?"
VERIFICATION = "Are two new pictures of the same one?"
ENROLMENT = "Given three pictures of somebody new, is he on a fourth?"


@dataclass(frozen=True, kw_only=True, slots=True)
class Embedded:
    """A split as embeddings of length 1 (n, d), with classes int (n,), on one device."""

    unit: Tensor
    labels: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """How often a question is answered wrongly; `problem` says why it cannot be asked, and then there is no rate.

    accepted: the share that is wrongly accepted; rejected: the share that is wrongly rejected, or, for the first
    question, taken for somebody else. trials: how many answers were counted.
    """

    name: str
    question: str
    accepted: float = float("nan")
    rejected: float = float("nan")
    threshold: float = float("nan")
    trials: int = 0
    problem: str = ""

    @property
    def error(self) -> float:
        return (self.accepted + self.rejected) / 2

    def row(self) -> list[str | float | int | None]:
        """Return the row of a table: question, error rate, its two parts, threshold, trials."""
        if self.problem:
            return [f"{self.question} ({self.problem})", None, None, None, None, 0]
        return [self.question, self.error, self.accepted, self.rejected, self.threshold, self.trials]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trials:
    """Similarities of what should be accepted (`same`) and of what should not.

    right: whether accepting one of `same` is right; it is not where the nearest known example is of another class.
    """

    same: Array
    different: Array
    right: Array = field(default_factory=lambda: np.ones(0, bool))

    @property
    def problem(self) -> str:
        """Why no error rate can be computed; "" if it can."""
        if not len(self.same):
            return "no class has enough pictures"
        return "" if len(self.different) else "there are too few classes"


def answers(val: Embedded, test: Embedded, pairs: Pairs) -> list[Answer]:
    """Answer the three questions for test, with thresholds from val. pairs: those of test."""
    val_pairs = pair_similarities(val.unit, val.labels)
    compared = [Trials(same=some.same, different=some.different) for some in (val_pairs, pairs)]
    return [
        _identify(_identification_trials(val), _identification_trials(test)),
        _decide("verification_error", VERIFICATION, *compared),
        _decide("enrolment_error", ENROLMENT, _enrolment_trials(val), _enrolment_trials(test)),
    ]


def _decide(name: str, question: str, val: Trials, test: Trials) -> Answer:
    """Answer yes or no, at the threshold where both error rates on val are equal."""
    if problem := _problem(val, test):
        return Answer(name=name, question=question, problem=problem)
    threshold = error_curve(val.same, val.different).equal_error_threshold
    accepted, rejected = error_rates(test.same, test.different, threshold)
    return Answer(
        name=name,
        question=question,
        accepted=float(accepted),
        rejected=float(rejected),
        threshold=threshold,
        trials=len(test.same) + len(test.different),
    )


def _identify(val: Trials, test: Trials) -> Answer:
    """Name the nearest known one, or nobody below the threshold with the smallest error rate on val."""
    name = "identification_error"
    if problem := _problem(val, test):
        return Answer(name=name, question=IDENTIFICATION, problem=problem)
    threshold = _best_threshold(val)
    accepted = float((test.different >= threshold).mean())
    rejected = 1 - float((test.right & (test.same >= threshold)).mean())
    return Answer(
        name=name,
        question=IDENTIFICATION,
        accepted=accepted,
        rejected=rejected,
        threshold=threshold,
        trials=len(test.same) + len(test.different),
    )


def _problem(val: Trials, test: Trials) -> str:
    return next(
        (f"{split}: {trials.problem}" for split, trials in (("val", val), ("test", test)) if trials.problem), ""
    )


def _best_threshold(trials: Trials) -> float:
    """Return a threshold with the smallest error rate; of several, the highest."""
    thresholds = np.unique(np.concatenate([trials.same, trials.different]))[::-1]
    accepted, _ = error_rates(trials.same, trials.different, thresholds)
    right = np.sort(trials.same[trials.right])
    rejected = 1 - (len(right) - np.searchsorted(right, thresholds)) / len(trials.same)
    return midway(thresholds, int(np.argmin(accepted + rejected)))


def _identification_trials(split: Embedded) -> Trials:
    """Make half of the classes known, by half of their examples; everything else is a new picture.

    Classes with one example are never known. A new picture's similarity is that to the nearest known one.
    """
    labels = split.labels.cpu().numpy()
    known, asked = choose_known(labels)
    if not len(known):
        return Trials(same=np.zeros(0), different=np.zeros(0))
    gallery = split.unit[torch.from_numpy(known)]
    nearest = [
        block.max(1) for _, block in similarity_blocks(split.unit, gallery, torch.from_numpy(asked).to(gallery.device))
    ]
    similarity = torch.cat([found.values for found in nearest]).cpu().numpy()
    named = labels[known[torch.cat([found.indices for found in nearest]).cpu().numpy()]]
    is_known = np.isin(labels[asked], labels[known])
    return Trials(
        same=similarity[is_known],
        different=similarity[~is_known],
        right=named[is_known] == labels[asked][is_known],
    )


def choose_known(labels: Array) -> tuple[Array, Array]:
    """Return the examples that are known, and those that are asked about: int, ascending."""
    rng = np.random.default_rng(SEED)
    classes, counts = np.unique(labels, return_counts=True)
    several = rng.permutation(classes[counts > 1])
    known: list[int] = []
    for one in several[: (len(several) + 1) // 2]:
        rows = rng.permutation(np.flatnonzero(labels == one))
        known += rows[: len(rows) // 2].tolist()
    asked = np.setdiff1d(np.arange(len(labels)), known)
    return np.sort(np.asarray(known, np.int64)), asked


def _enrolment_trials(split: Embedded) -> Trials:
    """Ask about every example, after three others of its class, and after three of another class.

    The similarity is that to the mean of the three.
    """
    fourth, references, same = choose_enrolled(split.labels.cpu().numpy())
    if not len(fourth):
        return Trials(same=np.zeros(0), different=np.zeros(0))
    mean = F.normalize(split.unit[torch.from_numpy(references)].mean(1), dim=1)
    similarity = (mean * split.unit[torch.from_numpy(fourth)]).sum(1).cpu().numpy()
    return Trials(same=similarity[same], different=similarity[~same])


def choose_enrolled(labels: Array) -> tuple[Array, Array, Array]:
    """Return the fourth pictures int (t,), the three before each int (t, 3), and whether they are of one class (t,).

    Each example of a class with four or more is asked about twice; without a second such class once.
    """
    rng = np.random.default_rng(SEED)
    classes, counts = np.unique(labels, return_counts=True)
    rows_of = {one: np.flatnonzero(labels == one) for one in classes[counts > ENROLLED].tolist()}
    fourth: list[int] = []
    references: list[Array] = []
    same: list[bool] = []
    for one, rows in rows_of.items():
        others = [other for other in rows_of if other != one]
        for row in rows.tolist():
            pools = [rows[rows != row], *([rows_of[others[rng.integers(len(others))]]] if others else [])]
            for number, pool in enumerate(pools):
                fourth.append(row)
                references.append(rng.choice(pool, ENROLLED, replace=False))
                same.append(number == 0)
    shape = np.asarray(references, np.int64).reshape(-1, ENROLLED)
    return np.asarray(fourth, np.int64), shape, np.asarray(same, bool)

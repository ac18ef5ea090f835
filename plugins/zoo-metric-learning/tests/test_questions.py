"""The three questions: their trials, thresholds from val, and what cannot be asked."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from zoo_metric_learning.questions import (
    Answer,
    Embedded,
    Trials,
    _best_threshold,
    answers,
    choose_enrolled,
    choose_known,
)
from zoo_metric_learning.scoring import pair_similarities, unit_vectors


def embedded(labels: list[int], noise: float, seed: int = 0, directions: int = 64) -> Embedded:
    """Examples of classes whose directions are random, with noise."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(max(labels) + 1, directions))
    x = centres[labels] + noise * rng.normal(size=(len(labels), directions))
    return Embedded(unit=unit_vectors(torch.from_numpy(x.astype(np.float32))), labels=torch.tensor(labels))


def ask(val: Embedded, test: Embedded) -> list[Answer]:
    return answers(val, test, pair_similarities(test.unit, test.labels))


CLASSES = [number for number in range(12) for _ in range(6)]


def test_classes_that_are_far_apart_are_never_confused() -> None:
    found = ask(embedded(CLASSES, 0.05), embedded(CLASSES, 0.05, seed=1))
    assert [answer.error for answer in found] == [0.0, 0.0, 0.0]
    assert [answer.trials for answer in found] == [72 - 6 * 3, 72 * 71 // 2, 2 * 72]


def test_noise_is_wrong_half_of_the_time() -> None:
    found = ask(embedded(CLASSES, 1e6), embedded(CLASSES, 1e6, seed=1))
    for answer, tolerance in zip(found, (0.1, 0.06, 0.15), strict=True):
        assert answer.error == pytest.approx(0.5, abs=tolerance)


def test_thresholds_come_from_val() -> None:
    val, test = embedded(CLASSES, 0.5), embedded(CLASSES, 0.7, seed=1)
    pairs = pair_similarities(test.unit, test.labels)
    nearer = Embedded(unit=val.unit / 2, labels=val.labels)  # all similarities a quarter of what they are
    one, other = (answers(some, test, pairs)[1] for some in (val, nearer))
    assert other.threshold == pytest.approx(one.threshold / 4)
    assert (other.accepted > one.accepted, other.rejected < one.rejected) == (True, True)
    assert one.rejected == pytest.approx((pairs.same < one.threshold).mean())
    assert one.accepted == pytest.approx((pairs.different >= one.threshold).mean())
    assert one.error == pytest.approx((one.rejected + one.accepted) / 2)


def test_half_of_the_classes_are_known_by_half_of_their_examples_and_classes_of_one_never() -> None:
    labels = np.array([0] * 5 + [1] * 4 + [2] + [3] * 2 + [4] * 7)
    known, asked = choose_known(labels)
    sizes = dict(zip(*np.unique(labels[known], return_counts=True), strict=True))
    assert len(sizes) == 2
    assert all(count == np.sum(labels == one) // 2 for one, count in sizes.items())
    assert 2 not in sizes
    assert sorted([*known.tolist(), *asked.tolist()]) == list(range(len(labels)))
    assert np.array_equal(known, choose_known(labels)[0])


def test_naming_another_known_one_is_an_error_however_near_it_is() -> None:
    trials = Trials(same=np.array([0.9, 0.8, 0.7]), different=np.array([0.1]), right=np.array([True, False, True]))
    threshold = _best_threshold(trials)
    assert threshold == pytest.approx(0.4)
    assert float((trials.right & (trials.same >= threshold)).mean()) == pytest.approx(2 / 3)


def test_the_best_threshold_is_the_one_that_a_search_over_all_finds() -> None:
    rng = np.random.default_rng(3)
    trials = Trials(same=rng.normal(1, 1, 50), different=rng.normal(0, 1, 80), right=rng.random(50) < 0.8)

    def error(threshold: float) -> float:
        return float((trials.different >= threshold).mean() - (trials.right & (trials.same >= threshold)).mean())

    every = [*trials.same.tolist(), *trials.different.tolist()]
    assert error(_best_threshold(trials)) == min(map(error, every))


def test_the_three_pictures_are_never_the_fourth_and_of_one_class() -> None:
    labels = np.array([5] * 4 + [6] * 6 + [7] * 3)
    fourth, references, same = choose_enrolled(labels)
    assert len(fourth) == 2 * 10  # class 7 has too few
    assert all(len(set(row.tolist())) == 3 for row in references)
    assert not (references == fourth[:, None]).any()
    assert (np.ptp(labels[references], axis=1) == 0).all()
    assert np.array_equal(labels[references[:, 0]] == labels[fourth], same)
    assert same.sum() == 10


def test_what_cannot_be_asked_says_why_and_has_no_rate() -> None:
    pairs_only = embedded([0, 0, 1, 1, 2, 2], 0.1)
    named, compared, enrolled = ask(pairs_only, pairs_only)
    assert (named.problem, compared.problem) == ("", "")
    assert enrolled.problem == "val: no class has enough pictures"
    assert math.isnan(enrolled.error)
    assert enrolled.row() == [
        "Given three pictures of somebody new, is he on a fourth? (val: no class has enough pictures)",
        *[None] * 4,
        0,
    ]
    one_class = embedded([0] * 5, 0.1)
    assert [answer.problem for answer in ask(one_class, pairs_only)][:2] == ["val: there are too few classes"] * 2

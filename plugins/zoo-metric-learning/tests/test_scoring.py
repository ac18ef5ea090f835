"""Scores against scikit-learn's, by hand, with ties, and in blocks of bounded memory."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, roc_curve
from sklearn.neighbors import NearestNeighbors
from torch import Tensor
from zoo_metric_learning import scoring
from zoo_metric_learning.scoring import error_curve, error_rates, pair_similarities, retrieve, unit_vectors

from zoo_core.columns import Array

TOLERANCE = 1e-6


def sample(count: int = 150, classes: int = 50, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Embeddings of classes that overlap; some classes have one example."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, count)
    centres = rng.normal(size=(classes, 16))
    embeddings = centres[labels] + rng.normal(size=(count, 16))
    return unit_vectors(torch.from_numpy(embeddings.astype(np.float32))), torch.from_numpy(labels)


def sklearn_equal_error_rate(same: Array, different: Array) -> float:
    """Where the ROC curve of scikit-learn meets the falling diagonal."""
    targets = np.concatenate([np.ones(len(same)), np.zeros(len(different))])
    accepted, found, _ = roc_curve(targets, np.concatenate([same, different]))
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if 1 - middle > np.interp(middle, accepted, found) else (low, middle)
    return low


def test_recall_and_average_precision_are_scikit_learns() -> None:
    unit, labels = sample()
    found = retrieve(unit, labels)
    x, y = unit.numpy(), labels.numpy()
    nearest = NearestNeighbors(n_neighbors=2, metric="cosine", algorithm="brute").fit(x).kneighbors(x)[1][:, 1]
    counts = np.bincount(y)
    assert found.queries.tolist() == np.flatnonzero(counts[y] > 1).tolist()
    assert len(found.queries) < len(y), "some classes have one example"
    assert found.hits.tolist() == (y[nearest] == y)[found.queries].tolist()
    similarity = x @ x.T
    expected = []
    for query in found.queries:
        rest = np.arange(len(y)) != query
        expected.append(average_precision_score(y[rest] == y[query], similarity[query, rest]))
    assert np.abs(found.precision - expected).max() < TOLERANCE


def test_the_equal_error_rate_is_that_of_scikit_learns_roc_curve() -> None:
    unit, labels = sample()
    pairs = pair_similarities(unit, labels)
    assert len(pairs.same) == pairs.all_same
    assert len(pairs.same) + len(pairs.different) == 150 * 149 // 2
    expected = sklearn_equal_error_rate(pairs.same, pairs.different)
    assert error_curve(pairs.same, pairs.different).equal_error_rate == pytest.approx(expected, abs=TOLERANCE)


def test_average_precision_takes_ties_together_as_scikit_learn_does() -> None:
    rng = np.random.default_rng(0)
    directions = np.eye(3)[rng.integers(0, 3, 60)]  # only two different similarities
    labels = rng.integers(0, 6, 60)
    found = retrieve(torch.from_numpy(directions), torch.from_numpy(labels))
    similarity = directions @ directions.T
    for query, precision in zip(found.queries, found.precision, strict=True):
        rest = np.arange(60) != query
        expected = average_precision_score(labels[rest] == labels[query], similarity[query, rest])
        assert precision == pytest.approx(expected, abs=TOLERANCE)


def test_the_scores_of_four_examples_by_hand() -> None:
    angles = torch.tensor([0.0, 10.0, 15.0, 90.0]).double().deg2rad()
    unit = torch.stack([angles.cos(), angles.sin()], 1)
    found = retrieve(unit, torch.tensor([0, 0, 1, 1]))
    assert found.hits.tolist() == [True, False, False, True]  # 0 finds 10, 10 and 15 find each other, 90 finds 15
    assert found.precision.tolist() == [1.0, 1 / 2, 1 / 3, 1.0]


def test_equal_embeddings_are_all_misses_and_have_an_equal_error_rate_of_a_half() -> None:
    unit, labels = torch.ones(6, 4).double() / 2, torch.tensor([0, 0, 0, 1, 1, 1])
    found = retrieve(unit, labels)
    assert not found.hits.any()
    assert found.precision == pytest.approx(np.full(6, 2 / 5))
    pairs = pair_similarities(unit, labels)
    assert error_curve(pairs.same, pairs.different).equal_error_rate == pytest.approx(0.5)


def test_a_class_of_one_is_found_but_does_not_search() -> None:
    angles = torch.tensor([0.0, 20.0, 11.0]).double().deg2rad()
    found = retrieve(torch.stack([angles.cos(), angles.sin()], 1), torch.tensor([7, 7, 9]))
    assert found.queries.tolist() == [0, 1]
    assert found.hits.tolist() == [False, False]


def test_embeddings_without_a_length_are_no_error() -> None:
    unit = unit_vectors(torch.zeros(4, 3))
    assert torch.equal(unit, torch.zeros(4, 3).double())
    assert retrieve(unit, torch.tensor([0, 0, 1, 1])).precision == pytest.approx(np.full(4, 1 / 3))


def test_blocks_of_any_size_give_the_same_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    unit, labels = sample(count=100, classes=20)
    whole, pairs = retrieve(unit, labels), pair_similarities(unit, labels)
    monkeypatch.setattr(scoring, "BLOCK", 350)  # three rows
    parts, pairs_in_parts = retrieve(unit, labels), pair_similarities(unit, labels)
    assert np.array_equal(whole.hits, parts.hits)
    assert np.abs(whole.precision - parts.precision).max() < 1e-12
    assert np.abs(pairs.same - pairs_in_parts.same).max() < 1e-12


def test_a_sample_of_pairs_estimates_the_rate_of_all_and_is_the_same_again() -> None:
    unit, labels = sample(count=400, classes=30)
    everything, some, again = pair_similarities(unit, labels), *(pair_similarities(unit, labels, 40_000) for _ in "12")
    assert (len(some.same), len(some.different)) == (20_000, 20_000)
    assert (some.all_same, some.all_different) == (everything.all_same, everything.all_different)
    assert np.array_equal(some.different, again.different)
    rates = [error_curve(pairs.same, pairs.different).equal_error_rate for pairs in (everything, some)]
    assert rates[0] == pytest.approx(rates[1], abs=0.012)  # 3 std of a share of 20,000, at 0.25


def test_sampled_pairs_are_of_the_sort_they_are_said_to_be_and_never_of_one_example_twice() -> None:
    labels = np.array([3, 1, 1, 3, 3, 8, 1])
    left, right = scoring._sample_pairs(labels, 5000, all_same=6)
    assert (labels[left[:5000]] == labels[right[:5000]]).all()
    assert (labels[left[5000:]] != labels[right[5000:]]).all()
    assert (left != right).all()
    drawn = np.unique([f"{min(a, b)} {max(a, b)}" for a, b in zip(left[:5000], right[:5000], strict=True)])
    assert len(drawn) == 6
    assert len(np.unique(left[5000:] * 7 + right[5000:])) == 2 * (21 - 6)


def test_error_rates_by_hand() -> None:
    same, different = np.array([0.9, 0.8, 0.3]), np.array([0.5, 0.2, 0.1, 0.0])
    curve = error_curve(same, different)
    assert curve.equal_error_rate == 0.25
    accepted, rejected = error_rates(same, different, 0.5)
    assert float(accepted) == 0.25
    assert float(rejected) == pytest.approx(1 / 3)
    assert curve.equal_error_threshold == 0.4  # any from 0.5 down to 0.3 has these rates


def ten_thousand(count: int) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(0)
    unit = unit_vectors(torch.from_numpy(rng.normal(size=(count, 16)).astype(np.float32)))
    return unit, torch.from_numpy(np.repeat(np.arange(count // 10), 10))


@pytest.mark.nightly
def test_ten_thousand_examples_take_less_memory_than_their_similarities() -> None:
    resource = pytest.importorskip("resource")
    unit, labels = ten_thousand(10_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    retrieve(unit, labels)
    pair_similarities(unit, labels)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 700 * 1024  # KiB; all of them take 800 MB

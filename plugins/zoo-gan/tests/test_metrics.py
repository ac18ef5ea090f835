"""The metrics against scipy, and on samples whose scores can be computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from scipy.stats import wasserstein_distance as scipy_wasserstein
from zoo_gan.metrics import coverage, distance_to_line, frechet_distance, wasserstein_distance


@pytest.mark.parametrize("size", [2, 8, 64])
def test_the_frechet_distance_is_that_of_the_papers_formula_with_scipys_matrix_root(size: int) -> None:
    rng = np.random.default_rng(size)
    a = rng.normal(size=(500, size)) @ rng.normal(size=(size, size))
    b = rng.normal(size=(300, size)) @ rng.normal(size=(size, size)) + rng.normal(size=size)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = sqrtm(cov_a @ cov_b).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(cov_a + cov_b - 2 * root)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)


def test_the_frechet_distance_of_two_normal_distributions_on_a_line_is_that_of_mean_and_std() -> None:
    a = np.array([[-1.0], [1.0]])  # mean 0, variance 2 of two examples
    assert frechet_distance(a, 3 * a + 5) == pytest.approx(5**2 + (3 - 1) ** 2 * 2)


def test_the_frechet_distance_to_itself_is_0_also_where_a_feature_is_constant() -> None:
    sample = np.random.default_rng(0).normal(size=(10, 20))
    sample[:, 3] = 1
    assert frechet_distance(sample, sample) == pytest.approx(0, abs=1e-6)


@given(seed=st.integers(0, 10**6), sizes=st.tuples(st.integers(1, 30), st.integers(1, 30)))
@settings(max_examples=50, deadline=None)
def test_the_wasserstein_distance_is_scipys(seed: int, sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(-5, 6, size) / 2 + rng.choice([0, 0.1]) for size in sizes)  # many values are the same
    assert wasserstein_distance(a, b) == pytest.approx(scipy_wasserstein(a, b), abs=1e-6)


def test_distances_to_a_line_are_to_its_segments_and_beyond_its_ends_to_these() -> None:
    line = np.array([[0.0, 0.0], [2.0, 0.0], [4.0, 0.0]])
    points = np.array([[0.5, 3.0], [1.9, -1.0], [7.0, 4.0], [-3.0, 4.0], [2.0, 0.0]])
    distances, nearest = distance_to_line(points, line)
    assert distances.tolist() == pytest.approx([3, 1, 5, 5, 0])
    assert nearest.tolist() == [0, 1, 2, 0, 1]


def test_distances_to_a_line_are_those_to_very_many_points_on_it() -> None:
    turn = np.linspace(0, 1.5 * np.pi, 200)
    line = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    points = np.random.default_rng(0).uniform(-2, 2, (4500, 2))
    share = np.linspace(0, 1, 50)[:, None, None]
    fine = (line[:-1] * (1 - share) + line[1:] * share).reshape(-1, 2)
    expected = torch.cdist(torch.from_numpy(points), torch.from_numpy(fine)).amin(1).numpy()
    assert distance_to_line(points, line)[0] == pytest.approx(expected, abs=1e-3)


def test_a_bin_is_covered_by_a_share_of_what_is_expected_and_none_is_expected_where_nothing_is_real() -> None:
    assert coverage(np.array([10, 1, 0, 7]), np.array([10, 10, 10, 0]), 0.1) == pytest.approx(2 / 3)

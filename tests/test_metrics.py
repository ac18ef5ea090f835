"""Metrics compared with scikit-learn, and with values computed by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import bootstrap
from sklearn import metrics as reference

from zoo_core import metrics

EXACT = {"rel": 1e-12, "abs": 1e-12}
SEEDS = pytest.mark.parametrize("seed", range(8))


def labels(seed: int, classes: int = 7) -> tuple[Any, Any]:
    """Random predictions and targets; class 0 is never true, class 1 is never predicted, class 2 neither."""
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 200))
    targets = rng.choice([1, *range(3, classes)], count)
    predictions = np.where(rng.random(count) < 0.5, targets, rng.choice([0, *range(3, classes)], count))
    return np.where(predictions == 1, 0, predictions), targets


def numbers(seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(2, 100)), int(rng.integers(1, 5)))
    targets = rng.normal(size=shape) * 10 + 3
    return targets + rng.normal(size=shape), targets


@SEEDS
def test_regression_metrics_are_scikit_learns(seed: int):
    predictions, targets = numbers(seed)
    assert metrics.mean_squared_error(predictions, targets) == pytest.approx(
        reference.mean_squared_error(targets, predictions), **EXACT
    )
    assert metrics.mean_absolute_error(predictions, targets) == pytest.approx(
        reference.mean_absolute_error(targets, predictions), **EXACT
    )
    assert metrics.r_squared(predictions, targets) == pytest.approx(reference.r2_score(targets, predictions), **EXACT)


@SEEDS
def test_half_as_many_digits_in_the_input_lose_none_in_the_sums(seed: int):
    predictions, targets = (values.astype(np.float32) for values in numbers(seed))
    wide = (targets.astype(np.float64), predictions.astype(np.float64))
    assert metrics.mean_squared_error(predictions, targets) == pytest.approx(
        reference.mean_squared_error(*wide), **EXACT
    )
    assert metrics.mean_absolute_error(predictions, targets) == pytest.approx(
        reference.mean_absolute_error(*wide), **EXACT
    )
    assert metrics.r_squared(predictions, targets) == pytest.approx(reference.r2_score(*wide), **EXACT)


@SEEDS
def test_accuracy_is_scikit_learns(seed: int):
    predictions, targets = labels(seed)
    assert metrics.accuracy(predictions, targets) == pytest.approx(
        reference.accuracy_score(targets, predictions), **EXACT
    )


@SEEDS
def test_the_confusion_matrix_is_scikit_learns(seed: int):
    predictions, targets = labels(seed)
    found = metrics.confusion_matrix(predictions, targets, 7)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, reference.confusion_matrix(targets, predictions, labels=range(7)))


@SEEDS
def test_precision_recall_and_f1_equal_scikit_learns_also_for_classes_never_predicted_or_never_true(seed: int):
    predictions, targets = labels(seed)
    found = metrics.precision_recall_f1(metrics.confusion_matrix(predictions, targets, 7))
    expected = reference.precision_recall_fscore_support(targets, predictions, labels=range(7), zero_division=0)
    for ours, theirs in zip(found, expected, strict=False):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int64])
def test_labels_of_any_integer_type_are_counted_alike(kind: type):
    predictions, targets = labels(0)
    np.testing.assert_array_equal(
        metrics.confusion_matrix(predictions.astype(kind), targets.astype(kind), 7),
        metrics.confusion_matrix(predictions, targets, 7),
    )


def test_regression_metrics_by_hand():
    targets, predictions = np.array([[1.0], [2.0], [3.0]]), np.array([[1.0], [4.0], [2.0]])
    assert metrics.mean_squared_error(predictions, targets) == pytest.approx(5 / 3)  # (0 + 4 + 1) / 3
    assert metrics.mean_absolute_error(predictions, targets) == pytest.approx(1.0)  # (0 + 2 + 1) / 3
    assert metrics.r_squared(predictions, targets) == pytest.approx(-1.5)  # 1 - 5 / 2


def test_predictions_that_are_all_correct_have_no_error():
    targets = np.arange(6.0).reshape(3, 2)
    assert metrics.mean_squared_error(targets, targets) == 0.0
    assert metrics.mean_absolute_error(targets, targets) == 0.0
    assert metrics.r_squared(targets, targets) == 1.0


def test_predicting_the_mean_explains_no_variance():
    targets = np.array([[1.0], [2.0], [6.0]])
    assert metrics.r_squared(np.full((3, 1), 3.0), targets) == pytest.approx(0.0)


def test_r_squared_of_constant_targets_is_nan():
    assert math.isnan(metrics.r_squared(np.array([[1.0], [2.0]]), np.array([[5.0], [5.0]])))


def test_a_large_value_does_not_hide_a_small_difference():
    targets = np.full((4, 1), 1e8, dtype=np.float32)
    predictions = targets + np.float32(8)
    assert metrics.mean_squared_error(predictions, targets) == 64.0


def test_classification_metrics_by_hand():
    targets, predictions = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 2, 1])
    assert metrics.accuracy(predictions, targets) == 0.5
    confusion = metrics.confusion_matrix(predictions, targets, 4)
    np.testing.assert_array_equal(confusion, [[2, 1, 0, 0], [0, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0]])
    precision, recall, f1 = metrics.precision_recall_f1(confusion)
    np.testing.assert_allclose(precision, [1, 1 / 3, 0, 0])
    np.testing.assert_allclose(recall, [2 / 3, 1 / 2, 0, 0])
    np.testing.assert_allclose(f1, [4 / 5, 2 / 5, 0, 0])


def test_every_example_is_counted_once():
    predictions, targets = labels(3)
    assert metrics.confusion_matrix(predictions, targets, 7).sum() == len(targets)


# Values by example of metrics that are not means over examples


def pictures(rng: Any, count: int, classes: int = 5) -> Any:
    """Confusion matrices (count, classes, classes) of pictures that differ in size, content and difficulty."""
    shares = rng.dirichlet(np.full(classes, 0.7), count) * rng.integers(300, 900, (count, 1))
    true = np.round(shares).astype(np.int64)
    correct = rng.binomial(true, rng.beta(6, 2, (count, 1)))
    confusion = correct[:, :, None] * np.eye(classes, dtype=np.int64)
    for row in range(classes):  # wrong pixels get the next class
        confusion[:, row, (row + 1) % classes] += (true - correct)[:, row]
    return confusion


def macro(predictions: Any, targets: Any, metric: str) -> float:
    position = ("precision", "recall", "f1").index(metric)
    return float(metrics.precision_recall_f1(metrics.confusion_matrix(predictions, targets, 4))[position].mean())


def logits_of(predictions: Any) -> Any:
    return np.eye(4)[predictions] * 3


def scores_and_values(name: str, rng: Any) -> tuple[Any, Any]:
    """A function from rows of some test sample to the score, and the values of all its examples."""
    if name in ("iou", "dice", "pixel_accuracy"):
        confusion = pictures(rng, 150)
        function = {"iou": metrics.intersection_over_union, "dice": metrics.dice, "pixel_accuracy": None}[name]
        values = metrics.ratio_by_example(*metrics.pixel_counts(confusion, name))

        def score(rows: Any) -> float:
            total = confusion[rows].sum(axis=0)
            return float(metrics.pixel_accuracy(total) if function is None else np.nanmean(function(total)))

        return score, values
    if name == "r2":
        targets = rng.normal(size=(300, 2))
        outputs = targets + rng.normal(size=(300, 2)) * 0.5
        return lambda rows: metrics.r_squared(outputs[rows], targets[rows]), metrics.r_squared_by_example(
            outputs, targets
        )
    labels = rng.choice(4, 400, p=[0.1, 0.2, 0.3, 0.4])
    guesses = np.where(rng.random(400) < 0.75, labels, rng.choice(4, 400))
    values = metrics.label_score_by_example(guesses, labels, 4, name)
    return lambda rows: macro(guesses[rows], labels[rows], name), values


BY_EXAMPLE = pytest.mark.parametrize("name", ["iou", "dice", "pixel_accuracy", "r2", "precision", "recall", "f1"])


@BY_EXAMPLE
def test_the_mean_of_the_values_by_example_is_the_score(name: str):
    score, values = scores_and_values(name, np.random.default_rng(0))
    assert values.dtype == np.float64
    assert values.mean() == pytest.approx(score(np.arange(len(values))), rel=1e-12)


@BY_EXAMPLE
def test_the_standard_error_from_the_values_by_example_is_the_bootstraps(name: str):
    score, values = scores_and_values(name, np.random.default_rng(1))
    rows = np.arange(len(values))
    found = bootstrap((rows,), score, vectorized=False, n_resamples=4000, rng=np.random.default_rng(2))
    assert values.std(ddof=1) / math.sqrt(len(values)) == pytest.approx(found.standard_error, rel=0.06)


@BY_EXAMPLE
def test_a_value_by_example_is_the_scores_slope_in_the_examples_weight(name: str):
    score, values = scores_and_values(name, np.random.default_rng(3))
    rows, times = np.arange(len(values)), 400
    for example in (0, 7, 60):  # one more copy of an example, among many copies of the sample
        changed = score(np.append(np.tile(rows, times), example))
        slope = (changed - score(rows)) * (len(rows) * times + 1)
        assert slope == pytest.approx(values[example] - values.mean(), rel=0.01, abs=1e-6)


def test_columns_without_anything_do_not_count_and_without_any_the_values_are_nan():
    parts, wholes = np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([[2.0, 0.0], [2.0, 0.0]])
    assert metrics.ratio_by_example(parts, wholes).tolist() == [0.5, 1.0]
    assert np.isnan(metrics.ratio_by_example(parts[:, 1:], wholes[:, 1:])).tolist() == [True, True]
    assert np.isnan(metrics.r_squared_by_example(parts, np.ones((2, 2)))).all()


@SEEDS
def test_classes_that_are_never_true_or_predicted_count_as_zero_by_example_too(seed: int):
    predictions, targets = labels(seed)
    confusion = metrics.confusion_matrix(predictions, targets, 7)
    for name, column in zip(("precision", "recall", "f1"), metrics.precision_recall_f1(confusion), strict=True):
        values = metrics.label_score_by_example(predictions, targets, 7, name)
        assert values.mean() == pytest.approx(column.mean(), **EXACT)


def test_the_variance_of_the_group_accuracy_is_that_of_its_groups():
    rng = np.random.default_rng(4)
    groups, targets = rng.integers(0, 30, 200), rng.integers(0, 4, 200)
    logits = logits_of(np.where(rng.random(200) < 0.6, targets, rng.integers(0, 4, 200)))
    targets = targets[[np.flatnonzero(groups == group)[0] for group in groups]]  # one label per group
    values = metrics.group_accuracy_by_example(logits, targets, groups)
    assert values.mean() == pytest.approx(metrics.group_accuracy(logits, targets, groups), rel=1e-12)
    share = metrics.group_accuracy(logits, targets, groups)
    sums = np.bincount(groups, weights=values - share) / len(groups)
    assert (sums**2).sum() == pytest.approx(share * (1 - share) / len(np.unique(groups)), rel=1e-12)

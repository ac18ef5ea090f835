"""Metrics: pure functions of numpy arrays. The tests compare them with scikit-learn."""

from __future__ import annotations

import numpy as np

from zoo_core.columns import Array


def mean_squared_error(predictions: Array, targets: Array) -> float:
    """Mean squared error, in the data's unit squared.

    Shapes: predictions and targets (n, outputs).

    >>> mean_squared_error(np.array([[1.0], [4.0]]), np.array([[1.0], [2.0]]))
    2.0
    """
    return float(np.mean((predictions.astype(np.float64) - targets) ** 2))


def mean_absolute_error(predictions: Array, targets: Array) -> float:
    """Mean absolute error, in the data's unit.

    Shapes: predictions and targets (n, outputs).

    >>> mean_absolute_error(np.array([[1.0], [4.0]]), np.array([[1.0], [2.0]]))
    1.0
    """
    return float(np.mean(np.abs(predictions.astype(np.float64) - targets)))


def r_squared(predictions: Array, targets: Array) -> float:
    """Coefficient of determination R^2, averaged over the outputs; nan if the targets of an output are constant.

    Shapes: predictions and targets (n, outputs).

    >>> round(r_squared(np.array([[1.0], [2.0], [3.0]]), np.array([[1.0], [2.0], [4.0]])), 3)
    0.786
    """
    residual = ((predictions.astype(np.float64) - targets) ** 2).sum(axis=0)
    total = ((targets - targets.mean(axis=0, dtype=np.float64)) ** 2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.mean(np.where(total > 0, 1 - residual / total, np.nan)))


def accuracy(predictions: Array, targets: Array) -> float:
    """Share of correct labels.

    Shapes: predictions and targets (n,).

    >>> accuracy(np.array([0, 1, 2, 2]), np.array([0, 1, 2, 1]))
    0.75
    """
    return float(np.mean(predictions == targets))


def group_accuracy(logits: Array, targets: Array, groups: Array) -> float:
    """Share of groups with a correct label, by the mean log-probability of the group's examples.

    Shapes: logits (n, classes); targets and groups (n,). The target of a group is that of its first example.

    >>> logits = np.array([[2.0, 0.0], [0.0, 1.0], [0.0, 3.0]])
    >>> group_accuracy(logits, targets=np.array([0, 0, 1]), groups=np.array([7, 7, 8]))
    1.0
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    _, first, which, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    sums = np.zeros((len(first), logits.shape[1]))
    np.add.at(sums, which, log_probabilities)
    return accuracy((sums / sizes[:, None]).argmax(axis=1), targets[first])


def confusion_matrix(predictions: Array, targets: Array, classes: int) -> Array:
    """Count examples by true class (row) and predicted class (column), int64 (classes, classes).

    Shapes: predictions and targets (n,), integers from 0 to classes - 1.

    >>> confusion_matrix(np.array([0, 1, 1]), np.array([0, 0, 1]), classes=2).tolist()
    [[1, 1], [0, 1]]
    """
    return np.bincount(targets.astype(np.int64) * classes + predictions, minlength=classes * classes).reshape(
        classes, classes
    )


def precision_recall_f1(confusion: Array) -> tuple[Array, Array, Array]:
    """Precision, recall and F1 per class, each (classes,); 0 for a class that is never predicted or never true.

    >>> precision, recall, f1 = precision_recall_f1(np.array([[1, 1], [0, 2]]))
    >>> recall.tolist(), f1.round(2).tolist()
    ([0.5, 1.0], [0.67, 0.8])
    """
    correct = np.diag(confusion).astype(np.float64)
    predicted, true = confusion.sum(axis=0), confusion.sum(axis=1)
    precision = np.divide(correct, predicted, out=np.zeros_like(correct), where=predicted > 0)
    recall = np.divide(correct, true, out=np.zeros_like(correct), where=true > 0)
    both = predicted + true
    return precision, recall, np.divide(2 * correct, both, out=np.zeros_like(correct), where=both > 0)


def intersection_over_union(confusion: Array) -> Array:
    """Intersection over union (Jaccard index) per class; nan for a class that is neither true nor predicted.

    Shapes: confusion (..., classes, classes) -> (..., classes).

    >>> intersection_over_union(np.array([[3, 1], [0, 4]])).tolist()
    [0.75, 0.8]
    """
    correct, predicted, true = _counts_by_class(confusion)
    return _divide_or_nan(correct, predicted + true - correct)


def dice(confusion: Array) -> Array:
    """Dice coefficient 2 |A and B| / (|A| + |B|) per class (Dice 1945), equal to F1; nan as for the Jaccard index.

    Shapes: confusion (..., classes, classes) -> (..., classes).

    >>> dice(np.array([[3, 1], [0, 4]])).round(3).tolist()
    [0.857, 0.889]
    """
    correct, predicted, true = _counts_by_class(confusion)
    return _divide_or_nan(2 * correct, predicted + true)


def mean_iou(confusion: Array) -> Array:
    """Mean intersection over union, over the classes that are true or predicted; nan if there are none.

    Shapes: confusion (..., classes, classes) -> (...).

    >>> round(float(mean_iou(np.array([[3, 1], [0, 4]]))), 3)
    0.775
    """
    iou = intersection_over_union(confusion)
    known = ~np.isnan(iou)
    return _divide_or_nan(np.where(known, iou, 0.0).sum(axis=-1), known.sum(axis=-1))


def pixel_accuracy(confusion: Array) -> Array:
    """Share of correct pixels; nan without pixels.

    Shapes: confusion (..., classes, classes) -> (...).

    >>> float(pixel_accuracy(np.array([[3, 1], [0, 4]])))
    0.875
    """
    return _divide_or_nan(_counts_by_class(confusion)[0].sum(axis=-1), confusion.sum(axis=(-2, -1)))


def _counts_by_class(confusion: Array) -> tuple[Array, Array, Array]:
    """Number of correct, of predicted and of true pixels per class."""
    correct = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)
    return correct, confusion.sum(axis=-2), confusion.sum(axis=-1)


def _divide_or_nan(part: Array, whole: Array) -> Array:
    shares: Array = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.asarray(whole) > 0)
    return shares

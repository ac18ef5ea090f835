"""Metrics as pure functions of numpy arrays; the tests hold them against scikit-learn."""

from __future__ import annotations

import numpy as np

from zoo_core.columns import Array


def mean_squared_error(answers: Array, truth: Array) -> float:
    """Mean of the squared differences; both (n, outputs), in the data's unit squared."""
    return float(np.mean((answers.astype(np.float64) - truth) ** 2))


def mean_absolute_error(answers: Array, truth: Array) -> float:
    """Mean of the absolute differences; both (n, outputs), in the data's unit."""
    return float(np.mean(np.abs(answers.astype(np.float64) - truth)))


def r_squared(answers: Array, truth: Array) -> float:
    """Share of the truth's variance explained, mean over outputs; nan where an output is constant."""
    residual = ((answers.astype(np.float64) - truth) ** 2).sum(axis=0)
    total = ((truth - truth.mean(axis=0, dtype=np.float64)) ** 2).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.mean(np.where(total > 0, 1 - residual / total, np.nan)))


def accuracy(answers: Array, truth: Array) -> float:
    """Share of equal labels; both (n,)."""
    return float(np.mean(answers == truth))


def group_accuracy(outputs: Array, truth: Array, groups: Array) -> float:
    """Share of groups answered right: by the mean log-probability of their examples' logits, (n, classes).

    `truth` and `groups` are (n,); a group's truth is that of its first example.
    """
    shifted = outputs - outputs.max(axis=1, keepdims=True)
    log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    _, first, which, sizes = np.unique(groups, return_index=True, return_inverse=True, return_counts=True)
    sums = np.zeros((len(first), outputs.shape[1]))
    np.add.at(sums, which, log_probabilities)
    return accuracy((sums / sizes[:, None]).argmax(axis=1), truth[first])


def confusion_matrix(answers: Array, truth: Array, classes: int) -> Array:
    """int64 (classes, classes): row is the true class, column the answer."""
    return np.bincount(truth.astype(np.int64) * classes + answers, minlength=classes * classes).reshape(
        classes, classes
    )


def precision_recall_f1(confusion: Array) -> tuple[Array, Array, Array]:
    """Per class, each (classes,); 0 where a class was never answered or never true."""
    hits = np.diag(confusion).astype(np.float64)
    answered, true = confusion.sum(axis=0), confusion.sum(axis=1)
    precision = np.divide(hits, answered, out=np.zeros_like(hits), where=answered > 0)
    recall = np.divide(hits, true, out=np.zeros_like(hits), where=true > 0)
    both = answered + true
    return precision, recall, np.divide(2 * hits, both, out=np.zeros_like(hits), where=both > 0)


def intersection_over_union(confusion: Array) -> Array:
    """Per class (Jaccard index), (..., classes) of (..., classes, classes); nan where no truth and no answer has it."""
    hits, answered, true = _counts(confusion)
    return _share(hits, answered + true - hits)


def dice(confusion: Array) -> Array:
    """Per class 2 |A and B| / (|A| + |B|) (Dice 1945), which is F1; shapes and nan as `intersection_over_union`."""
    hits, answered, true = _counts(confusion)
    return _share(2 * hits, answered + true)


def mean_iou(confusion: Array) -> Array:
    """Mean over the classes that truth or answers have, (...) of (..., classes, classes); nan where nothing counts."""
    iou = intersection_over_union(confusion)
    known = ~np.isnan(iou)
    return _share(np.where(known, iou, 0.0).sum(axis=-1), known.sum(axis=-1))


def pixel_accuracy(confusion: Array) -> Array:
    """Share of all that counts that is answered right, (...) of (..., classes, classes)."""
    return _share(_counts(confusion)[0].sum(axis=-1), confusion.sum(axis=(-2, -1)))


def _counts(confusion: Array) -> tuple[Array, Array, Array]:
    """Per class: answered right, answered, true."""
    hits = np.diagonal(confusion, axis1=-2, axis2=-1).astype(np.float64)
    return hits, confusion.sum(axis=-2), confusion.sum(axis=-1)


def _share(part: Array, whole: Array) -> Array:
    shares: Array = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.asarray(whole) > 0)
    return shares

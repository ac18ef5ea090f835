"""Scores, tables and probabilities from logits, for all kinds that predict a class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor
from torch.nn import functional as F

from zoo_core.columns import Array
from zoo_core.kinds.objective import OwnLoss, own_loss
from zoo_core.metrics import (
    accuracy,
    confusion_matrix,
    group_accuracy,
    group_accuracy_by_example,
    label_score_by_example,
    precision_recall_f1,
)
from zoo_core.protocols import Evaluation, Table
from zoo_core.specs import Signature

FOCUS = 2  # of the focal loss: the exponent with which certain predictions lose weight


def class_names(signature: Signature) -> tuple[str, ...]:
    """Return the names of the classes, or their numbers if they have no names."""
    return signature.classes or tuple(str(index) for index in range(signature.outputs or 0))


class ClassLoss:
    """The loss of logits (batch, classes) for labels int64 (batch,): a scalar, with the recipe's `loss` and smoothing.

    Label smoothing moves the share `smoothing` of each target to all classes alike. A model's own loss, given to
    `take_loss`, replaces both. `focal` is Lin et al. 2017 (arXiv:1708.02002) without class weights; `bce` the binary
    cross-entropy of one sigmoid per class, averaged over classes too; `mse` the squared error of the probabilities,
    averaged over classes too.
    """

    def __init__(self, name: str, smoothing: float) -> None:
        self._name, self._smoothing = name, smoothing
        self._own: OwnLoss | None = None

    def take_loss(self, own: OwnLoss | None) -> None:
        self._own = own

    def __call__(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self._own is not None:
            return own_loss(self._own, logits, labels)
        if self._name == "cross-entropy":
            return F.cross_entropy(logits, labels, label_smoothing=self._smoothing)
        classes = logits.shape[1]
        targets = F.one_hot(labels, classes) * (1 - self._smoothing) + self._smoothing / classes
        if self._name == "bce":
            return F.binary_cross_entropy_with_logits(logits, targets)
        if self._name == "mse":
            return F.mse_loss(logits.softmax(1), targets)
        log_probabilities = logits.log_softmax(1)
        costs = -targets * (1 - log_probabilities.exp()) ** FOCUS * log_probabilities
        return costs.sum(1).mean()


def classification_evaluation(
    outputs: Array, columns: Mapping[str, Array], classes: Sequence[str], *, metric: str = "accuracy"
) -> Evaluation:
    """Score logits (n, classes) against the columns `y` and, if present, `group`, both integer (n,).

    Scores: accuracy; macro precision, recall and F1; with groups also `group_accuracy`. Tables: `per class` and
    `confusion`. metric: the task's, for the results by example.
    """
    targets, groups = columns["y"], columns.get("group")
    predictions = outputs.argmax(axis=1)
    confusion = confusion_matrix(predictions, targets, len(classes))
    precision, recall, f1 = precision_recall_f1(confusion)
    scores = {
        "accuracy": accuracy(predictions, targets),
        "precision": float(precision.mean()),
        "recall": float(recall.mean()),
        "f1": float(f1.mean()),
    }
    per_example = {
        "score": _by_example(outputs, columns, metric),
        "answer": predictions.astype(np.int32),
        "truth": targets.astype(np.int32),
    }
    if groups is not None:
        scores["group_accuracy"] = group_accuracy(outputs, targets, groups)
        per_example["group"] = groups
    per_class = zip(classes, precision, recall, f1, confusion.sum(axis=1), strict=True)
    tables = {
        "per class": Table(
            ["class", "precision", "recall", "f1", "examples"],
            [[name, float(p), float(r), float(f), int(n)] for name, p, r, f, n in per_class],
        ),
        "confusion": confusion_table(confusion, classes),
    }
    return Evaluation(scores, tables, per_example)


def _by_example(outputs: Array, columns: Mapping[str, Array], metric: str) -> Array:
    """Compute values by example (n,) whose mean is the metric; those of accuracy if the metric is unknown here."""
    predictions, targets = outputs.argmax(axis=1), columns["y"]
    if metric in ("precision", "recall", "f1"):
        return label_score_by_example(predictions, targets, outputs.shape[1], metric)
    if metric == "group_accuracy" and "group" in columns:
        return group_accuracy_by_example(outputs, targets, columns["group"])
    correct: Array = (predictions == targets).astype(np.uint8)
    return correct


def confusion_table(confusion: Array, classes: Sequence[str]) -> Table:
    """Return the confusion matrix (classes, classes) as a table with one row per true class."""
    rows = [[name, *row.tolist()] for name, row in zip(classes, confusion, strict=True)]
    return Table(["true class", *classes], rows)


def most_probable(outputs: Array, classes: Sequence[str], top: int) -> list[list[tuple[str, float]]]:
    """Return the `top` most probable classes and their probabilities for each row of logits, best first."""
    shifted = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    probabilities = shifted / shifted.sum(axis=1, keepdims=True)
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    return [
        [(classes[label], float(row[label])) for label in labels]
        for row, labels in zip(probabilities, best, strict=True)
    ]

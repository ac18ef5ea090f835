"""The objective of kind `segmentation`: inputs, loss, scores, tables and pictures."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from zoo_core import metrics
from zoo_core.columns import Array
from zoo_core.data.batches import Batch, DeviceSplit
from zoo_core.errors import DamagedDataError, IncompatibleError
from zoo_core.kinds.classification import FOCUS
from zoo_core.kinds.inputs import ImageInputs
from zoo_core.kinds.objective import OwnLoss, RowReader, own_loss
from zoo_core.kinds.segmentation.boundaries import boundary_counts, mean_boundary_f1
from zoo_core.kinds.segmentation.losses import class_weights, confusions, soft_dice_loss
from zoo_core.kinds.segmentation.pictures import prediction_sheet, split_view, spread
from zoo_core.kinds.segmentation.views import Views, padded, unpadded
from zoo_core.kinds.supervised import Supervised
from zoo_core.protocols import Context, Evaluation, Table
from zoo_core.recipe import Recipe
from zoo_core.specs import Signature, TaskSpec

ONE_CLASS_METRICS = ("dice", "iou")  # they score one of two classes
BOUNDARY = "boundary_f1"
NO_CLASS = -100  # torch's number of an ignored class; the ignored class if the data have none
MAX_PICTURED = 4  # images on a sheet
MAX_CONFUSION_CLASSES = 32  # with more classes, a record has no confusion matrix
STUDY_BATCH = 256  # training images whose pixels are counted at once


def segmentation_task(spec: TaskSpec) -> Supervised:
    """Make a task of this kind from its spec."""
    return Supervised(spec, functools.partial(SegmentationObjective, metric=spec.metric))


class SegmentationObjective:
    """Cross-entropy and soft Dice per pixel; scores are computed from counts of pixels per image."""

    def __init__(self, signature: Signature, recipe: Recipe, ctx: Context, *, metric: str = "mean_iou") -> None:
        self._count = signature.outputs or len(signature.classes)
        self.classes = signature.classes or tuple(str(index) for index in range(self._count))
        self._ignored = int(signature.extra.get("ignore_index", NO_CLASS))
        self._positive = int(signature.extra.get("positive", 1)) if self._count == 2 else None
        self._metric, self._recipe, self._device = metric, recipe, ctx.device
        self._per_image_metric = metric if metric in (*ONE_CLASS_METRICS, BOUNDARY, "pixel_accuracy") else "mean_iou"
        if metric in ONE_CLASS_METRICS and self._positive is None:
            raise IncompatibleError(
                f"the metric {metric} scores one of two classes, the data have {self._count}: try a task of mean_iou"
            )
        self._images = ImageInputs(signature, normalize=recipe.normalize, device=ctx.device)
        self._weights = torch.ones(self._count, device=ctx.device)
        self.ready = self._images.ready
        self._own: OwnLoss | None = None

    def take_loss(self, own: OwnLoss | None) -> None:
        self._own = own

    def study(self, train: DeviceSplit) -> None:
        """Weight the classes by their share of the training pixels."""
        if not self._recipe.class_balance:
            return
        counts = torch.zeros(self._count, device=self._device)
        for batch in train.in_order(STUDY_BATCH):
            y = batch["y"].long()
            counts += torch.bincount(y[y != self._ignored], minlength=self._count)
        self._weights = class_weights(counts, self._recipe.class_balance)

    def augment(self, recipe: Recipe, ctx: Context) -> Callable[[Batch], Batch] | None:
        parts = ("crop_size", "flip", "turn", "contrast", "brightness")
        return Views(recipe, ctx) if any(recipe[part] for part in parts) else None

    def inputs(self, batch: Batch) -> Tensor:
        return self._images.normalized(self._images.as_float(padded(batch["x"])))

    def loss(self, output: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return the loss of the logits, padded or not, and the score over the classes in the batch."""
        targets = batch["y"].long()
        logits = unpadded(output.float(), targets.shape[1:])
        counted = targets != self._ignored
        if self._own is not None:
            loss = own_loss(self._own, logits, torch.where(counted, targets, NO_CLASS))
        else:
            loss = self._kinds_loss(logits, torch.where(counted, targets, 0), counted)
        with torch.no_grad():
            predictions = logits.argmax(1)
            if self._metric == BOUNDARY:
                return loss, mean_boundary_f1(boundary_counts(predictions, targets, self._count, self._ignored))
            return loss, self._score(confusions(predictions, targets, self._count, self._ignored).sum(0))

    def _kinds_loss(self, logits: Tensor, labels: Tensor, counted: Tensor) -> Tensor:
        """Compute the recipe's `loss` and Dice; ignored pixels have any label and are not `counted`."""
        name, dice_weight = self._recipe.get("loss", "cross-entropy"), float(self._recipe.dice_weight)
        if name == "dice":
            return (1 + dice_weight) * soft_dice_loss(logits, labels, counted, self._weights)
        weights = self._weights[labels] * counted
        costs = F.cross_entropy(logits, labels, reduction="none")
        if name == "focal":  # Lin et al. 2017, arXiv:1708.02002
            costs = costs * (1 - (-costs).exp()) ** FOCUS
        loss = (costs * weights).sum() / weights.sum().clamp_min(1e-6)
        if dice_weight:
            loss = loss + dice_weight * soft_dice_loss(logits, labels, counted, self._weights)
        return loss

    def reduce(self, output: Tensor, batch: Batch) -> Tensor:
        """Count each image's pixels, int64 (batch, classes + 4, classes): `confusions`, then `boundary_counts`."""
        targets = batch["y"].long()
        counted = (unpadded(output, targets.shape[1:]).argmax(1), targets, self._count, self._ignored)
        return torch.cat([confusions(*counted), boundary_counts(*counted)], 1)

    def trimmed(self, output: Tensor, x: Tensor) -> Tensor:
        """Cut the padding off logits (batch, classes, height, width)."""
        logits: Tensor = unpadded(output, x.shape[2:])
        return logits

    def _score(self, confusion: Tensor) -> Tensor:
        """Compute the task's metric on the device, without synchronising."""
        hits, predicted, true = confusion.diagonal().float(), confusion.sum(0).float(), confusion.sum(1).float()
        if self._metric == "pixel_accuracy":
            return hits.sum() / true.sum().clamp_min(1)
        union = predicted + true - hits
        if self._positive is not None and self._metric in ONE_CLASS_METRICS:
            at = self._positive
            top, bottom = (hits, union) if self._metric == "iou" else (2 * hits, predicted + true)
            return top[at] / bottom[at].clamp_min(1)
        top, bottom = (2 * hits, predicted + true) if self._metric == "mean_dice" else (hits, union)
        return (top / bottom.clamp_min(1)).sum() / (union > 0).sum().clamp_min(1)

    def evaluate(self, outputs: Array, columns: Mapping[str, Array]) -> Evaluation:
        """Score the images' counts of pixels, (n, classes + 4, classes)."""
        confusion, boundary_f1 = outputs[:, : self._count].sum(axis=0), self._boundary_f1(outputs)
        iou, dice = metrics.intersection_over_union(confusion), metrics.dice(confusion)
        scores = {
            "mean_iou": float(metrics.mean_iou(confusion)),
            "mean_dice": float(np.mean(dice[~np.isnan(dice)])),
            "pixel_accuracy": float(metrics.pixel_accuracy(confusion)),
            BOUNDARY: float(metrics.mean_of_known(metrics.mean_of_known(boundary_f1))),
        }
        if self._metric == BOUNDARY and np.isnan(scores[BOUNDARY]):
            raise DamagedDataError(
                "no image of the split has a boundary between two classes, so boundary_f1 has no value: give images of "
                "more than one class"
            )
        if self._positive is not None:
            scores |= {"dice": float(dice[self._positive]), "iou": float(iou[self._positive])}
        per_example = {"score": self._by_example(outputs)}
        if "group" in columns:
            per_example["group"] = columns["group"]
        return Evaluation(scores, self._tables(confusion, iou, dice, metrics.mean_of_known(boundary_f1.T)), per_example)

    def _boundary_f1(self, outputs: Array) -> Array:
        return metrics.boundary_f1(outputs[:, self._count :])  # (n, classes)

    def _by_example(self, outputs: Array) -> Array:
        """Compute values by image whose mean is the task's metric over all pixels, float64 (n,)."""
        if self._metric == BOUNDARY:
            scores = metrics.mean_of_known(self._boundary_f1(outputs))[:, None]
            return metrics.ratio_by_example(np.nan_to_num(scores), ~np.isnan(scores))
        outputs = outputs[:, : self._count]
        parts, wholes = metrics.pixel_counts(outputs, self._metric.removeprefix("mean_"))
        if self._metric in ONE_CLASS_METRICS and self._positive is not None:
            parts, wholes = parts[:, self._positive, None], wholes[:, self._positive, None]
        return metrics.ratio_by_example(parts, wholes)

    def _per_image(self, outputs: Array) -> Array:
        """Compute the metric of each image alone; 1 if the class is neither in the targets nor in the predictions."""
        if self._per_image_metric == BOUNDARY:
            return metrics.mean_of_known(self._boundary_f1(outputs))
        outputs = outputs[:, : self._count]
        if self._per_image_metric == "mean_iou":
            return metrics.mean_iou(outputs)
        if self._per_image_metric == "pixel_accuracy":
            return metrics.pixel_accuracy(outputs)
        class_metric = metrics.dice if self._per_image_metric == "dice" else metrics.intersection_over_union
        scores = class_metric(outputs)[:, self._positive]
        return np.where(np.isnan(scores), 1.0, scores)

    def _tables(self, confusion: Array, iou: Array, dice: Array, boundary_f1: Array) -> dict[str, Table]:
        share = confusion.sum(axis=1) / max(1, confusion.sum())
        per_class = zip(self.classes, iou, dice, boundary_f1, share, strict=True)
        tables = {
            "per class": Table(
                ["class", "iou", "dice", BOUNDARY, "share of pixels"],
                [[name, *map(_number, scores), float(s)] for name, *scores, s in per_class],
            )
        }
        if len(self.classes) <= MAX_CONFUSION_CLASSES:
            rows = [[name, *row.tolist()] for name, row in zip(self.classes, confusion, strict=True)]
            tables["confusion"] = Table(["true class", *self.classes], rows)
        return tables

    def pictures(self, read_rows: RowReader, outputs: Array, targets: Array) -> dict[str, np.ndarray[Any, Any]]:
        """Draw a thumbnail, predictions for images spread over test (`answers`), and the `worst` predictions."""
        scores = self._per_image(outputs)
        worst = np.argsort(np.where(np.isnan(scores), np.inf, scores), kind="stable")[:MAX_PICTURED].tolist()
        rows = spread(len(targets), MAX_PICTURED)

        def draw_sheet(rows: list[int]) -> Array:
            captions = [f"{self._per_image_metric} {scores[row]:.2f}" for row in rows]
            return prediction_sheet(
                read_rows(rows),
                targets[rows],
                self._predicted_classes(read_rows, rows, targets),
                self._ignored,
                self.classes,
                captions,
            )

        best = max(rows, key=lambda row: np.nan_to_num(scores[row]))
        thumbnail = split_view(read_rows([best])[0], self._predicted_classes(read_rows, [best], targets)[0])
        return {"thumbnail": thumbnail, "answers": draw_sheet(rows), "worst": draw_sheet(worst)}

    def _predicted_classes(self, read_rows: RowReader, rows: list[int], targets: Array) -> Array:
        """Predict uint8 classes (rows, height, width), one image at a time, because logits are large."""
        size = targets.shape[1:]
        predictions = [unpadded(read_rows.outputs([row]), size)[0].argmax(axis=0) for row in rows]
        return np.stack(predictions).astype(np.uint8)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)

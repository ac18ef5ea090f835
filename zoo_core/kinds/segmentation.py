"""Kind `segmentation`, version 1: a class for every pixel of an image.

Columns: x uint8 (n, channels, height, width), raw; y uint8 (n, height, width), classes from 0. Pixels of the class
`signature.extra["ignore_index"]` (none, where it is not said) count neither in the loss nor in a score.
Model: forward takes float (batch, channels, height, width), normalised as in `image-classification`; height and width
are multiples of 32, images of other sizes are padded by reflection on all sides and the answers cut back. It returns
logits (batch, classes, height, width) and owns no loss; two classes are two logits. It is trained on squares of
`crop_size` and answers whole images, so it must not depend on their size.
Loss: cross-entropy, plus `dice_weight` times 1 - soft Dice (Milletari et al. 2016, arXiv:1606.04797), both with the
classes weighed by `class_balance` (1: median frequency balancing, Eigen and Fergus 2015, arXiv:1411.4734).
Metrics: `mean_iou`, over the classes that truth or answers of the whole split have, `mean_dice` and `pixel_accuracy`;
of two classes also `dice` and `iou` of the class `signature.extra["positive"]`, by default the second. All are counted
over all pixels of a split; `per_example` has the task's metric image by image, mean IoU in place of mean Dice.
One unit is one image.
"""

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
from zoo_core.errors import IncompatibleError
from zoo_core.kinds.augment import brightness, contrast
from zoo_core.kinds.inputs import ImageInputs
from zoo_core.kinds.segmentation_pictures import answer_rows, split_view, spread
from zoo_core.kinds.supervised import RowReader, Supervised
from zoo_core.protocols import Context, Evaluation, Table
from zoo_core.recipe import Recipe
from zoo_core.specs import Signature, TaskSpec

MULTIPLE = 32  # of height and width: nets that halve an image five times need no padding of their own
OF_ONE = ("dice", "iou")  # metrics of one of two classes
NOTHING = -100  # no pixel has this class
PICTURED = 4  # images on the sheet of answers
CONFUSED = 32  # classes, in a table of confusions
STUDIED = 256  # pictures of train at most, whose pixels are counted at once


def Segmentation(spec: TaskSpec) -> Supervised:
    """The ready body of this kind."""
    return Supervised(spec, functools.partial(SegmentationObjective, metric=spec.metric))


class SegmentationObjective:
    def __init__(self, signature: Signature, recipe: Recipe, ctx: Context, *, metric: str = "mean_iou") -> None:
        self._count = signature.outputs or len(signature.classes)
        self.classes = signature.classes or tuple(str(index) for index in range(self._count))
        self._ignored = int(signature.extra.get("ignore_index", NOTHING))
        self._positive = int(signature.extra.get("positive", 1)) if self._count == 2 else None
        self._metric, self._recipe, self._device = metric, recipe, ctx.device
        self._per_image_metric = metric if metric in (*OF_ONE, "pixel_accuracy") else "mean_iou"
        if metric in OF_ONE and self._positive is None:
            raise IncompatibleError(
                f"the metric {metric} is of one of two classes, the data have {self._count}: try a task of mean_iou"
            )
        self._images = ImageInputs(signature, normalize=recipe.normalize, device=ctx.device)
        self._weights = torch.ones(self._count, device=ctx.device)
        self.ready = self._images.ready

    def study(self, train: DeviceSplit) -> None:
        """Weigh the classes by how many of train's pixels they have."""
        if not self._recipe.class_balance:
            return
        counts = torch.zeros(self._count, device=self._device)
        for batch in train.in_order(STUDIED):
            y = batch["y"].long()
            counts += torch.bincount(y[y != self._ignored], minlength=self._count)
        self._weights = class_weights(counts, self._recipe.class_balance)

    def augment(self, recipe: Recipe, ctx: Context) -> Callable[[Batch], Batch] | None:
        parts = ("crop_size", "flip", "turn", "contrast", "brightness")
        return Views(recipe, ctx) if any(recipe[part] for part in parts) else None

    def inputs(self, batch: Batch) -> Tensor:
        return self._images.normalized(self._images.as_float(padded(batch["x"])))

    def loss(self, output: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Of logits, padded or not; the score is the batch's, of classes that it has."""
        truth = batch["y"].long()
        logits = unpadded(output.float(), truth.shape[1:])
        counted = truth != self._ignored
        labels = torch.where(counted, truth, 0)
        weights = self._weights[labels] * counted
        costs = F.cross_entropy(logits, labels, reduction="none")
        loss = (costs * weights).sum() / weights.sum().clamp_min(1e-6)
        if self._recipe.dice_weight:
            loss = loss + self._recipe.dice_weight * soft_dice_loss(logits, labels, counted, self._weights)
        with torch.no_grad():
            return loss, self._score(self.reduce(logits, batch).sum(0))

    def reduce(self, output: Tensor, batch: Batch) -> Tensor:
        """Each image's confusions, int64 (batch, classes, classes): row is the true class, column the answer."""
        truth = batch["y"].long()
        answers = unpadded(output, truth.shape[1:]).argmax(1)
        return confusions(answers, truth, self._count, self._ignored)

    def _score(self, confusion: Tensor) -> Tensor:
        """The task's metric on the device, without waiting for it."""
        hits, answered, true = confusion.diagonal().float(), confusion.sum(0).float(), confusion.sum(1).float()
        if self._metric == "pixel_accuracy":
            return hits.sum() / true.sum().clamp_min(1)
        union = answered + true - hits
        if self._positive is not None and self._metric in OF_ONE:
            at = self._positive
            top, bottom = (hits, union) if self._metric == "iou" else (2 * hits, answered + true)
            return top[at] / bottom[at].clamp_min(1)
        top, bottom = (2 * hits, answered + true) if self._metric == "mean_dice" else (hits, union)
        return (top / bottom.clamp_min(1)).sum() / (union > 0).sum().clamp_min(1)

    def evaluate(self, outputs: Array, columns: Mapping[str, Array]) -> Evaluation:
        """Scores of the images' confusions, (n, classes, classes)."""
        confusion = outputs.sum(axis=0)
        iou, dice = metrics.intersection_over_union(confusion), metrics.dice(confusion)
        scores = {
            "mean_iou": float(metrics.mean_iou(confusion)),
            "mean_dice": float(np.mean(dice[~np.isnan(dice)])),
            "pixel_accuracy": float(metrics.pixel_accuracy(confusion)),
        }
        if self._positive is not None:
            scores |= {"dice": float(dice[self._positive]), "iou": float(iou[self._positive])}
        per_image = self._per_image(outputs).astype(np.float32)
        return Evaluation(scores, self._tables(confusion, iou, dice), {"score": per_image})

    def _per_image(self, outputs: Array) -> Array:
        """The metric image by image; 1 where a class is neither there nor answered."""
        if self._per_image_metric == "mean_iou":
            return metrics.mean_iou(outputs)
        if self._per_image_metric == "pixel_accuracy":
            return metrics.pixel_accuracy(outputs)
        measure = metrics.dice if self._per_image_metric == "dice" else metrics.intersection_over_union
        found = measure(outputs)[:, self._positive]
        return np.where(np.isnan(found), 1.0, found)

    def _tables(self, confusion: Array, iou: Array, dice: Array) -> dict[str, Table]:
        share = confusion.sum(axis=1) / max(1, confusion.sum())
        per_class = zip(self.classes, iou, dice, share, strict=True)
        tables = {
            "per class": Table(
                ["class", "iou", "dice", "share of pixels"],
                [[name, _number(i), _number(d), float(s)] for name, i, d, s in per_class],
            )
        }
        if len(self.classes) <= CONFUSED:
            rows = [[name, *row.tolist()] for name, row in zip(self.classes, confusion, strict=True)]
            tables["confusion"] = Table(["true class", *self.classes], rows)
        return tables

    def pictures(self, look: RowReader, outputs: Array, truth: Array) -> dict[str, np.ndarray[Any, Any]]:
        """Image, truth, answer and mistakes of a few images over all of test, and of those answered worst."""
        scores = self._per_image(outputs)
        worst = np.argsort(np.where(np.isnan(scores), np.inf, scores), kind="stable")[:PICTURED].tolist()
        rows = spread(len(truth), PICTURED)

        def sheet(rows: list[int]) -> Array:
            captions = [f"{self._per_image_metric} {scores[row]:.2f}" for row in rows]
            return answer_rows(
                look(rows), truth[rows], self._answers(look, rows, truth), self._ignored, self.classes, captions
            )

        best = max(rows, key=lambda row: np.nan_to_num(scores[row]))
        thumbnail = split_view(look([best])[0], self._answers(look, [best], truth)[0])
        return {"thumbnail": thumbnail, "answers": sheet(rows), "worst": sheet(worst)}

    def _answers(self, look: RowReader, rows: list[int], truth: Array) -> Array:
        """Classes answered, uint8 (rows, height, width); image by image, since logits are large."""
        size = truth.shape[1:]
        found = [unpadded(look.outputs([row]), size)[0].argmax(axis=0) for row in rows]
        return np.stack(found).astype(np.uint8)


class Views:
    """Random views of training images and their truth, the same for both; every image draws its own."""

    def __init__(self, recipe: Recipe, ctx: Context) -> None:
        self._recipe, self._generator = recipe, ctx.generator

    def __call__(self, batch: Batch) -> Batch:
        with torch.autocast(batch["x"].device.type, enabled=False):  # levels up to 255 are too fine for bfloat16
            x, y = self._placed(batch["x"], batch["y"])
            for strength, change in ((self._recipe.contrast, contrast), (self._recipe.brightness, brightness)):
                if strength:
                    x = change(x.float(), self._uniform(x, max(0.0, 1 - strength), 1 + strength))
        return {**batch, "x": x, "y": y}

    def _placed(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        recipe, (height, width) = self._recipe, x.shape[2:]
        if not (recipe.crop_size or recipe.flip or recipe.turn):
            return x, y
        size = (min(recipe.crop_size or height, height), min(recipe.crop_size or width, width))
        top = self._below(x, height - size[0] + 1)
        left = self._below(x, width - size[1] + 1)
        coins = [self._uniform(x, 0, 1) < 0.5 for _ in range(3)]
        never = torch.zeros_like(coins[0])
        return view(
            x,
            y,
            (top, left),
            size,
            mirrored=coins[0] if recipe.flip or recipe.turn else never,
            upturned=coins[1] if recipe.turn else never,
            transposed=coins[2] if recipe.turn and size[0] == size[1] else never,
        )

    def _uniform(self, x: Tensor, low: float, high: float) -> Tensor:
        return torch.empty(len(x), device=x.device).uniform_(low, high, generator=self._generator)

    def _below(self, x: Tensor, count: int) -> Tensor:
        return torch.randint(count, (len(x),), device=x.device, generator=self._generator)


def view(
    x: Tensor,
    y: Tensor,
    corner: tuple[Tensor, Tensor],
    size: tuple[int, int],
    *,
    mirrored: Tensor,
    upturned: Tensor,
    transposed: Tensor,
) -> tuple[Tensor, Tensor]:
    """Windows of `size` of images (n, channels, height, width) and of truth (n, height, width), at `corner`, int (n,).

    Which of them are mirrored left to right, turned upside down and, after that, have rows for columns (squares only):
    bool (n,). The three together are the eight views of a square.
    """
    rows = corner[0][:, None] + torch.arange(size[0], device=x.device)
    columns = corner[1][:, None] + torch.arange(size[1], device=x.device)
    rows = torch.where(upturned[:, None], rows.flip(1), rows)[:, :, None].expand(-1, -1, size[1])
    columns = torch.where(mirrored[:, None], columns.flip(1), columns)[:, None, :].expand(-1, size[0], -1)
    if size[0] == size[1]:
        swapped = transposed[:, None, None]
        rows = torch.where(swapped, rows.transpose(1, 2), rows)
        columns = torch.where(swapped, columns.transpose(1, 2), columns)
    which = torch.arange(len(x), device=x.device)[:, None, None]
    return x[which, :, rows, columns].permute(0, 3, 1, 2), y[which, rows, columns]


def padded(x: Tensor) -> Tensor:
    """Images with height and width brought to multiples of 32 by reflection, as much before as after, or one less."""
    pads: list[int] = []
    for size in (x.shape[3], x.shape[2]):
        missing = -size % MULTIPLE
        pads += [missing // 2, missing - missing // 2]
    if not any(pads):
        return x
    small = max(pads[:2]) >= x.shape[3] or max(pads[2:]) >= x.shape[2]  # a reflection reaches no further
    return F.pad(x.float(), pads, mode="replicate" if small else "reflect")


def unpadded(output: Any, size: Any) -> Any:
    """The part of a model's output (batch, classes, height, width) that belongs to the image, of `size`."""
    top, left = ((whole - own) // 2 for whole, own in zip(output.shape[2:], size, strict=True))
    return output[:, :, top : top + size[0], left : left + size[1]]


def class_weights(counts: Tensor, power: float) -> Tensor:
    """(median share / share) ** power, of the classes that have pixels; 0 for those that have none.

    Of pixel counts (classes,).
    """
    known = counts > 0
    if not known.any():
        return torch.ones_like(counts)
    return torch.where(known, (counts[known].median() / counts.clamp_min(1)) ** power, 0)


def soft_dice_loss(logits: Tensor, labels: Tensor, counted: Tensor, weights: Tensor) -> Tensor:
    """1 - the weighed mean of the soft Dice of the classes that the batch has.

    Shapes: logits (batch, classes, height, width); labels int, counted bool (batch, height, width); weights (classes,).
    """
    mask = counted[:, None].float()
    truth = F.one_hot(labels, logits.shape[1]).permute(0, 3, 1, 2) * mask
    answers = logits.softmax(1) * mask
    both = (answers * truth).sum((0, 2, 3))
    sizes = answers.sum((0, 2, 3)), truth.sum((0, 2, 3))
    present = weights * (sizes[1] > 0)
    return 1 - (present * 2 * both / (sizes[0] + sizes[1]).clamp_min(1e-6)).sum() / present.sum().clamp_min(1e-6)


def confusions(answers: Tensor, truth: Tensor, classes: int, ignored: int) -> Tensor:
    """int64 (batch, classes, classes) of int (batch, height, width); row is the true class, column the answer."""
    counted = truth != ignored
    cells = torch.where(counted, truth, 0) * classes + answers
    found = torch.zeros(len(truth), classes * classes, dtype=torch.int64, device=truth.device)
    return found.scatter_add_(1, cells.flatten(1), counted.long().flatten(1)).view(-1, classes, classes)


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)

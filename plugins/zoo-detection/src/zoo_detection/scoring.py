"""Mean average precision, by faster-coco-eval, and values by picture for intervals.

The definitions are COCO's (Lin et al. 2014, arXiv:1405.0312). A detection is right if its IoU with an object of its
class, which no better detection has found, is at least a threshold. Detections of crowd objects are neither right nor
wrong. Only the 100 best detections of a picture count. Precision is averaged over 101 recalls, then over the classes
that have an object.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_coco_eval.core import COCO, COCOeval_faster  # type: ignore[import-untyped]

from zoo_core import DamagedDataError, Evaluation, Table
from zoo_core.data.columns import Array
from zoo_detection.detections import MAX_DETECTIONS

THRESHOLDS = np.linspace(0.5, 0.95, 10)  # of the IoU
RECALLS = np.linspace(0, 1, 101)
MAX_GROUPS = 200  # of pictures, that are left out one by one, for the values by picture


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureTargets:
    """The objects in one picture: boxes float (n, 4), labels int (n,), crowd (n,), not 0 for a crowd object."""

    boxes: Array
    labels: Array
    crowd: Array


@dataclass(frozen=True, kw_only=True, slots=True)
class Matches:
    """Which detections are right and which objects are found, at IoU 0.5, without crowd objects and their detections.

    Detections, one entry each: pictures, classes, scores, right. Objects: object_pictures, object_classes, and found,
    the score of the detection that found it, 0 for a missed one. Pictures count from 0. row: the detection's number
    among those of its picture; object_row: the object's number among those of its picture.
    """

    pictures: Array
    row: Array
    classes: Array
    scores: Array
    right: Array
    object_pictures: Array
    object_row: Array
    object_classes: Array
    found: Array

    def average_precision(self, label: int, kept: Array) -> float:
        """Return the average precision of a class over the pictures that are `kept`, bool (n,); nan without objects.

        It equals the evaluator's, which is too slow to be asked for every picture that is left out.
        """
        objects = int((kept[self.object_pictures] & (self.object_classes == label)).sum())
        if not objects:
            return float("nan")
        counted = kept[self.pictures] & (self.classes == label)
        order = np.argsort(-self.scores[counted], kind="stable")
        right = self.right[counted][order].cumsum()
        precision = right / np.arange(1, len(right) + 1)
        best_from_here = np.maximum.accumulate(precision[::-1])[::-1]
        first = np.searchsorted(right / objects, RECALLS, side="left")
        return float(np.append(best_from_here, 0.0)[np.minimum(first, len(right))].mean())


class Scorer:
    """Scores the detections of a split, float (n, 100, 6) as a detector returns them.

    Raises DamagedDataError if no picture has an object that counts.
    """

    def __init__(self, targets: Sequence[PictureTargets], detections: Array, classes: Sequence[str]) -> None:
        self.classes, self.targets, self.detections = tuple(classes), targets, detections
        if not any((picture.crowd == 0).any() for picture in targets):
            raise DamagedDataError(
                "no picture of the split has an object that counts, so nothing can be found: if it is val, train with "
                "--set holdout=false"
            )
        self._coco = _target_set(targets, classes)
        self._found = self._coco.loadRes(_found_list(detections))

    def evaluate(self, *, by_picture: bool = False) -> Evaluation:
        """Return `map50`, `map75`, `map50_95` (a mean over the ten thresholds) and a table of the classes.

        by_picture: also return values by picture whose mean is `map50`; see `values_by_picture`.
        """
        run = self._run(THRESHOLDS)
        precision = np.asarray(run.eval["precision"])[:, :, :, 0, -1].mean(axis=1)  # (thresholds, classes)
        recall = np.asarray(run.eval["recall"])[0, :, 0, -1]
        known = precision[0] >= 0  # it is -1 for a class without objects
        scores = {
            "map50": float(precision[0, known].mean()),
            "map75": float(precision[5, known].mean()),
            "map50_95": float(precision[:, known].mean()),
        }
        labels = np.concatenate([picture.labels[picture.crowd == 0] for picture in self.targets])
        objects = np.bincount(labels.astype(np.int64), minlength=len(self.classes))
        columns = zip(self.classes, objects.tolist(), precision[0], precision.mean(axis=0), recall, strict=True)
        rows = [
            [name, count, *(float(value) if count else None for value in values)] for name, count, *values in columns
        ]
        table = Table(["class", "objects", "ap50", "ap50_95", "recall50"], rows)
        values = values_by_picture(self.matches(), len(self.targets), len(self.classes)) if by_picture else {}
        return Evaluation(scores, {"per class": table}, values)

    def matches(self) -> Matches:
        """Return the evaluator's matches at IoU 0.5."""
        pairs = [key.split("_") for key in self._run(THRESHOLDS[:1]).eval["matched"]]
        object_of = {int(detection): int(number) for detection, number in pairs}
        objects, found = self._coco.anns, self._found.anns
        crowd = {number for number, item in objects.items() if item["iscrowd"]}
        counted = [item for number, item in found.items() if object_of.get(number) not in crowd]
        finder = {number: found[by]["score"] for by, number in object_of.items()}
        targets = [(number, item) for number, item in objects.items() if number not in crowd]
        return Matches(
            pictures=np.array([item["image_id"] - 1 for item in counted], np.int64),
            row=np.array([item["row"] for item in counted], np.int64),
            classes=np.array([item["category_id"] - 1 for item in counted], np.int64),
            scores=np.array([item["score"] for item in counted], np.float64),
            right=np.array([item["id"] in object_of for item in counted], bool),
            object_pictures=np.array([item["image_id"] - 1 for _, item in targets], np.int64),
            object_row=np.array([item["row"] for _, item in targets], np.int64),
            object_classes=np.array([item["category_id"] - 1 for _, item in targets], np.int64),
            found=np.array([finder.get(number, 0.0) for number, _ in targets], np.float64),
        )

    def _run(self, thresholds: Array) -> COCOeval_faster:
        run = COCOeval_faster(self._coco, self._found, iouType="bbox", print_function=_ignore)
        run.params.iouThrs, run.params.maxDets = thresholds, [MAX_DETECTIONS]
        run.params.areaRng, run.params.areaRngLbl = run.params.areaRng[:1], run.params.areaRngLbl[:1]  # any size
        run.evaluate()
        run.accumulate()
        return run


def values_by_picture(matches: Matches, count: int, classes: int) -> dict[str, Array]:
    """Return `score`, values by picture, float64 (n,), whose mean is `map50`, and of many pictures also their `group`.

    The value of a picture is the score plus (g - 1) times the difference that its group makes when it is left out. A
    group is a picture, or of many pictures a 200th; g is their number. This is the jackknife (Efron 1982, The
    Jackknife, the Bootstrap and Other Resampling Plans): the variance of the groups' values, divided by g, estimates
    that of the score. A class of which no object is left keeps its average precision.
    """
    groups = np.arange(count) * min(count, MAX_GROUPS) // count
    last = int(groups[-1])
    every = np.ones(count, bool)
    full = np.array([matches.average_precision(label, every) for label in range(classes)])
    known = np.flatnonzero(~np.isnan(full)).tolist()
    without = np.empty(last + 1)
    for group in range(last + 1):
        parts = np.array([matches.average_precision(label, groups != group) for label in known])
        without[group] = np.where(np.isnan(parts), full[known], parts).mean()
    values: Array = full[known].mean() + last * (without[groups].mean() - without[groups])
    return {"score": values, "group": groups} if last + 1 < count else {"score": values}


def _ignore(*_: object) -> None:
    """Drop what the evaluator reports of its progress; it would fill the trial's log."""


def _target_set(targets: Sequence[PictureTargets], classes: Sequence[str]) -> COCO:
    """Return the objects in the form of COCO. All numbers count from 1: the evaluator takes 0 for no match."""
    annotations = [
        {
            "image_id": number,
            "row": row,
            "category_id": int(picture.labels[row]) + 1,
            "bbox": _corner_and_size(picture.boxes[row]),
            "area": float(np.prod(picture.boxes[row, 2:] - picture.boxes[row, :2])),
            "iscrowd": int(picture.crowd[row] != 0),
        }
        for number, picture in enumerate(targets, 1)
        for row in range(len(picture.labels))
    ]
    return COCO(
        {
            "images": [{"id": number} for number in range(1, len(targets) + 1)],
            "annotations": [{"id": number, **item} for number, item in enumerate(annotations, 1)],
            "categories": [{"id": number, "name": name} for number, name in enumerate(classes, 1)],
        }
    )


def _found_list(detections: Array) -> list[dict[str, Any]]:
    """Return the detections in the form of COCO's results. Rows with score 0 are padding."""
    return [
        {
            "image_id": number,
            "row": int(row),
            "category_id": int(rows[row, 5]) + 1,
            "bbox": _corner_and_size(rows[row]),
            "score": float(rows[row, 4]),
        }
        for number, rows in enumerate(detections.astype(np.float64), 1)
        for row in np.flatnonzero(rows[:, 4] > 0)
    ]


def _corner_and_size(box: Array) -> list[float]:
    return [float(box[0]), float(box[1]), float(box[2]) - float(box[0]), float(box[3]) - float(box[1])]

"""Mean average precision against pycocotools and by hand, and the values by picture."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO  # type: ignore[import-untyped]
from pycocotools.cocoeval import COCOeval  # type: ignore[import-untyped]
from zoo_detection.scoring import MAX_GROUPS, PictureTargets, Scorer, values_by_picture

from zoo_core import DamagedDataError

CLASSES = ("stop", "light", "crosswalk", "unused")
Array = np.ndarray[Any, Any]


def objects_at(*boxes: Sequence[float], labels: Sequence[int] = (), crowd: Sequence[int] = ()) -> PictureTargets:
    count = len(boxes)
    return PictureTargets(
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        labels=np.array(labels or [0] * count, np.int64),
        crowd=np.array(crowd or [0] * count, np.uint8),
    )


def found(*rows: Sequence[float]) -> Array:
    """Detections of one picture, (1, 100, 6): x1, y1, x2, y2, score, class."""
    detections = np.zeros((1, 100, 6), np.float32)
    detections[0, : len(rows)] = np.reshape(rows, (-1, 6))
    return detections


def scores(targets: Sequence[PictureTargets], detections: Array) -> dict[str, float]:
    return Scorer(targets, detections, CLASSES).evaluate().scores


def example(count: int, seed: int) -> tuple[list[PictureTargets], Array]:
    """Pictures of street furniture, some of it crowd, and the detections of a middling detector."""
    rng = np.random.default_rng(seed)
    targets, detections = [], np.zeros((count, 100, 6), np.float32)
    for number in range(count):
        objects = int(rng.integers(0, 6))
        corner, size = rng.uniform(0, 250, (objects, 2)), rng.uniform(8, 150, (objects, 2))
        labels = rng.integers(0, 3, objects)
        boxes = np.concatenate([corner, corner + size], 1)
        targets.append(PictureTargets(boxes=boxes, labels=labels, crowd=(rng.random(objects) < 0.15).astype(np.uint8)))
        rows = int(rng.integers(0, 100))
        near = rng.integers(0, max(1, objects), rows)
        base = boxes[near] if objects else rng.uniform(0, 100, (rows, 4))
        moved = base + rng.normal(0, 6, (rows, 4))
        moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
        guess = np.where(rng.random(rows) < 0.8, labels[near] if objects else 0, rng.integers(0, 3, rows))
        detections[number, :rows] = np.column_stack([moved, rng.uniform(0.01, 1, rows), guess])
    return targets, detections


def by_pycocotools(targets: Sequence[PictureTargets], detections: Array) -> COCOeval:
    boxes = [(n, box, one.labels[k], one.crowd[k]) for n, one in enumerate(targets) for k, box in enumerate(one.boxes)]
    rows = [(n, row) for n, rows in enumerate(detections.astype(np.float64)) for row in rows if row[4] > 0]

    def corner_and_size(box: Array) -> list[float]:
        return [float(value) for value in (box[0], box[1], box[2] - box[0], box[3] - box[1])]

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = {
            "info": {},
            "images": [{"id": number, "width": 400, "height": 400} for number in range(len(targets))],
            "categories": [{"id": number} for number in range(len(CLASSES))],
            "annotations": [
                {
                    "id": number,
                    "image_id": picture,
                    "category_id": int(label),
                    "bbox": corner_and_size(box.astype(np.float64)),
                    "area": float((box[2] - box[0]) * (box[3] - box[1])),
                    "iscrowd": int(crowd),
                }
                for number, (picture, box, label, crowd) in enumerate(boxes, 1)
            ],
        }
        coco.createIndex()
        results = [
            {"image_id": picture, "category_id": int(row[5]), "bbox": corner_and_size(row), "score": float(row[4])}
            for picture, row in rows
        ]
        evaluated = COCOeval(coco, coco.loadRes(results), "bbox")
        evaluated.evaluate()
        evaluated.accumulate()
        evaluated.summarize()
    return evaluated


@pytest.mark.parametrize("seed", range(3))
def test_the_scores_are_those_of_pycocotools(seed: int) -> None:
    targets, detections = example(40, seed)
    expected = by_pycocotools(targets, detections)
    evaluation = Scorer(targets, detections, CLASSES).evaluate()
    actual = [evaluation.scores[name] for name in ("map50_95", "map50", "map75")]
    assert actual == pytest.approx(expected.stats[:3].tolist(), abs=1e-6)
    assert 0.05 < actual[0] < 0.9
    precision, recall = expected.eval["precision"][:, :, :, 0, -1], expected.eval["recall"][0, :, 0, -1]
    for number, (_, objects, ap50, ap50_95, recall50) in enumerate(evaluation.tables["per class"].rows[:3]):
        counted = [(one.labels == number) & (one.crowd == 0) for one in targets]
        assert objects == sum(int(mask.sum()) for mask in counted)
        assert ap50 == pytest.approx(precision[0, :, number].mean(), abs=1e-6)
        assert ap50_95 == pytest.approx(precision[:, :, number].mean(), abs=1e-6)
        assert recall50 == pytest.approx(recall[number], abs=1e-6)
    assert evaluation.tables["per class"].rows[3] == ["unused", 0, None, None, None]


def test_a_box_with_iou_062_is_right_at_three_of_ten_thresholds() -> None:
    actual = scores([objects_at((0, 0, 100, 100))], found((0, 0, 62, 100, 0.9, 0)))
    assert actual == pytest.approx({"map50": 1.0, "map75": 0.0, "map50_95": 0.3})


def test_precision_is_averaged_over_101_recalls() -> None:
    """Right, wrong, right, for two objects: precision 1 up to recall 0.5 (51 of 101 recalls), 2/3 beyond."""
    objects = objects_at((0, 0, 50, 50), (100, 100, 150, 150))
    rows = found((0, 0, 50, 50, 0.9, 0), (200, 0, 250, 50, 0.8, 0), (100, 100, 150, 150, 0.7, 0))
    assert scores([objects], rows)["map50"] == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_the_evaluator_reports_nothing(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    with caplog.at_level("INFO"):
        Scorer([objects_at((0, 0, 50, 50))], found((0, 0, 50, 50, 0.9, 0)), CLASSES).evaluate(by_picture=True)
    assert caplog.text == "".join(capfd.readouterr()) == ""


def test_a_second_box_on_one_object_is_wrong() -> None:
    objects = objects_at((0, 0, 50, 50), (100, 100, 150, 150))
    rows = found((0, 0, 50, 50, 0.9, 0), (0, 0, 50, 49, 0.8, 0), (100, 100, 150, 150, 0.7, 0))
    assert scores([objects], rows)["map50"] == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_crowd_objects_are_neither_found_nor_missed_and_boxes_on_them_not_wrong() -> None:
    plain, crowded = objects_at((0, 0, 50, 50)), objects_at((0, 0, 50, 50), (100, 100, 300, 300), crowd=(0, 1))
    rows = found((110, 110, 140, 140, 0.95, 0), (0, 0, 50, 50, 0.9, 0))
    assert scores([plain], rows)["map50"] == pytest.approx(0.5)
    assert scores([crowded], rows)["map50"] == 1.0
    matches = Scorer([crowded], rows, CLASSES).matches()
    assert (matches.right.tolist(), matches.row.tolist(), matches.found.round(2).tolist()) == ([True], [1], [0.9])


def test_nothing_found_scores_0_and_nothing_to_find_is_refused() -> None:
    assert set(scores([objects_at((0, 0, 50, 50))], found()).values()) == {0.0}
    for nothing in ([objects_at(), objects_at()], [objects_at((0, 0, 9, 9), crowd=(1,))]):
        with pytest.raises(DamagedDataError, match="no picture of the split has an object that counts"):
            Scorer(nothing, np.zeros((len(nothing), 100, 6)), CLASSES)


# values by picture


def test_average_precision_without_some_pictures_is_what_the_evaluator_finds_without_them() -> None:
    targets, detections = example(12, 7)
    matches = Scorer(targets, detections, CLASSES).matches()
    for left_out in range(12):
        kept = np.arange(12) != left_out
        rest = Scorer([targets[number] for number in np.flatnonzero(kept)], detections[kept], CLASSES).evaluate()
        for label, (_, objects, ap50, *_) in enumerate(rest.tables["per class"].rows):
            actual = matches.average_precision(label, kept)
            assert np.isnan(actual) if not objects else actual == pytest.approx(ap50, abs=1e-9)


def test_the_values_by_picture_have_the_score_as_mean_and_its_standard_error_as_spread() -> None:
    scored, errors = [], []
    for seed in range(24):
        evaluation = Scorer(*example(30, 100 + seed), CLASSES).evaluate(by_picture=True)
        values = evaluation.per_example["score"]
        assert values.mean() == pytest.approx(evaluation.scores["map50"], abs=1e-9)
        scored.append(evaluation.scores["map50"])
        errors.append(values.std(ddof=1) / np.sqrt(30))
    assert np.mean(errors) == pytest.approx(np.std(scored, ddof=1), rel=0.3)


def test_a_class_seen_in_one_picture_keeps_its_precision_without_this_picture() -> None:
    targets = [
        objects_at((0, 0, 50, 50), labels=(0,)),
        objects_at((0, 0, 50, 50), labels=(0,)),
        objects_at((0, 0, 50, 50), labels=(1,)),
    ]
    detections = np.concatenate([found((0, 0, 50, 50, 0.9, 0)), found(), found((0, 0, 50, 50, 0.9, 1))])
    values = Scorer(targets, detections, CLASSES).evaluate(by_picture=True).per_example["score"]
    # Class 0: 51/101 over all, 0 without the first picture, 1 without the second. Class 1: always 1.
    score, without = (51 / 101 + 1) / 2, np.array([0.5, 1.0, (51 / 101 + 1) / 2])
    assert values == pytest.approx(score + 2 * (without.mean() - without))


def test_many_pictures_are_left_out_in_groups() -> None:
    targets = [objects_at((0, 0, 50, 50))] * 450
    detections = np.concatenate([found((0, 0, 50, 50, 0.9, 0)) if number % 3 else found() for number in range(450)])
    matches = Scorer(targets, detections, CLASSES).matches()
    values = values_by_picture(matches, 450, len(CLASSES))
    assert len(np.unique(values["group"])) == MAX_GROUPS
    assert all(len(np.unique(values["score"][values["group"] == group])) == 1 for group in range(MAX_GROUPS))
    assert values["score"].mean() == pytest.approx(matches.average_precision(0, np.ones(450, bool)), abs=1e-9)

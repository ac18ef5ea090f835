"""The boundary F1 of kind `segmentation`: against distance transforms of SciPy, by hand, and with ignored pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch.nn import functional as F

from zoo_core import metrics
from zoo_core.columns import Array
from zoo_core.errors import DamagedDataError
from zoo_core.kinds import KINDS
from zoo_core.kinds.segmentation.boundaries import boundary_counts
from zoo_core.kinds.segmentation.objective import SegmentationObjective
from zoo_core.protocols import Context, Evaluation
from zoo_core.recipe import as_param, resolve_recipe
from zoo_core.specs import Signature

IGNORED = 9
CROSS = ndimage.generate_binary_structure(2, 1)


def smooth_classes(rng: np.random.Generator, size: tuple[int, int], classes: int) -> Array:
    """Regions of about ten pixels."""
    fields = np.stack([ndimage.gaussian_filter(rng.normal(size=size), 4) for _ in range(classes)])
    largest: Array = fields.argmax(0)
    return largest


def contour(region: Array) -> Array:
    """The pixels of a region that a step up, down, left or right leaves; the frame of the image is no way out."""
    inside: Array = ndimage.binary_erosion(region, CROSS, border_value=1)
    return region & ~inside


def reference(prediction: Array, target: Array, classes: int) -> float:
    """Boundary F1 of one image from Euclidean distance transforms: the formulas of Csurka et al. 2013, section 3.2."""
    tolerance, found = 0.0075 * math.hypot(*target.shape), []
    for label in range(classes):
        true, predicted = contour(target == label), contour((prediction == label) & (target != IGNORED))
        if not true.any():
            continue
        if not predicted.any():
            found.append(0.0)
            continue
        precision = (ndimage.distance_transform_edt(~true)[predicted] < tolerance).mean()
        recall = (ndimage.distance_transform_edt(~predicted)[true] < tolerance).mean()
        found.append(2 * precision * recall / (precision + recall) if precision + recall else 0.0)
    return float(np.mean(found)) if found else math.nan


def evaluated(predictions: Array, targets: Array, classes: int, metric: str = "mean_iou") -> Evaluation:
    """Evaluate certain predictions through the objective, as a trial does."""
    recipe = resolve_recipe({key: as_param(value) for key, value in KINDS["segmentation"].recipe.items()}, None, {})
    signature = Signature(
        input_shape=(1, *targets.shape[1:]),
        outputs=classes,
        mean=(0.5,),
        std=(0.2,),
        extra={"ignore_index": IGNORED},
    )
    objective = SegmentationObjective(signature, recipe, Context(), metric=metric)
    logits = F.one_hot(torch.from_numpy(predictions), classes).permute(0, 3, 1, 2).float()
    return objective.evaluate(objective.reduce(logits, {"y": torch.from_numpy(targets)}).numpy(), {})


# 240x320: the diagonal is 400 pixels, the tolerance exactly 3. A pixel at a distance of 3 does not match.
@pytest.mark.parametrize("size", [(40, 30), (96, 128), (240, 320), (360, 480)])
@pytest.mark.parametrize("ignored_share", [0.0, 0.3])
def test_boundary_f1_is_that_of_scipys_distance_transforms(size: tuple[int, int], ignored_share: float) -> None:
    rng = np.random.default_rng(size[0])
    targets = np.stack([smooth_classes(rng, size, 4) for _ in range(2)])
    predictions = np.stack([np.roll(target, (1, 2), (0, 1)) for target in targets])
    predictions[0, : size[0] // 3] = smooth_classes(rng, size, 5)[: size[0] // 3]
    targets[ndimage.gaussian_filter(rng.random(targets.shape), (0, 3, 3)) < 0.45 + 0.1 * ignored_share] = IGNORED
    if not ignored_share:
        targets[targets == IGNORED] = 0
    expected = [reference(prediction, target, 5) for prediction, target in zip(predictions, targets, strict=True)]
    assert 0.1 < min(expected) < max(expected) < 0.999
    assert evaluated(predictions, targets, 5).scores["boundary_f1"] == pytest.approx(np.mean(expected), abs=1e-12)


def test_counts_of_a_moved_stripe_by_hand() -> None:
    """At 100x100 the tolerance is 1.06 pixels: a stripe that moved by one matches, one that moved by two does not."""
    target = np.zeros((3, 100, 100), np.int64)
    target[:, 40:60] = 1
    prediction = np.stack([np.roll(target[0], shift, 0) for shift in (0, 1, 2)])
    counts = boundary_counts(torch.from_numpy(prediction), torch.from_numpy(target), 2, IGNORED)
    edges = [200, 200]  # two lines of 100 pixels on either side, for both classes
    assert counts[0].tolist() == counts[1].tolist() == [edges, edges, edges, edges]
    assert counts[2].tolist() == [[0, 0], edges, [0, 0], edges]
    assert metrics.boundary_f1(counts.numpy()).tolist() == [[1.0, 1.0], [1.0, 1.0], [0.0, 0.0]]


def test_precision_and_recall_enter_the_score_alike() -> None:
    """One true square, and two predicted ones: precision 1/2, recall 1, F1 2/3 for both classes."""
    target, prediction = np.zeros((1, 60, 60), np.int64), np.zeros((1, 60, 60), np.int64)
    target[0, 10:20, 10:20] = prediction[0, 10:20, 10:20] = prediction[0, 40:50, 40:50] = 1
    found = evaluated(prediction, target, 3)
    assert found.scores["boundary_f1"] == pytest.approx(2 / 3)
    names, rows = found.tables["per class"].columns, found.tables["per class"].rows
    values = [row[names.index("boundary_f1")] for row in rows]
    assert values[:2] == pytest.approx([2 / 3, 2 / 3])
    assert values[2] is None


def test_a_class_only_in_the_predictions_and_an_image_of_one_class_do_not_count() -> None:
    targets, predictions = np.zeros((2, 40, 40), np.int64), np.zeros((2, 40, 40), np.int64)
    targets[0, 20:] = predictions[0, 20:] = 1
    predictions[0, 2:4, 2:4] = 2
    predictions[1, 20:] = 1
    counts = boundary_counts(torch.from_numpy(predictions), torch.from_numpy(targets), 3, IGNORED).numpy()
    first = metrics.boundary_f1(counts[0])
    assert np.isnan(first[2])
    assert np.isnan(metrics.boundary_f1(counts[1])).all()
    scores = evaluated(predictions, targets, 3, "boundary_f1")
    assert scores.scores["boundary_f1"] == pytest.approx(first[:2].mean())
    assert scores.per_example["score"].mean() == pytest.approx(first[:2].mean())
    assert math.isnan(evaluated(predictions[1:], targets[1:], 3).scores["boundary_f1"])


def test_as_the_metric_it_refuses_images_without_a_boundary_and_else_has_no_value() -> None:
    one_class = np.zeros((2, 8, 8), np.int64)
    with pytest.raises(DamagedDataError, match="no image of the split has a boundary"):
        evaluated(one_class, one_class, 2, metric="boundary_f1")
    assert math.isnan(evaluated(one_class, one_class, 2).scores["boundary_f1"])


def test_predictions_in_an_ignored_band_neither_help_nor_harm() -> None:
    """Data sets often ignore a band around objects. Whatever a model predicts there, the edges of the band match."""
    target = np.zeros((2, 60, 60), np.int64)
    target[:, 30:] = 1
    target[:, 26:34] = IGNORED
    prediction = np.zeros((2, 60, 60), np.int64)
    prediction[0, 30:] = 1
    prediction[1, 27:] = 1
    prediction[1, 26:34, ::3] = 2
    assert evaluated(prediction, target, 3).scores["boundary_f1"] == 1.0
    wrong = np.where(prediction == 1, 0, prediction)
    # Class 0 also has a boundary on the band's other side: precision 1/2, recall 1. Class 1 is never predicted.
    assert evaluated(wrong, target, 3).scores["boundary_f1"] == pytest.approx((2 / 3 + 0) / 2)

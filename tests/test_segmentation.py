"""The kind `segmentation`: ignored pixels, padding, views, and scores that equal scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, jaccard_score
from torch.nn import functional as F

from zoo_core import metrics
from zoo_core.columns import Split
from zoo_core.data.batches import DeviceSplit
from zoo_core.errors import IncompatibleError
from zoo_core.kinds import KINDS, adapted_signature
from zoo_core.kinds.evaluation import MAX_EVALUATION_VALUES, evaluation_batch
from zoo_core.kinds.objective import RowReader
from zoo_core.kinds.segmentation.losses import class_weights, confusions, soft_dice_loss
from zoo_core.kinds.segmentation.objective import SegmentationObjective
from zoo_core.kinds.segmentation.views import Views, padded, unpadded, view
from zoo_core.protocols import Context
from zoo_core.recipe import Recipe, as_param, resolve_recipe
from zoo_core.specs import Accepts, ModelSpec, Signature, TaskSpec

IGNORED = 9
CLOSE = {"abs": 1e-6}
TWO = Signature(input_shape=(1, 8, 8), outputs=2, mean=(0.5,), std=(0.2,))
FOUR = Signature(input_shape=(3, 20, 24), outputs=4, mean=(0.5,) * 3, std=(0.25,) * 3, extra={"ignore_index": IGNORED})
SEEDS = pytest.mark.parametrize("seed", range(5))


def recipe(**values: object) -> Recipe:
    params = {key: as_param(value) for key, value in KINDS["segmentation"].recipe.items()}
    return resolve_recipe(params, None, values)


def objective(signature: Signature, metric: str = "mean_iou", **values: object) -> SegmentationObjective:
    return SegmentationObjective(signature, recipe(**values), Context(), metric=metric)


def random_case(seed: int, classes: int, ignored: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits (3, classes, 20, 24) and targets (3, 20, 24), with ignored pixels and a class that no pixel has."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, classes, 20, 24, generator=generator)
    targets = torch.randint(0, max(2, classes - 1), (3, 20, 24), generator=generator)
    if ignored is not None:
        targets[torch.rand(targets.shape, generator=generator) < 0.2] = ignored
    return logits, targets


def without_boundaries(confusion: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Counts of images as `reduce` returns them, from their confusion matrices (n, classes, classes)."""
    return np.pad(confusion, ((0, 0), (0, 4), (0, 0)))


@SEEDS
def test_scores_of_several_classes_are_scikit_learns_over_all_pixels_that_count(seed: int) -> None:
    logits, targets = random_case(seed, 4, IGNORED)
    kind = objective(FOUR)
    found = kind.evaluate(kind.reduce(logits, {"y": targets}).numpy(), {})
    counted = (targets != IGNORED).numpy()
    t, a = targets.numpy()[counted], logits.argmax(1).numpy()[counted]
    assert found.scores["mean_iou"] == pytest.approx(jaccard_score(t, a, average="macro"), **CLOSE)
    assert found.scores["mean_dice"] == pytest.approx(f1_score(t, a, average="macro"), **CLOSE)
    assert found.scores["pixel_accuracy"] == pytest.approx(accuracy_score(t, a), **CLOSE)
    per_class = jaccard_score(t, a, average=None)
    assert [row[1] for row in found.tables["per class"].rows] == pytest.approx(per_class.tolist(), **CLOSE)
    assert [row[1:] for row in found.tables["confusion"].rows] == confusion_matrix(t, a).tolist()


@SEEDS
def test_dice_and_iou_of_two_classes_are_scikit_learns_of_the_second(seed: int) -> None:
    logits, targets = random_case(seed, 2, None)
    kind = objective(TWO, "dice")
    found = kind.evaluate(kind.reduce(logits, {"y": targets}).numpy(), {})
    t, a = targets.flatten().numpy(), logits.argmax(1).flatten().numpy()
    assert found.scores["dice"] == pytest.approx(f1_score(t, a), **CLOSE)
    assert found.scores["iou"] == pytest.approx(jaccard_score(t, a), **CLOSE)


@SEEDS
@pytest.mark.parametrize("metric", ["mean_iou", "mean_dice", "pixel_accuracy", "boundary_f1", "dice", "iou"])
def test_the_score_of_a_training_batch_is_the_metric(metric: str, seed: int) -> None:
    binary = metric in ("dice", "iou")
    logits, targets = random_case(seed, 2 if binary else 4, None if binary else IGNORED)
    kind = objective(TWO if binary else FOUR, metric)
    _, score = kind.loss(logits, {"y": targets})
    found = kind.evaluate(kind.reduce(logits, {"y": targets}).numpy(), {})
    assert float(score) == pytest.approx(found.scores[metric], **CLOSE)


def test_the_positive_class_may_be_the_first() -> None:
    first = Signature(input_shape=(1, 8, 8), outputs=2, mean=(0.5,), std=(0.2,), extra={"positive": 0})
    confusion = np.array([[[6, 2], [1, 3]]])
    found = objective(first, "dice").evaluate(without_boundaries(confusion), {})
    assert found.scores["dice"] == pytest.approx(12 / 15)
    assert found.scores["iou"] == pytest.approx(6 / 9)


def test_a_class_in_neither_targets_nor_predictions_does_not_count() -> None:
    confusion = np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]])
    assert np.isnan(metrics.intersection_over_union(confusion)).tolist() == [False, False, True]
    assert float(metrics.mean_iou(confusion)) == pytest.approx((3 / 4 + 4 / 5) / 2)
    assert np.isnan(metrics.mean_iou(np.zeros((3, 3))))
    found = objective(FOUR).evaluate(without_boundaries(np.diag([2, 3, 0, 0])[None]), {})
    assert found.scores["mean_iou"] == 1.0
    assert [row[1] for row in found.tables["per class"].rows] == [1.0, 1.0, None, None]


@pytest.mark.parametrize("metric", ["dice", "iou"])
def test_a_metric_of_one_class_is_refused_for_data_with_many(metric: str) -> None:
    with pytest.raises(IncompatibleError, match=f"metric {metric} scores one of two classes, the data have 4"):
        objective(FOUR, metric)


METRICS = ["dice", "iou", "mean_iou", "mean_dice", "pixel_accuracy"]


@pytest.mark.parametrize("metric", [*METRICS, "boundary_f1"])
@SEEDS
def test_the_mean_of_the_results_by_image_is_the_score_over_all_pixels(metric: str, seed: int) -> None:
    binary = metric in ("dice", "iou")
    logits, targets = random_case(seed, 2 if binary else 4, None if binary else IGNORED)
    kind = objective(TWO if binary else FOUR, metric)
    found = kind.evaluate(kind.reduce(logits, {"y": targets}).numpy(), {})
    assert found.per_example["score"].shape == (3,)
    assert found.per_example["score"].mean() == pytest.approx(found.scores[metric], rel=1e-12)


@pytest.mark.parametrize("metric", METRICS)
def test_one_image_has_the_score_itself(metric: str) -> None:
    confusion = np.array([[[6, 2], [1, 3]]])
    expected = {"dice": 6 / 9, "iou": 3 / 6, "pixel_accuracy": 9 / 12, "mean_iou": (6 / 9 + 3 / 6) / 2}.get(
        metric, (12 / 15 + 6 / 9) / 2
    )
    found = objective(TWO, metric).evaluate(without_boundaries(confusion), {})
    assert found.per_example["score"].tolist() == pytest.approx([expected])


def test_images_of_one_group_keep_its_number_beside_their_results() -> None:
    confusion = np.array([[[6, 2], [1, 3]]] * 2)
    columns = {"y": np.zeros((2, 8, 8)), "group": np.array([4, 4])}
    found = objective(TWO).evaluate(without_boundaries(confusion), columns)
    assert found.per_example["group"].tolist() == [4, 4]


def test_the_worst_pictures_are_those_whose_own_score_is_lowest() -> None:
    confusion = np.array([[[64, 0], [0, 0]], [[60, 4], [0, 0]], [[0, 0], [0, 64]]])
    assert objective(TWO, "dice")._per_image(confusion).tolist() == [1.0, 0.0, 1.0]


@SEEDS
def test_the_loss_is_torchs_cross_entropy_without_the_ignored_pixels(seed: int) -> None:
    logits, targets = random_case(seed, 4, IGNORED)
    loss, _ = objective(FOUR).loss(logits, {"y": targets.to(torch.uint8)})
    torch.testing.assert_close(loss, F.cross_entropy(logits, targets, ignore_index=IGNORED))


def test_balanced_classes_are_weighed_as_torchs_cross_entropy_weighs_them() -> None:
    logits, targets = random_case(0, 4, IGNORED)
    columns = {"x": np.zeros((3, 3, 20, 24), np.uint8), "y": targets.numpy().astype(np.uint8)}
    kind = objective(FOUR, class_balance=1.0)
    kind.study(DeviceSplit(Split(columns), "cpu"))
    counts = torch.stack([(targets == label).sum() for label in range(4)]).float()
    weight = torch.where(counts > 0, counts[:3].median() / counts, 0)
    loss, _ = kind.loss(logits, {"y": targets})
    torch.testing.assert_close(loss, F.cross_entropy(logits, targets, weight=weight, ignore_index=IGNORED))


def test_weights_are_the_median_share_over_a_classs_share_to_a_power() -> None:
    assert class_weights(torch.tensor([100.0, 25.0, 400.0, 0.0]), 0.5).tolist() == [1.0, 2.0, 0.5, 0.0]
    assert class_weights(torch.zeros(2), 1.0).tolist() == [1.0, 1.0]


def test_the_loss_of_a_batch_of_ignored_pixels_is_zero() -> None:
    logits = torch.randn(2, 4, 20, 24, requires_grad=True)
    loss, score = objective(FOUR, dice_weight=1.0).loss(logits, {"y": torch.full((2, 20, 24), IGNORED)})
    loss.backward()
    assert logits.grad is not None
    assert not logits.grad.any()
    assert float(score) == 0.0
    assert torch.isfinite(loss)


def test_the_soft_dice_of_certain_predictions_is_the_dice() -> None:
    labels = torch.tensor([[[0, 0], [1, 1]]])
    predictions = torch.tensor([[[0, 1], [1, 1]]])
    logits = F.one_hot(predictions, 2).permute(0, 3, 1, 2) * 200.0
    counted = torch.ones_like(labels, dtype=torch.bool)
    expected = 1 - (2 / 3 + 4 / 5) / 2
    assert float(soft_dice_loss(logits, labels, counted, torch.ones(2))) == pytest.approx(expected)
    counted[0, 0, 1] = False
    assert float(soft_dice_loss(logits, labels, counted, torch.ones(2))) == pytest.approx(0.0)


def test_dice_is_added_to_the_loss_with_its_weight() -> None:
    logits, targets = random_case(1, 4, IGNORED)
    plain, _ = objective(FOUR).loss(logits, {"y": targets})
    both, _ = objective(FOUR, dice_weight=0.5).loss(logits, {"y": targets})
    counted = targets != IGNORED
    dice = soft_dice_loss(logits, torch.where(counted, targets, 0), counted, torch.ones(4))
    torch.testing.assert_close(both, plain + 0.5 * dice)


@pytest.mark.parametrize("size", [(20, 24), (32, 64), (33, 31), (5, 40), (1, 1)])
def test_images_are_padded_to_multiples_of_32_and_predictions_cut_back(size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *size)
    whole = padded(x)
    assert all(length % 32 == 0 for length in whole.shape[2:])
    assert torch.equal(unpadded(whole, size), x)


def test_inputs_are_normalised_and_mirrored_at_the_border() -> None:
    x = torch.arange(24 * 24, dtype=torch.int32).remainder(256).to(torch.uint8).view(1, 1, 24, 24)
    seen = objective(Signature(input_shape=(1, 24, 24), outputs=2, mean=(0.5,), std=(0.2,))).inputs({"x": x})
    assert seen.shape == (1, 1, 32, 32)
    expected = np.pad((x[0, 0].numpy() / 255 - 0.5) / 0.2, 4, mode="reflect")
    torch.testing.assert_close(seen[0, 0], torch.from_numpy(expected).float())


def test_grey_images_get_three_channels_and_the_weights_normalisation_but_keep_their_size() -> None:
    task = TaskSpec(
        name="t",
        title="",
        summary="",
        kind="segmentation",
        datasets=("d",),
        metric="dice",
        higher_is_better=True,
    )
    model = ModelSpec(
        name="m", entry="a:b", accepts=Accepts(channels=(3,), fixed_size=224), mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0)
    )
    seen = adapted_signature(model, task, TWO, recipe())
    assert seen.input_shape == (3, 8, 8)
    assert (seen.mean, seen.std) == (model.mean, model.std)
    inputs = objective(seen).inputs({"x": torch.full((1, 1, 32, 32), 255, dtype=torch.uint8)})
    torch.testing.assert_close(inputs[0, :, 0, 0], torch.tensor([0.9, 0.4, 0.7 / 3]))


def views(**values: Any) -> Views:
    return Views(recipe(**values), Context(generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("crop", [0, 5, 100])
@pytest.mark.parametrize("size", [(8, 8), (6, 9)])
def test_views_move_image_and_targets_alike(size: tuple[int, int], crop: int) -> None:
    y = torch.arange(size[0] * size[1]).view(1, *size).repeat(16, 1, 1).to(torch.uint8)
    batch = views(crop_size=crop, turn=True)({"x": torch.stack([y, y + 1], 1), "y": y})
    expected = (min(crop or size[0], size[0]), min(crop or size[1], size[1]))
    assert batch["y"].shape == (16, *expected)
    assert torch.equal(batch["x"][:, 0], batch["y"])
    assert torch.equal(batch["x"][:, 1], batch["y"] + 1)
    assert len({tuple(picture.flatten().tolist()) for picture in batch["y"]}) > 1


def test_the_three_moves_make_the_eight_views_of_a_square() -> None:
    square = torch.tensor([[1, 2], [3, 4]])
    bits = torch.tensor([[n & 1, n >> 1 & 1, n >> 2] for n in range(8)], dtype=torch.bool)
    zero = torch.zeros(8, dtype=torch.long)
    y = square.repeat(8, 1, 1)
    _, moved = view(
        y[:, None], y, (zero, zero), (2, 2), mirrored=bits[:, 0], upturned=bits[:, 1], transposed=bits[:, 2]
    )
    wanted = {tuple(np.rot90(side, k).ravel().tolist()) for side in (square, square.flip(1)) for k in range(4)}
    assert {tuple(item.flatten().tolist()) for item in moved} == wanted
    assert len(wanted) == 8


def test_a_flip_alone_keeps_the_sky_above() -> None:
    y = torch.arange(64).view(1, 8, 8).repeat(32, 1, 1).to(torch.uint8)
    flipped = views(flip=True)({"x": y[:, None], "y": y})["y"]
    assert {int(picture[0, 0]) for picture in flipped} == {0, 7}


def test_contrast_and_brightness_change_the_image_but_not_the_targets() -> None:
    batch = {"x": torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8), "y": torch.zeros(4, 8, 8, dtype=torch.uint8)}
    lit = views(brightness=0.5, contrast=0.5)(batch)
    assert lit["y"] is batch["y"]
    assert not torch.equal(lit["x"], batch["x"].float())
    assert 0 <= float(lit["x"].min()) <= float(lit["x"].max()) <= 255
    assert objective(FOUR).augment(recipe(), Context()) is None


def test_confusions_are_counted_image_by_image() -> None:
    targets, predictions = torch.tensor([[[0, 1, 7]], [[1, 1, 0]]]), torch.tensor([[[0, 0, 1]], [[1, 0, 0]]])
    assert confusions(predictions, targets, 2, 7).tolist() == [[[1, 0], [1, 0]], [[1, 0], [1, 1]]]


def test_large_images_are_evaluated_in_small_batches() -> None:
    small, large = (
        DeviceSplit(Split({"x": np.zeros((2, channels, size, size), np.uint8)}), "cpu")
        for channels, size in ((1, 28), (1, 512))
    )
    assert evaluation_batch(small) == 256
    assert evaluation_batch(large) == MAX_EVALUATION_VALUES // 512**2 == 8


def test_the_pictures_show_targets_predictions_and_mistakes() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 20, 24), dtype=np.uint8)
    targets = np.random.default_rng(1).integers(0, 4, (5, 20, 24)).astype(np.uint8)
    targets[:, :3] = IGNORED

    def forward(batch: Any) -> torch.Tensor:
        return F.one_hot(batch["x"][:, 0].long() % 4, 4).permute(0, 3, 1, 2).float()

    kind = objective(FOUR)
    split = DeviceSplit(Split({"x": images, "y": targets}), "cpu")
    outputs = torch.cat([kind.reduce(forward(batch), batch) for batch in split.in_order(2)]).numpy()
    pictures = kind.pictures(RowReader(split, forward), outputs, targets)
    assert set(pictures) == {"thumbnail", "answers", "worst"}
    assert pictures["thumbnail"].shape == (360, 480, 3)
    assert all(picture.dtype == np.uint8 and picture.ndim == 3 for picture in pictures.values())

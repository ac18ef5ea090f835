"""Batches of classes: their make-up, turned classes, rare classes, repeatability."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from zoo_metric_learning.batches import ClassBatches, turned

from zoo_core import DamagedDataError, RecipeError
from zoo_core.columns import Split


def split_of(counts: list[int], side: int = 3) -> Split:
    """A split whose image number i is filled with i, with classes of these sizes, mixed."""
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)) * 10, counts))
    x = np.zeros((len(labels), 1, side, side), np.uint8) + np.arange(len(labels), dtype=np.uint8)[:, None, None, None]
    return Split({"x": x, "label": labels})


def draw(batches: ClassBatches, count: int, batch_size: int, seed: int = 0) -> list[dict[str, Any]]:
    stream = batches.shuffled(batch_size, torch.Generator().manual_seed(seed))
    return [next(stream) for _ in range(count)]


def test_a_batch_has_as_many_different_images_of_each_of_its_classes() -> None:
    split = split_of([5, 4, 9, 4, 20])
    batches = ClassBatches(split, "cpu", per_class=4)
    for batch in draw(batches, 30, batch_size=13):
        rows = batch["x"][:, 0, 0, 0].long().numpy()
        true = np.asarray(split.columns["label"])[rows] // 10
        assert true.tolist() == batch["label"].tolist()
        assert sorted(np.unique(true, return_counts=True)[1].tolist()) == [4, 4, 4]
        assert len(set(rows.tolist())) == 12


def test_every_example_is_drawn_equally_often_within_its_class() -> None:
    batches = ClassBatches(split_of([5, 7]), "cpu", per_class=3)
    rows = torch.cat([batch["x"][:, 0, 0, 0] for batch in draw(batches, 1000, batch_size=6)])
    counts = np.bincount(rows.numpy(), minlength=12)
    labels = np.asarray(split_of([5, 7]).columns["label"])
    for label, size in ((0, 5), (10, 7)):
        expected = 1000 * 3 / size  # std of a binomial: below 23
        assert np.abs(counts[labels == label] - expected).max() < 115


def test_a_class_with_one_image_repeats_it() -> None:
    batches = ClassBatches(split_of([1, 2, 6]), "cpu", per_class=4)
    (batch,) = draw(batches, 1, batch_size=12)
    rows = {label: batch["x"][batch["label"] == label, 0, 0, 0].tolist() for label in range(3)}
    assert len(set(rows[0])) == 1
    assert len(set(rows[1])) == 2
    assert len(set(rows[2])) == 4


def test_turned_classes_are_classes_of_their_own() -> None:
    columns = {"x": np.arange(18, dtype=np.uint8).reshape(2, 1, 3, 3), "label": np.array([0, 1])}
    batches = ClassBatches(Split(columns), "cpu", per_class=2, turns=4)
    assert batches.classes == 8
    (batch,) = draw(batches, 1, batch_size=16)
    assert sorted(batch["label"].tolist()) == sorted(2 * list(range(8)))
    for image, label in zip(batch["x"], batch["label"].tolist(), strict=True):
        assert np.array_equal(image[0].numpy(), np.rot90(columns["x"][label % 2, 0], label // 2))


def test_images_turn_counterclockwise() -> None:
    image = torch.tensor([[[[1, 2], [3, 4]]]])
    assert turned(image.repeat(4, 1, 1, 1), torch.arange(4))[:, 0].flatten(1).tolist() == [
        [1, 2, 3, 4],
        [2, 4, 1, 3],
        [4, 3, 2, 1],
        [3, 1, 4, 2],
    ]


def test_only_the_rows_of_the_split_are_drawn() -> None:
    whole = split_of([4, 4, 4])
    rows = np.flatnonzero(np.asarray(whole.columns["label"]) != 10)
    batches = ClassBatches(Split(whole.columns, rows), "cpu", per_class=2)
    drawn = {int(row) for batch in draw(batches, 40, batch_size=4) for row in batch["x"][:, 0, 0, 0]}
    assert drawn == set(rows.tolist())


def test_one_seed_gives_one_order_and_an_epoch_is_as_many_images_as_train_has() -> None:
    batches = ClassBatches(split_of([5, 5, 5]), "cpu", per_class=2)
    one, same, other = (draw(batches, 6, batch_size=4, seed=seed) for seed in (0, 0, 1))
    assert all(torch.equal(a["x"], b["x"]) for a, b in zip(one, same, strict=True))
    assert not all(torch.equal(a["x"], b["x"]) for a, b in zip(one, other, strict=True))
    assert batches.steps(4) == 4  # 15 images, four in a batch
    assert batches.steps(100) == 3  # six in a batch: there are three classes


def test_batches_with_nothing_to_tell_apart_are_refused() -> None:
    with pytest.raises(DamagedDataError, match="train has one class"):
        ClassBatches(split_of([5]), "cpu", per_class=2)
    with pytest.raises(RecipeError, match="set batch_size=8 or more"):
        ClassBatches(split_of([5, 5]), "cpu", per_class=4).steps(7)
    columns = {"x": np.zeros((4, 1, 2, 3), np.uint8), "label": np.array([0, 0, 1, 1])}
    with pytest.raises(DamagedDataError, match="3x2 pixels cannot be turned: set turns=false"):
        ClassBatches(Split(columns), "cpu", per_class=2, turns=4)

"""The drawn shapes: the same everywhere, evenly spread, and distinguished by their outlines only."""

from __future__ import annotations

import numpy as np
import pytest
from zoo_cifar10.drawn import CLASSES, Array, Shapes

from zoo_core import Context, UnknownSplitError


class FewShapes(Shapes):
    """The first shapes of each split: a picture does not depend on how many there are."""

    sizes = {"train": 600, "test": 300}


@pytest.fixture(scope="module")
def few() -> dict[str, dict[str, Array]]:
    return {split: FewShapes(Context()).load(split) for split in FewShapes.sizes}


def test_the_columns_have_the_promised_form(few: dict[str, dict[str, Array]]) -> None:
    x, y = few["train"]["x"], few["train"]["y"]
    assert (x.shape, x.dtype) == ((600, *Shapes.signature.input_shape), np.uint8)
    assert (y.shape, y.dtype) == ((600,), np.int64)
    assert Shapes.sizes == {"train": 6000, "test": 2000}


def test_two_loads_give_the_same_pixels(few: dict[str, dict[str, Array]]) -> None:
    assert np.array_equal(FewShapes(Context()).load("test")["x"], few["test"]["x"])


def test_no_picture_of_train_is_in_test(few: dict[str, dict[str, Array]]) -> None:
    pictures = [{picture.tobytes() for picture in few[split]["x"]} for split in ("train", "test")]
    assert len(pictures[0] | pictures[1]) == 900


def test_every_class_is_equally_often_in_every_split(few: dict[str, dict[str, Array]]) -> None:
    assert np.bincount(few["train"]["y"]).tolist() == [60] * len(CLASSES)
    assert np.bincount(few["test"]["y"]).tolist() == [30] * len(CLASSES)


def test_there_is_no_val_split_of_the_shapes_own() -> None:
    with pytest.raises(UnknownSplitError, match="'val', only train and test"):
        Shapes(Context()).load("val")


@pytest.mark.parametrize("cue", ["mean colour", "mean picture"])
def test_what_a_class_looks_like_on_average_does_not_tell_it(few: dict[str, dict[str, Array]], cue: str) -> None:
    axes = (2, 3) if cue == "mean colour" else (1,)  # of pixels, or of channels, which leaves the place
    train, test = (few[split]["x"].mean(axes).reshape(len(few[split]["x"]), -1) for split in ("train", "test"))
    means = np.stack([train[few["train"]["y"] == label].mean(0) for label in range(len(CLASSES))])
    nearest = ((test[:, None] - means) ** 2).sum(2).argmin(1)
    assert (nearest == few["test"]["y"]).mean() < 0.18  # chance: 0.1, give or take 0.02

"""The drawn hands: the same everywhere, evenly spread, and no sign told by its colour or its place."""

from __future__ import annotations

import numpy as np
import pytest
from zoo_classics.drawn import CLASSES, STRETCHED, THUMB, Array, DrawnHands

from zoo_core import Context, UnknownSplitError


class FewHands(DrawnHands):
    """The first hands of each split: a picture does not depend on how many there are."""

    sizes = {"train": 12, "val": 1, "test": 8}


@pytest.fixture(scope="module")
def few() -> dict[str, dict[str, Array]]:
    return {split: FewHands(Context()).load(split) for split in FewHands.sizes}


def test_the_columns_have_the_promised_form(few: dict[str, dict[str, Array]]) -> None:
    x, y = few["train"]["x"], few["train"]["y"]
    assert (x.shape, x.dtype) == ((120, *DrawnHands.signature.input_shape), np.uint8)
    assert (y.shape, y.dtype) == ((120,), np.int64)
    assert {split: np.bincount(columns["y"]).tolist() for split, columns in few.items()} == {
        split: [count] * 10 for split, count in FewHands.sizes.items()
    }


def test_two_loads_give_the_same_pixels_and_no_hand_is_in_two_splits(few: dict[str, dict[str, Array]]) -> None:
    assert np.array_equal(FewHands(Context()).load("val")["x"], few["val"]["x"])
    assert len({hand.tobytes() for columns in few.values() for hand in columns["x"]}) == 10 * (12 + 1 + 8)


def test_an_unknown_split_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownSplitError, match="'valid', only train, val, test"):
        DrawnHands(Context()).load("valid")


def test_ten_digits_are_ten_poses() -> None:
    assert len({(STRETCHED[sign], THUMB[sign]) for sign in CLASSES}) == len(CLASSES) == DrawnHands.signature.outputs


@pytest.mark.parametrize("look", ["the mean colour", "the place"])
def test_neither_colour_nor_place_tells_the_sign(few: dict[str, dict[str, Array]], look: str) -> None:
    """The nearest class by the mean colour, or by the picture at 4x4, is right for far less than half; chance: 10 %."""
    cells = 1 if look == "the mean colour" else 4

    def small(x: Array) -> Array:
        means: Array = x.reshape(len(x), 3, cells, 64 // cells, cells, 64 // cells).mean((3, 5))
        return means.reshape(len(x), -1)

    train, test = (small(few[split]["x"]) for split in ("train", "test"))
    means = np.stack([train[few["train"]["y"] == label].mean(0) for label in range(10)])
    nearest = ((test[:, None] - means) ** 2).sum(2).argmin(1)
    assert (nearest == few["test"]["y"]).mean() < 0.3

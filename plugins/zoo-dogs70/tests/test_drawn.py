"""The drawn dogs: the same everywhere, evenly spread, and no breed identified by one trait or by its colour."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from zoo_dogs70.drawn import BREEDS, CLASSES, Array, DrawnDogs

from zoo_core import Context, UnknownSplitError


class FewDogs(DrawnDogs):
    """The first dogs of each split: a picture does not depend on how many there are."""

    sizes = {"train": 4, "val": 1, "test": 1}


@pytest.fixture(scope="module")
def few() -> dict[str, dict[str, Array]]:
    return {split: FewDogs(Context()).load(split) for split in FewDogs.sizes}


def test_the_columns_have_the_promised_form(few: dict[str, dict[str, Array]]) -> None:
    x, y = few["train"]["x"], few["train"]["y"]
    assert (x.shape, x.dtype) == ((280, *DrawnDogs.signature.input_shape), np.uint8)
    assert (y.shape, y.dtype) == ((280,), np.int64)
    assert DrawnDogs.sizes == {"train": 40, "val": 8, "test": 12}


def test_two_loads_give_the_same_pixels(few: dict[str, dict[str, Array]]) -> None:
    assert np.array_equal(FewDogs(Context()).load("val")["x"], few["val"]["x"])


def test_no_dog_is_in_two_splits(few: dict[str, dict[str, Array]]) -> None:
    assert len({picture.tobytes() for columns in few.values() for picture in columns["x"]}) == 70 * (4 + 1 + 1)


def test_every_breed_is_equally_often_in_every_split(few: dict[str, dict[str, Array]]) -> None:
    for split, count in FewDogs.sizes.items():
        assert np.bincount(few[split]["y"]).tolist() == [count] * 70


def test_an_unknown_split_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownSplitError, match="'valid', only train, val, test"):
        DrawnDogs(Context()).load("valid")


def test_seventy_breeds_have_seventy_names() -> None:
    assert len(set(CLASSES)) == len(CLASSES) == DrawnDogs.signature.outputs == 70


def test_no_trait_alone_tells_a_breed() -> None:
    for trait in range(3):
        breeds_with_it = Counter(breed[trait] for breed in BREEDS)
        assert min(breeds_with_it.values()) >= 10


def test_the_mean_colour_does_not_tell_the_breed(few: dict[str, dict[str, Array]]) -> None:
    train, test = few["train"]["x"].mean((2, 3)), few["test"]["x"].mean((2, 3))
    means = np.stack([train[few["train"]["y"] == label].mean(0) for label in range(70)])
    nearest = ((test[:, None] - means) ** 2).sum(2).argmin(1)
    assert (nearest == few["test"]["y"]).mean() < 0.1  # 7 of 70 right; by chance it would be 1

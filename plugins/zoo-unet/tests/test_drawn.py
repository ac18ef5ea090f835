"""The drawn pictures: the same everywhere, each class there, and no threshold tells the membranes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter
from zoo_unet.drawn import IGNORED, STREET_CLASSES, Array, DrawnCells, DrawnStreets
from zoo_unet.masks import chance_levels

from zoo_core import Context, UnknownSplitError


class FewCells(DrawnCells):
    counts = {"train": 6, "test": 8}


class FewStreets(DrawnStreets):
    counts = {"train": 6, "test": 12}


@pytest.fixture(scope="module", params=[FewCells, FewStreets])
def few(request: pytest.FixtureRequest) -> Any:
    return request.param(Context())


def test_the_columns_have_the_promised_form(few: Any) -> None:
    for split, count in few.counts.items():
        columns = few.load(split)
        assert columns["x"].shape == (count, *few.signature.input_shape)
        assert columns["y"].shape == (count, *few.signature.input_shape[1:])
        assert columns["x"].dtype == columns["y"].dtype == np.uint8
        known = {*range(few.signature.outputs), few.signature.extra.get("ignore_index", 0)}
        assert set(np.unique(columns["y"]).tolist()) <= known


def test_two_loads_give_the_same_pixels_and_no_picture_is_in_both_splits(few: Any) -> None:
    first, second, test = few.load("train"), few.load("train"), few.load("test")
    assert all(np.array_equal(first[name], second[name]) for name in ("x", "y"))
    assert not any(np.array_equal(a, b) for a in first["x"] for b in test["x"])


def test_every_class_is_in_every_split_and_edges_are_ignored() -> None:
    for split in FewStreets.counts:
        y = FewStreets(Context()).load(split)["y"]
        assert set(np.unique(y).tolist()) == {*range(len(STREET_CLASSES)), IGNORED}
        assert 0.02 < (y == IGNORED).mean() < 0.15


def dice(predictions: Array, targets: Array) -> float:
    return float(2 * (predictions & targets).sum() / (predictions.sum() + targets.sum()))


def test_no_threshold_tells_the_membranes() -> None:
    columns = FewCells(Context()).load("test")
    blurred = np.stack([np.asarray(Image.fromarray(x[0]).filter(ImageFilter.GaussianBlur(1.2))) for x in columns["x"]])
    targets = columns["y"] == 1
    assert max(dice(blurred < level, targets) for level in range(0, 256, 4)) < 0.7
    assert 0.15 < targets.mean() < 0.35


@pytest.mark.parametrize("loader", [DrawnCells, DrawnStreets])
def test_the_chance_level_is_that_of_the_shares_in_test(loader: Any) -> None:
    y = loader(Context()).load("test")["y"]
    counts = np.bincount(y.ravel(), minlength=256)[: loader.signature.outputs]
    expected = chance_levels(counts / counts.sum())
    for metric, value in loader.signature.extra["chance"].items():
        assert value == pytest.approx(expected[metric], abs=0.01)


def test_there_is_no_val_split_of_its_own(few: Any) -> None:
    with pytest.raises(UnknownSplitError, match="'val', only train and test"):
        few.load("val")

"""The stick figures: the same everywhere, people in one split, bodies that hold together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from zoo_pose.drawn import CLASSES, TAKES, StickFigures, limb
from zoo_pose.skeletons import KINECT_20

from zoo_core import Context, UnknownSplitError
from zoo_core.data.columns import Ragged


class FewFigures(StickFigures):
    people = {"train": 2, "test": 1}


@pytest.fixture(scope="module")
def few() -> dict[str, dict[str, Any]]:
    return {split: FewFigures(Context()).load(split) for split in FewFigures.people}


def test_the_columns_have_the_promised_form(few: dict[str, dict[str, Any]]) -> None:
    for split, people in FewFigures.people.items():
        x, y, group = (few[split][name] for name in ("x", "y", "group"))
        assert isinstance(x, Ragged)
        assert x.values.shape[1:] == StickFigures.signature.input_shape[1:] == (20, 3)
        assert x.values.dtype == np.float32
        assert len(x) == len(y) == len(group) == people * TAKES * len(CLASSES)
        assert y.dtype == group.dtype == np.int64
        assert np.bincount(y).tolist() == [people * TAKES] * len(CLASSES)


def test_two_loads_give_the_same_numbers(few: dict[str, dict[str, Any]]) -> None:
    assert np.array_equal(FewFigures(Context()).load("test")["x"].values, few["test"]["x"].values)


def test_nobody_is_in_two_splits(few: dict[str, dict[str, Any]]) -> None:
    assert not set(few["train"]["group"].tolist()) & set(few["test"]["group"].tolist())


def test_there_is_no_val_split_of_the_figures_own() -> None:
    with pytest.raises(UnknownSplitError, match="'val', only train and test"):
        StickFigures(Context()).load("val")


def test_every_sequence_is_long_enough_for_a_window_of_motion_or_nearly_so(few: dict[str, dict[str, Any]]) -> None:
    lengths = np.diff(few["train"]["x"].offsets)
    assert lengths.min() >= 22
    assert (lengths >= 23).mean() > 0.7


def test_bones_keep_their_length_but_for_the_noise(few: dict[str, dict[str, Any]]) -> None:
    names = KINECT_20["joints"]
    upper, lower = names.index("left hip"), names.index("left knee")
    for row in range(len(few["test"]["x"])):
        frames = few["test"]["x"][row]
        lengths = np.linalg.norm(frames[:, upper] - frames[:, lower], axis=1)
        assert lengths.std() < 0.05
        assert 0.3 < lengths.mean() < 0.55


def test_a_limb_reaches_its_end_bends_where_it_should_and_is_never_too_long() -> None:
    begin, end = np.zeros((2, 3)), np.array([[0.0, -0.6, 0.0], [0.0, -5.0, 0.0]])
    middle, reached = limb(begin, end, 1.0, np.array([0.0, 0.0, 1.0]))
    assert np.allclose(reached, [[0, -0.6, 0], [0, -0.97, 0]])
    assert np.allclose(middle[0], [0, -0.3, 0.4])  # a triangle of sides 3, 4 and 5
    assert np.allclose(np.linalg.norm(middle - reached, axis=1), 0.5)

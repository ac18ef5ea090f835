"""The drawn signs: the same everywhere, tracks whole and in one split, and the traps that the task teaches."""

from __future__ import annotations

import numpy as np
import pytest
from zoo_traffic_signs.drawn import CLASSES, DESIGNS, FRAMES, Array, DrawnSigns, front

from zoo_core import Context, UnknownSplitError


class FewSigns(DrawnSigns):
    tracks = {"train": 3, "test": 1}


@pytest.fixture(scope="module")
def few() -> dict[str, dict[str, Array]]:
    return {split: FewSigns(Context()).load(split) for split in FewSigns.tracks}


def test_the_columns_have_the_promised_form(few: dict[str, dict[str, Array]]) -> None:
    x, y, group = (few["train"][name] for name in ("x", "y", "group"))
    assert (x.shape, x.dtype) == ((len(CLASSES) * 3 * FRAMES, *DrawnSigns.signature.input_shape), np.uint8)
    assert y.shape == group.shape == (len(x),)
    assert y.dtype == group.dtype == np.int64


def test_two_loads_give_the_same_pixels(few: dict[str, dict[str, Array]]) -> None:
    assert np.array_equal(FewSigns(Context()).load("test")["x"], few["test"]["x"])


def test_every_class_has_equally_many_tracks_in_every_split(few: dict[str, dict[str, Array]]) -> None:
    for split, tracks in FewSigns.tracks.items():
        assert np.bincount(few[split]["y"]).tolist() == [tracks * FRAMES] * len(CLASSES)


def test_a_track_is_five_frames_of_one_class_in_one_split(few: dict[str, dict[str, Array]]) -> None:
    groups = [set(few[split]["group"].tolist()) for split in ("train", "test")]
    assert not groups[0] & groups[1]
    for columns in few.values():
        for group in np.unique(columns["group"]):
            labels = columns["y"][columns["group"] == group]
            assert len(labels) == FRAMES
            assert len(set(labels)) == 1


def test_there_is_no_val_split_of_the_signs_own() -> None:
    with pytest.raises(UnknownSplitError, match="'val', only train and test"):
        DrawnSigns(Context()).load("val")


def test_the_most_similar_picture_is_mostly_of_the_same_track(few: dict[str, dict[str, Array]]) -> None:
    """Why tracks are held out whole: a random part of the frames would be known from their neighbours."""
    x = few["train"]["x"].reshape(len(few["train"]["x"]), -1).astype(float)
    distances = (x**2).sum(1)[:, None] - 2 * x @ x.T + (x**2).sum(1)
    np.fill_diagonal(distances, np.inf)
    group = few["train"]["group"]
    assert (group[distances.argmin(1)] == group).mean() > 0.8


@pytest.mark.parametrize("pair", [("turn left", "turn right"), ("bend left", "bend right")])
def test_a_flipped_sign_can_be_a_sign_of_another_class(pair: tuple[str, str]) -> None:
    left, right = (np.asarray(front(DESIGNS[name])).astype(int) for name in pair)
    assert np.abs(left[:, ::-1] - right).mean() < 2
    assert np.abs(left - right).mean() > 5


def test_the_speed_limits_differ_in_their_first_digit_only() -> None:
    one, other = (np.asarray(front(DESIGNS[name])).astype(int) for name in ("limit 20", "limit 50"))
    columns = np.flatnonzero((one != other).any((0, 2)))
    assert columns.min() > 10
    assert columns.max() < 64 + 5

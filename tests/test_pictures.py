"""Pictures of a model's results."""

from __future__ import annotations

import numpy as np
import pytest

from zoo_core.pictures import BLUE, ORANGE, PAPER, scatter


def test_a_point_is_drawn_in_its_colour_where_it_lies_in_the_box() -> None:
    picture = scatter([(np.array([[0.25, 0.75]]), ORANGE)], size=(116, 128), box=(0.0, 1.0, 0.0, 1.0))
    assert picture.shape == (128, 116, 3)
    assert picture[33, 33] == pytest.approx(ORANGE, abs=20)  # 8 + 0.25 * (116 - 16), 8 + 0.25 * (128 - 8 - 20)
    assert tuple(picture[60, 60]) == PAPER


def test_a_later_layer_is_on_top_and_points_that_are_not_finite_or_outside_are_dropped() -> None:
    odd = np.array([[np.nan, 0.5], [np.inf, 0.5], [5.0, 0.5]])
    point = np.array([[0.5, 0.5]])
    picture = scatter([(point, ORANGE), (odd, ORANGE), (point, BLUE)], size=(116, 128), box=(0.0, 1.0, 0.0, 1.0))
    assert picture[58, 58] == pytest.approx(BLUE, abs=20)
    reddish = picture[:, :, 0].astype(int) - picture[:, :, 2]
    assert reddish.max() < 9


def test_one_point_or_none_still_gives_a_picture() -> None:
    for points in (np.zeros((0, 2)), np.array([[3.0, 3.0]]), np.full((2, 2), np.nan)):
        assert scatter([(points, ORANGE)], size=(80, 60)).shape == (60, 80, 3)

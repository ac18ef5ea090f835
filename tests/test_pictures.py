"""Pictures of a model's results."""

from __future__ import annotations

import numpy as np
import pytest

from zoo_core.pictures import BLUE, ORANGE, PALETTE, PAPER, scatter


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


def test_a_label_is_written_around_its_place_and_on_top_of_the_points() -> None:
    box, size = (0.0, 1.0, 0.0, 1.0), (216, 228)
    points = np.stack(np.meshgrid(np.linspace(0, 1, 40), np.linspace(0, 1, 40)), axis=-1).reshape(-1, 2)
    plain, labelled = (
        scatter([(points, ORANGE)], size=size, box=box, labels=labels) for labels in ((), [(0.25, 0.75, "7")])
    )
    rows, columns = np.nonzero((plain != labelled).any(axis=2))
    middle = (8 + 0.25 * (228 - 28), 8 + 0.25 * (216 - 16))  # of the text: row and column
    assert (rows.min() + rows.max()) / 2 == pytest.approx(middle[0], abs=3)
    assert (columns.min() + columns.max()) / 2 == pytest.approx(middle[1], abs=3)
    assert (labelled.min(axis=2) < 60).any()


def test_the_colours_of_classes_are_ten_and_none_is_as_pale_as_the_paper() -> None:
    assert len(set(PALETTE)) == 10
    assert all(min(colour) < 150 for colour in PALETTE)

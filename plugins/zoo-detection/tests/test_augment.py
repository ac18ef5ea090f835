"""Views: boxes move with the pixels, and what is cut off at a border is no object."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchvision import tv_tensors
from torchvision.transforms import v2
from zoo_detection.augment import Views, cut_boxes, moved_boxes, saturation, view
from zoo_detection.canvas import PADDING
from zoo_detection.plugin import RECIPE
from zoo_detection.task import targets_of

from zoo_core import Context, Param, Recipe

HEIGHT, WIDTH = 64, 96
OFF: dict[str, Any] = {
    key: RECIPE[key].default if isinstance(RECIPE[key], Param) else RECIPE[key]
    for key in ("zoom", "flip", "min_visible", "contrast", "brightness", "saturation")
}


def picture_with(box: tuple[int, int, int, int]) -> Tensor:
    x = torch.full((1, 3, HEIGHT, WIDTH), float(PADDING))
    x[:, :, box[1] : box[3], box[0] : box[2]] = 255.0
    return x


def batch(x: Tensor, boxes: list[list[list[float]]], crowd: list[list[int]] | None = None) -> dict[str, Tensor]:
    longest = max(map(len, boxes))
    filled = [rows + [[0.0] * 4] * (longest - len(rows)) for rows in boxes]
    marks = crowd or [[0] * len(rows) for rows in boxes]
    return {
        "x": x,
        "boxes": torch.tensor(filled).reshape(len(boxes), longest, 4),
        "boxes_lengths": torch.tensor([len(rows) for rows in boxes]),
        "labels": torch.zeros(len(boxes), longest, dtype=torch.int64),
        "crowd": torch.tensor([rows + [0] * (longest - len(rows)) for rows in marks], dtype=torch.uint8),
        "size": torch.tensor([[HEIGHT, WIDTH]] * len(boxes)),
    }


def views(seed: int = 0, **changes: Any) -> Views:
    generator = torch.Generator().manual_seed(seed)
    return Views(Recipe({**OFF, **changes}), Context(generator=generator))


@settings(max_examples=40, deadline=None)
@given(
    left=st.integers(0, 70),
    top=st.integers(0, 40),
    width=st.integers(8, 40),
    height=st.integers(8, 30),
    corner=st.tuples(st.floats(-40, 40), st.floats(-40, 40)),
    scale=st.floats(0.6, 1.8),
    mirrored=st.booleans(),
)
def test_a_box_lies_where_its_pixels_lie_in_every_view(
    left: int, top: int, width: int, height: int, corner: tuple[float, float], scale: float, mirrored: bool
) -> None:
    box = (left, top, min(WIDTH, left + width), min(HEIGHT, top + height))
    where = torch.tensor([corner]), torch.tensor([scale]), torch.tensor([mirrored])
    seen = view(picture_with(box), *where)[0, 0] > (255 + PADDING) / 2
    moved = moved_boxes(torch.tensor([[box]], dtype=torch.float32), *where, WIDTH)
    cut, visible = cut_boxes(moved, HEIGHT, WIDTH, min_visible=0.0)
    if not bool(visible):
        assert int(seen.any(0).sum()) <= 3 or int(seen.any(1).sum()) <= 3
        return
    rows, columns = seen.any(1).nonzero(), seen.any(0).nonzero()
    actual = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    torch.testing.assert_close(torch.stack(actual).float(), cut[0, 0], atol=1.01, rtol=0)


def test_a_mirrored_view_is_torchvisions() -> None:
    x, boxes = picture_with((10, 20, 40, 50)), torch.tensor([[10.0, 20.0, 40.0, 50.0]])
    where = torch.zeros(1, 2), torch.ones(1), torch.tensor([True])
    expected = v2.functional.horizontal_flip(
        tv_tensors.BoundingBoxes(boxes, format="XYXY", canvas_size=(HEIGHT, WIDTH))
    )
    torch.testing.assert_close(view(x, *where), v2.functional.horizontal_flip(x))
    torch.testing.assert_close(moved_boxes(boxes[None], *where, WIDTH)[0], torch.as_tensor(expected))


def test_a_box_of_which_too_little_is_left_is_dropped() -> None:
    boxes = torch.tensor([[-6.0, 0, 4, 10], [-5, 0, 5, 10], [90, 60, 100, 70], [200, 0, 210, 10], [10, 10, 11, 60]])
    cut, visible = cut_boxes(boxes, HEIGHT, WIDTH, min_visible=0.45)
    assert visible.tolist() == [False, True, False, False, False]  # shares 0.4, 0.5, 0.24, 0; the last is a pixel wide
    assert cut[1].tolist() == [0, 0, 5, 10]
    assert cut_boxes(boxes, HEIGHT, WIDTH, min_visible=0.2)[1].tolist() == [True, True, True, False, False]


def test_crowd_objects_and_padding_are_not_trained_on() -> None:
    boxes: list[list[list[float]]] = [[[0.0, 0, 20, 20], [30, 30, 60, 60]], [[5.0, 5, 50, 50]], []]
    data = batch(torch.zeros(3, 3, HEIGHT, WIDTH), boxes, crowd=[[1, 0], [0], []])
    targets = targets_of(views()(data))
    assert [target["boxes"].tolist() for target in targets] == [[[30, 30, 60, 60]], [[5, 5, 50, 50]], []]
    assert [target["labels"].shape for target in targets] == [(1,), (1,), (0,)]


def test_without_augmentation_pictures_and_boxes_stay() -> None:
    data = batch(picture_with((10, 20, 40, 50)), [[[10.0, 20, 40, 50]]])
    seen = views()(data)
    assert torch.equal(seen["x"], data["x"])
    assert torch.equal(seen["boxes"], data["boxes"])


def test_each_picture_draws_its_own_view_and_a_seed_repeats_it() -> None:
    data = batch(picture_with((10, 20, 40, 50)).repeat(8, 1, 1, 1), [[[10.0, 20, 40, 50]]] * 8)
    first, again, other = (views(seed, zoom=0.5, flip=True, contrast=0.3)(data) for seed in (1, 1, 2))
    assert torch.equal(first["x"], again["x"])
    assert not torch.equal(first["x"], other["x"])
    assert len({tuple(box) for box in first["boxes"][:, 0].tolist()}) == 8


def test_a_view_larger_than_the_picture_shows_all_of_it_and_a_smaller_one_nothing_else() -> None:
    """The picture is the left half of its canvas. Its box is as large as itself."""
    half = WIDTH // 2
    data = batch(torch.zeros(64, 3, HEIGHT, WIDTH), [[[0.0, 0.0, half, HEIGHT]]] * 64)
    data["size"] = torch.tensor([[HEIGHT, half]] * 64)
    augment = views(zoom=0.9, min_visible=0.0)
    corner, scale, _ = augment._draw_view(data["x"], data["size"])
    for axis, (picture, canvas) in enumerate(((half, WIDTH), (HEIGHT, HEIGHT))):
        begins, ends = corner[:, axis], corner[:, axis] + canvas / scale
        larger = canvas / scale >= picture
        assert bool(((begins <= 1e-3) & (ends >= picture - 1e-3))[larger].all())
        assert bool(((begins >= -1e-3) & (ends <= picture + 1e-3))[~larger].all())


@pytest.mark.parametrize("factor", [0.0, 1.0])
def test_saturation_0_is_grey_and_1_changes_nothing(factor: float) -> None:
    x = torch.rand(2, 3, 4, 4) * 255
    expected = x if factor else x.mean(1, keepdim=True).expand_as(x)
    torch.testing.assert_close(saturation(x, torch.full((2,), factor)), expected)

"""Elastic distortions, and the images that stay as they are."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from zoo_metric_learning.augment import Views, elastic
from zoo_metric_learning.plugin import RECIPE

from zoo_core import Context, Recipe
from zoo_core.recipe import as_param

DEFAULTS = {key: as_param(value).default for key, value in RECIPE.items()}


def views(images: torch.Tensor, **changes: Any) -> torch.Tensor:
    ctx = Context(generator=torch.Generator().manual_seed(0))
    return Views(Recipe({**DEFAULTS, **changes}), ctx)({"x": images})


def test_equal_moves_shift_an_image_by_so_many_pixels() -> None:
    image = torch.rand(1, 1, 12, 10)
    moves = torch.tensor([2.0, -1.0]).view(1, 2, 1, 1).expand(1, 2, 4, 4)  # two to the right, one up
    moved = elastic(image, moves)
    assert moved[:, :, :-1, 2:].numpy() == pytest.approx(image[:, :, 1:, :-2].numpy(), abs=1e-5)
    assert elastic(image, torch.zeros(1, 2, 4, 4)).numpy() == pytest.approx(image.numpy(), abs=1e-5)


def test_a_corner_moves_by_itself() -> None:
    image = torch.arange(20.0).expand(1, 1, 20, 20)  # a level is its column
    moves = torch.zeros(1, 2, 4, 4)
    moves[0, 0, 0, 0] = 1.5
    change = (elastic(image, moves) - image)[0, 0]
    assert change[:3, 3:6].mean() < -0.3
    assert change[12:, 12:].abs().max() < 1e-3


def test_without_keys_the_images_stay_as_they_are() -> None:
    images = torch.randint(0, 256, (4, 1, 9, 9), dtype=torch.uint8)
    assert torch.equal(views(images), images)


def test_some_images_are_untouched_and_the_others_are_not() -> None:
    images = torch.randint(0, 256, (400, 1, 9, 9), dtype=torch.uint8)
    changed = views(images, elastic=2.0, rotate=10.0, untouched=0.25)
    same = (changed == images).flatten(1).all(1)
    assert 60 < int(same.sum()) < 140  # 100 expected, std below 9
    assert torch.equal(changed, views(images, elastic=2.0, rotate=10.0, untouched=0.25))

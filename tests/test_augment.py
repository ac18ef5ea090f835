"""Augmentation agrees with torchvision's transforms, draws parameters for each image, and keeps to its ranges."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as tv

from zoo_core.kinds import AUGMENTATION, KINDS, augment
from zoo_core.kinds.augment import Augmentation, blur, brightness, contrast, cutmix, mixup, recolour, shift, warp
from zoo_core.kinds.image_classification import ImageObjective
from zoo_core.protocols import Context
from zoo_core.recipe import Recipe, as_param, resolve_recipe
from zoo_core.specs import Signature

PARTS = ("crop", "flip", "recolour", "rotate", "zoom", "shear", "contrast", "brightness", "blur")  # a draw an image
STRENGTHS: dict[str, Any] = {
    **{"crop": 3, "flip": True, "recolour": True, "rotate": 30.0, "zoom": 0.3, "shear": 20.0},
    **{"contrast": 0.5, "brightness": 0.5, "blur": 1.5, "mixup": 0.8, "cutmix": 1.0},
}
SIGNATURE = Signature(input_shape=(3, 8, 6), outputs=4, mean=(0.5,) * 3, std=(0.2,) * 3)


def random_images(*shape: int) -> Tensor:
    """Noise, uint8."""
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def image_recipe(**values: object) -> Recipe:
    params = {key: as_param(value) for key, value in KINDS["image-classification"].recipe.items()}
    return resolve_recipe(params, None, values)


def context(seed: int = 0) -> Context:
    return Context(seed=seed, generator=torch.Generator().manual_seed(seed))


def augmented(images: Tensor, seed: int = 0, **parts: object) -> dict[str, Tensor]:
    batch = {"x": images, "y": torch.arange(len(images))}
    return Augmentation(image_recipe(**parts), context(seed))(batch)


# Each function, against torchvision


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_shift_is_torchvisions_crop_of_the_reflected_image(dtype: torch.dtype, mirrored: bool) -> None:
    images = random_images(5, 3, 8, 6).to(dtype)
    offsets = [(0, 0), (-4, 3), (4, -4), (-1, -2), (2, 0)]
    top, left = (torch.tensor(side) for side in zip(*offsets, strict=True))
    found = shift(images, top, left, torch.full((5,), mirrored))
    assert found.dtype == dtype
    for image, shifted, (row, column) in zip(images, found, offsets, strict=True):
        window = tv.crop(tv.pad(image, [4, 4], padding_mode="reflect"), row + 4, column + 4, 8, 6)
        assert torch.equal(shifted, tv.horizontal_flip(window) if mirrored else window)


def test_a_shift_mirrors_only_the_images_that_are_selected() -> None:
    images, zero = random_images(3, 1, 4, 4), torch.zeros(3, dtype=torch.long)
    found = shift(images, zero, zero, torch.tensor([True, False, True]))
    assert torch.equal(found, torch.stack([images[0].flip(2), images[1], images[2].flip(2)]))


@pytest.mark.parametrize("reach", [7, 20])
def test_a_shift_beyond_the_image_is_reflected_again_and_again(reach: int) -> None:
    row = torch.arange(4).view(1, 1, 1, 4)
    found = shift(row, torch.tensor([reach]), torch.tensor([reach]), torch.tensor([False]))
    endless = np.pad(np.arange(4), (0, 40), mode="reflect")
    assert found.flatten().tolist() == endless[reach : reach + 4].tolist()


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_recolouring_is_torchvisions_permutation_of_channels(dtype: torch.dtype) -> None:
    orders = list(itertools.permutations(range(3)))
    images = random_images(6, 3, 4, 5).to(dtype)
    expected = [tv.permute_channels(image, list(order)) for image, order in zip(images, orders, strict=True)]
    assert torch.equal(recolour(images, torch.tensor(orders)), torch.stack(expected))


WARPS = [(0.0, 1.0, 0.0), (25.0, 1.0, 0.0), (-40.0, 1.0, 0.0), (0.0, 1.3, 0.0), (0.0, 0.7, 0.0), (0.0, 1.0, 20.0)]
WARPS += [(15.0, 1.2, 10.0), (-20.0, 0.8, -15.0), (90.0, 1.1, 5.0)]


@pytest.mark.parametrize("size", [(16, 16), (12, 20)])
def test_a_warp_is_torchvisions_affine_where_that_looks_inside_the_image(size: tuple[int, int]) -> None:
    images = random_images(len(WARPS), 3, *size).float()
    angle, scale, shear = (torch.tensor(values) for values in zip(*WARPS, strict=True))
    found = warp(images, angle, scale, shear)
    for image, warped, (degrees, factor, slant) in zip(images, found, WARPS, strict=True):

        def affine(picture: Tensor, parameters: tuple[float, float, float] = (degrees, factor, slant)) -> Tensor:
            turn, zoom, along_x = parameters
            mode = v2.InterpolationMode.BILINEAR
            return tv.affine(picture, turn, [0, 0], zoom, [along_x, 0.0], interpolation=mode, fill=0)

        inside = affine(torch.ones_like(image)) > 1 - 1e-4
        assert inside.float().mean() > 0.25
        torch.testing.assert_close(warped[inside], affine(image)[inside], atol=0.02, rtol=0)


def test_a_warp_by_nothing_is_the_image_and_its_border_is_never_black() -> None:
    images = random_images(2, 1, 9, 7).float()
    zero, one = torch.zeros(2), torch.ones(2)
    torch.testing.assert_close(warp(images, zero, one, zero), images, atol=0.01, rtol=0)
    white = torch.full((2, 1, 9, 7), 255.0)
    turned = warp(white, torch.tensor([45.0, 10.0]), 0.5 * one, torch.tensor([0.0, 30.0]))
    torch.testing.assert_close(turned, white)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("ours", "theirs"), [(contrast, tv.adjust_contrast), (brightness, tv.adjust_brightness)])
def test_contrast_and_brightness_are_torchvisions(
    ours: Callable[[Tensor, Tensor], Tensor], theirs: Callable[[Tensor, float], Tensor], channels: int
) -> None:
    images = torch.rand(4, channels, 8, 6, generator=torch.Generator().manual_seed(0))
    factors = torch.tensor([0.0, 0.4, 1.0, 1.8])
    found = ours(255 * images, factors)
    expected = torch.stack([theirs(image, factor) for image, factor in zip(images, factors.tolist(), strict=True)])
    torch.testing.assert_close(found, 255 * expected, atol=0.01, rtol=0)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_blur_is_torchvisions_with_a_kernel_of_twice_the_reach_and_one(channels: int) -> None:
    images = random_images(3, channels, 8, 7).float()
    sigmas = [0.3, 1.0, 2.5]
    found = blur(images, torch.tensor(sigmas), reach=3)
    expected = [tv.gaussian_blur(image, [7, 7], [sigma]) for image, sigma in zip(images, sigmas, strict=True)]
    torch.testing.assert_close(found, torch.stack(expected), atol=0.01, rtol=0)


def test_factors_of_one_and_no_shift_change_no_bit() -> None:
    images, one, zero = random_images(3, 3, 5, 5).float(), torch.ones(3), torch.zeros(3, dtype=torch.long)
    assert torch.equal(contrast(images, one), images)
    assert torch.equal(brightness(images, one), images)
    assert torch.equal(shift(images, zero, zero, zero.bool()), images)
    assert torch.equal(blur(images, torch.full((3,), 1e-3), reach=2), images)


class Fixed:
    """A distribution that always gives one value."""

    def __init__(self, value: float) -> None:
        self._value = value

    def sample(self, shape: object) -> Tensor:
        return torch.tensor(self._value)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_mixup_is_torchvisions(share: float) -> None:
    images, labels = random_images(4, 3, 6, 6).float(), torch.tensor([0, 1, 2, 1])
    transform = v2.MixUp(num_classes=3)
    transform._dist = Fixed(share)
    expected, _ = transform(images, labels)
    torch.testing.assert_close(mixup(images, share), expected)


@pytest.mark.parametrize(("row", "column"), [(5, 4), (0, 0), (9, 7), (2, 6)])
@pytest.mark.parametrize("share", [0.05, 0.4, 0.9])
def test_cutmix_is_torchvisions_also_where_the_box_is_clipped(
    monkeypatch: pytest.MonkeyPatch, share: float, row: int, column: int
) -> None:
    images = random_images(3, 3, 10, 8).float()
    transform = v2.CutMix(num_classes=2)
    transform._dist = Fixed(share)
    places = {8: column, 10: row}  # width, height
    monkeypatch.setattr(torch, "randint", lambda high, size: torch.tensor([places[high]]))
    expected, soft = transform(images, torch.tensor([0, 1, 1]))
    found, left = cutmix(images, share, row, column)
    assert torch.equal(found, expected)
    assert left == pytest.approx(float(soft[0, 0]), abs=1e-6)  # of label 0, the rest is image 2's


# The loss of mixed labels


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_loss_of_mixed_images_is_the_cross_entropy_of_their_soft_labels(share: float, smoothing: float) -> None:
    objective = ImageObjective(SIGNATURE, image_recipe(label_smoothing=smoothing), Context())
    output = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    labels, mixed = torch.tensor([0, 1, 2, 3, 0]), torch.tensor([0, 0, 1, 2, 3])
    loss, score = objective.loss(output, {"y": labels, "y_mixed": mixed, "share": torch.tensor(share)})
    soft = share * F.one_hot(labels, 4) + (1 - share) * F.one_hot(mixed, 4)
    torch.testing.assert_close(loss, F.cross_entropy(output, soft, label_smoothing=smoothing))
    assert float(score) == (output.argmax(1) == labels).float().mean()


@pytest.mark.parametrize("part", ["mixup", "cutmix"])
def test_a_mixed_batch_says_whose_pixels_it_has(part: str) -> None:
    levels = torch.tensor([0, 100, 200], dtype=torch.uint8)
    images = levels.view(3, 1, 1, 1).expand(3, 1, 16, 16)
    batch = augmented(images, seed=1, **{part: 1.0})
    assert batch["y"].tolist() == [0, 1, 2]
    assert batch["y_mixed"].tolist() == [2, 0, 1]
    share = batch["share"]
    assert 0 < share < 1
    expected = share * levels + (1 - share) * levels[batch["y_mixed"]]
    torch.testing.assert_close(batch["x"].mean((1, 2, 3)), expected, atol=0.01, rtol=0)


# The parts together


def test_nothing_asked_for_is_no_augmentation() -> None:
    objective = ImageObjective(SIGNATURE, image_recipe(), context())
    assert objective.augment(image_recipe(), context()) is None
    for part, strength in STRENGTHS.items():
        assert objective.augment(image_recipe(**{part: strength}), context()) is not None, part


def test_parts_of_strength_zero_change_no_bit() -> None:
    images = random_images(4, 3, 8, 6)
    none = augmented(images)
    assert set(none) == {"x", "y"}
    assert none["x"].dtype == torch.uint8
    assert torch.equal(none["x"], images)


@pytest.mark.parametrize("part", STRENGTHS)
def test_one_seed_gives_one_batch_and_another_seed_another(part: str) -> None:
    images = random_images(16, 3, 8, 6)
    first, again, other = (augmented(images, seed, **{part: STRENGTHS[part]}) for seed in (3, 3, 4))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["x"], other["x"])
    assert not torch.equal(first["x"], images)


@pytest.mark.parametrize("part", PARTS)
def test_every_image_draws_its_own_parameters(part: str) -> None:
    same = random_images(1, 3, 12, 12).expand(8, 3, 12, 12)
    found = augmented(same, **{part: STRENGTHS[part]})["x"]
    different = len({image.contiguous().numpy().tobytes() for image in found})
    assert different == 2 if part == "flip" else different > (1 if part == "recolour" else 5)


@pytest.mark.parametrize("channels", [1, 3])
def test_all_parts_together_keep_the_shape_and_the_scale(channels: int) -> None:
    images = 255 * (random_images(32, channels, 9, 11) > 127).to(torch.uint8)  # black and white: the ends of the scale
    for seed in range(4):
        batch = augmented(images, seed, **STRENGTHS)
        assert batch["x"].shape == images.shape
        assert batch["x"].isfinite().all()
        assert -0.01 <= batch["x"].min() <= batch["x"].max() <= 255.01


def test_mixup_and_cutmix_take_turns() -> None:
    images = random_images(1, 1, 8, 8).expand(2, 1, 8, 8) * torch.tensor([0, 1], dtype=torch.uint8).view(2, 1, 1, 1)
    one = Augmentation(image_recipe(mixup=1.0, cutmix=1.0), context())
    batches = [one({"x": images, "y": torch.tensor([0, 1])}) for _ in range(20)]
    cut = [bool(((batch["x"] == images) | (batch["x"] == images.roll(1, 0))).all()) for batch in batches]
    assert 0 < sum(cut) < 20


def drawn(parts: dict[str, Any], seed: int) -> dict[str, Any]:
    """The parameters that an augmentation of 64 images hands to the functions, by function."""
    calls: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        for name in ("shift", "recolour", "warp", "contrast", "brightness", "blur"):

            def record(images: Tensor, *parameters: Any, name: str = name) -> Tensor:
                calls[name] = parameters
                return images

            patch.setattr(augment, name, record)
        augmented(random_images(64, 3, 8, 8), seed, **parts)
    return calls


def within(values: Tensor, low: float, high: float) -> bool:
    return len(values) == 64 and bool(((values >= low - 1e-4) & (values <= high + 1e-4)).all())


strength = st.floats(0, 3, allow_subnormal=False)


@settings(deadline=None, max_examples=60)
@given(
    crop=st.integers(0, 9),
    flips=st.tuples(st.booleans(), st.booleans()),
    rotate=st.floats(0, 180),
    zoom=strength,
    shear=st.floats(0, 60),
    lit=st.tuples(strength, strength, strength),
    seed=st.integers(0, 2**40),
)
def test_parameters_are_drawn_within_what_the_recipe_says(
    crop: int,
    flips: tuple[bool, bool],
    rotate: float,
    zoom: float,
    shear: float,
    lit: tuple[float, float, float],
    seed: int,
) -> None:
    flip, colours = flips
    amount = dict(zip(("contrast", "brightness", "blur"), lit, strict=True))
    placed = {"crop": crop, "flip": flip, "rotate": rotate, "zoom": zoom, "shear": shear}
    calls = drawn({**placed, "recolour": colours, **amount}, seed)
    asked = {"shift": crop or flip, "recolour": colours, "warp": rotate or zoom or shear, **amount}
    assert set(calls) == {name for name, on in asked.items() if on}
    if "shift" in calls:
        top, left, mirrored = calls["shift"]
        assert within(top, -crop, crop)
        assert within(left, -crop, crop)
        assert flip or not mirrored.any()
    if "recolour" in calls:
        assert {tuple(sorted(order)) for order in calls["recolour"][0].tolist()} == {(0, 1, 2)}
    if "warp" in calls:
        angle, scale, slant = calls["warp"]
        assert within(angle, -rotate, rotate)
        assert within(slant, -shear, shear)
        assert within(scale, max(0.1, 1 - zoom), min(1.9, 1 + zoom))
        assert (scale > 0).all()
    for name in ("contrast", "brightness"):
        if name in calls:
            assert within(calls[name][0], max(0.0, 1 - amount[name]), 1 + amount[name])
    if "blur" in calls:
        sigma, reach = calls["blur"]
        assert (sigma > 0).all()
        assert within(sigma, 0, max(1e-3, amount["blur"]))
        assert reach == min(math.ceil(2 * amount["blur"]), 7)


def test_offsets_reach_both_ends_and_about_half_of_the_images_are_mirrored() -> None:
    found = [drawn({"crop": 2, "flip": True}, seed)["shift"] for seed in range(8)]
    top, left, mirrored = (torch.cat(values) for values in zip(*found, strict=True))
    assert sorted(set(top.tolist())) == sorted(set(left.tolist())) == [-2, -1, 0, 1, 2]
    assert 0.4 < mirrored.float().mean() < 0.6
    assert not torch.equal(top, left)


def test_about_half_of_the_images_are_recoloured_in_every_order_and_grey_ones_are_not() -> None:
    orders = torch.cat([drawn({"recolour": True}, seed)["recolour"][0] for seed in range(8)])
    kept = (orders == torch.arange(3)).all(1).float().mean()
    assert 0.5 < kept < 0.66  # a half, and a sixth of the others by chance
    assert len(set(map(tuple, orders.tolist()))) == 6
    grey = random_images(4, 1, 5, 5)
    assert torch.equal(augmented(grey, recolour=True)["x"], grey)


def test_every_part_of_the_recipe_is_tested_here() -> None:
    assert set(STRENGTHS) == set(AUGMENTATION)

"""The task: scores by hand, kernels, pictures, what the models see, and whole trials."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage
from torch import nn
from zoo_sobel.data import to_columns
from zoo_sobel.models.fixed import SOBEL, fixed
from zoo_sobel.models.learned import learned, learned_deep
from zoo_sobel.pictures import filter_pictures, grey_response, weight_colour
from zoo_sobel.task import FilterObjective, kernel_of

from zoo_core import Context, Recipe, Signature

SIGNATURE = Signature(input_shape=(1, 66, 66))
ROUNDING = 1e-6  # of float32, for responses of up to 4
BENCH = ("bench", "sobel", "--device", "cpu", "--json")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def patches(*sizes: tuple[int, int]) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return to_columns([rng.integers(0, 256, size, dtype=np.uint8) for size in sizes])


def batch_of(columns: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(column) for name, column in columns.items()}


def objective() -> FilterObjective:
    return FilterObjective(SIGNATURE, Recipe({}), Context())


# models


def test_the_fixed_filter_is_scipys_up_to_rounding() -> None:
    photo = np.random.default_rng(0).random((40, 50), dtype=np.float32)
    bordered = torch.from_numpy(np.pad(photo, 1, mode="symmetric"))[None, None]
    response = fixed(SIGNATURE)(bordered)[0, 0].numpy()
    assert np.abs(response - ndimage.sobel(photo.astype(np.float64), axis=1)).max() < ROUNDING


def test_the_fixed_filter_is_exact_where_convolutions_are_rounded() -> None:
    """On a GPU with TF32, and under autocast; a CPU shows the second."""
    x = torch.rand(2, 1, 9, 12)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded, response = torch.nn.functional.conv2d(x, torch.tensor(SOBEL)[None, None]), fixed(SIGNATURE)(x)
    expected = ndimage.correlate(x.double().numpy(), np.asarray(SOBEL)[None, None])[:, :, 1:-1, 1:-1]
    assert np.abs(response.numpy() - expected).max() < ROUNDING
    assert np.abs(rounded.float().numpy() - expected).max() > 1000 * ROUNDING


def test_the_fixed_filter_has_nothing_to_train_and_the_learned_one_has_nine_weights() -> None:
    assert list(fixed(SIGNATURE).state_dict()) == []
    assert sum(item.numel() for item in learned(SIGNATURE).parameters()) == 9


@pytest.mark.parametrize("build", [fixed, learned, lambda signature: learned_deep(signature, [4, 4])])
def test_every_model_takes_images_of_any_size_and_sees_nine_pixels(build: Callable[[Signature], nn.Module]) -> None:
    model = build(SIGNATURE)
    x = torch.rand(2, 1, 9, 12)
    changed = x.clone()
    changed[:, :, 4, 5] += 1.0
    with torch.no_grad():
        before, after = model(x), model(changed)
    assert before.shape == (2, 1, 7, 10)
    moved = (before != after).any(0)[0].nonzero()
    assert moved.min(0).values.tolist() >= [2, 3]
    assert moved.max(0).values.tolist() <= [4, 5]


# scores


def test_the_scores_are_the_largest_error_and_the_mean_of_the_squares() -> None:
    columns = patches((64, 128))
    target = columns["y"] / 255
    output = target.copy()
    output[0, 0, 3, 4] += 0.5
    output[1, 0, 7, 8] -= 0.25
    errors = objective().reduce(torch.from_numpy(output), batch_of(columns))
    evaluation = objective().evaluate(errors.numpy(), {})
    assert evaluation.scores["max_error"] == pytest.approx(0.5, abs=ROUNDING)
    assert evaluation.scores["mse"] == pytest.approx((0.25 + 0.0625) / (2 * 64 * 64), rel=1e-5)
    assert evaluation.per_example == {}, "the largest error is no mean, so no example has a share of it"


def test_an_output_that_is_not_finite_stays_so() -> None:
    columns = patches((64, 64))
    output = torch.zeros(1, 1, 64, 64)
    output[0, 0, 0, 0] = torch.nan
    assert objective().reduce(output, batch_of(columns)).isnan().all()


def test_the_loss_of_the_fixed_filter_is_zero_up_to_rounding() -> None:
    batch = batch_of(patches((64, 64), (70, 90)))
    output = fixed(SIGNATURE)(objective().inputs(batch))
    assert output.shape == objective().output_shape(objective().inputs(batch))
    loss, score = objective().loss(output, batch)
    assert loss.item() < ROUNDING**2
    assert score.item() < ROUNDING


# pictures


def test_the_kernel_of_a_convolution_is_its_weight() -> None:
    model = learned(SIGNATURE)
    with torch.no_grad():
        (weight,) = model.parameters()
        assert np.abs(kernel_of(model, "cpu") - weight[0, 0].numpy()).max() < ROUNDING
        assert np.abs(kernel_of(fixed(SIGNATURE), "cpu") - np.asarray(SOBEL)).max() < ROUNDING


def test_a_response_is_drawn_with_zero_as_mid_grey() -> None:
    assert grey_response(np.array([[-2.0, 0.0, 2.0, 9.0]]), scale=2.0).tolist() == [[0, 128, 255, 255]]


def test_positive_and_negative_weights_have_colours_that_a_colour_blind_reader_tells_apart() -> None:
    assert weight_colour(0.0) == (255, 255, 255)
    assert weight_colour(1.0) == (226, 142, 76)  # 70 % of Okabe and Ito's vermilion on white
    assert weight_colour(-1.0) == (76, 156, 201)  # and of their blue


def test_the_pictures_show_the_whole_photo() -> None:
    columns = patches((70, 100))
    y = columns["y"] / 255
    drawn = filter_pictures(columns["x"], y, y + 0.5, columns["place"], np.asarray(SOBEL))
    assert set(drawn) == {"thumbnail", "responses", "kernels"}
    assert all(item.dtype == np.uint8 and item.shape[2] == 3 for item in drawn.values())
    assert drawn["thumbnail"].shape == (360, 480, 3)
    # Each panel is 480 pixels wide and keeps the proportions of the photo, 70 x 100: 336 pixels high. All of the
    # response is drawn; the last panel shows that it is wrong by 0.5 everywhere.
    error = drawn["responses"][-8 - 336 : -8, -8 - 480 : -8]
    assert (error == 0).all()
    outputs = y.copy()
    outputs[-1, 0, -1, -1] += 0.5  # a single pixel, the last one of the photo
    error = filter_pictures(columns["x"], y, outputs, columns["place"], np.asarray(SOBEL))["responses"]
    assert error[-8 - 1, -8 - 1].max() < 10
    assert error[-8 - 336 : -8 - 10, -8 - 480 : -8].min() > 245


# trials


def test_one_convolution_learns_the_filter_and_the_fixed_one_is_exact(zoo: Callable[..., Any], tmp_path: Path) -> None:
    done = zoo(*BENCH, "--offline", "--model", "fixed", "--model", "learned")
    assert done.code == 0, done.err
    records = {record["model"]["name"]: record for record in json.loads(done.out)}
    assert records["zoo-sobel:fixed"]["measured"]["scores"]["max_error"] < ROUNDING
    found = records["zoo-sobel:learned"]
    assert found["measured"]["scores"]["max_error"] < 1e-3
    assert set(found["measured"]["pictures"]) == {"thumbnail", "responses", "kernels"}
    assert found["model"]["trainable_parameters"] == 9


def test_a_folder_of_photos_is_trained_on_and_scored(zoo: Callable[..., Any], tmp_path: Path) -> None:
    for number in range(3):
        levels = np.random.default_rng(number).integers(0, 256, (64 + number, 130, 3), dtype=np.uint8)
        Image.fromarray(levels).save(tmp_path / f"{number}.jpg")
    done = zoo(*BENCH, "--dataset", "photo-folder", "--data-root", tmp_path, "--model", "learned", "--preset", "quick")
    assert done.code == 0, done.err
    (record,) = json.loads(done.out)
    assert record["dataset"]["name"] == "zoo-sobel:photo-folder"
    assert record["measured"]["scores"]["max_error"] < 1.0

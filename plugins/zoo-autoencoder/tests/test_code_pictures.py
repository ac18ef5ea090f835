"""Pictures of codes, and whole trials through the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from zoo_autoencoder.models.pca import pca
from zoo_autoencoder.pictures import (
    SHEET,
    Codec,
    Sheet,
    beside,
    code_pictures,
    interpolated,
    latent_map,
    moved_to_classes,
    principal_directions,
    to_levels,
    walks,
)
from zoo_autoencoder.plugin import zoo_tasks
from zoo_autoencoder.task import compression

from zoo_core import Context, Recipe, Signature
from zoo_core.data.columns import Split
from zoo_core.pictures import TILE

BENCH = ("--offline", "--device", "cpu", "--json", "--preset", "quick", "--set", "steps=3")


def codes_and_classes(count: int = 60, numbers: int = 5, classes: int = 3) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    return rng.normal(0, [3, 2, 1, 0.5, 0.1][:numbers], (count, numbers)), np.arange(count) % classes


def test_the_directions_are_scikit_learns_principal_components() -> None:
    codes, _ = codes_and_classes()
    mean, directions, stds = principal_directions(codes)
    reference = PCA().fit(codes)
    assert mean == pytest.approx(reference.mean_)
    assert np.abs((directions * reference.components_).sum(axis=1)) == pytest.approx(np.ones(5))
    assert stds**2 * 60 / 59 == pytest.approx(reference.explained_variance_)


def test_a_walk_goes_through_the_mean_to_2_5_stds_on_both_sides() -> None:
    codes, _ = codes_and_classes()
    mean, directions, stds = principal_directions(codes)
    walk = walks(mean, directions, stds)
    assert walk.shape == (5, 11, 5)
    assert walk[:, 5] == pytest.approx(np.tile(mean, (5, 1)))
    assert np.linalg.norm(walk[:, -1] - walk[:, 0], axis=1) == pytest.approx(5 * stds)


def test_an_interpolation_begins_and_ends_at_the_codes_of_two_images() -> None:
    codes, _ = codes_and_classes()
    line = interpolated(codes)
    assert line.shape == (8, 11, 5)
    assert line[3, 0] == pytest.approx(codes[6])
    assert line[3, -1] == pytest.approx(codes[7])
    assert line[3, 5] == pytest.approx((codes[6] + codes[7]) / 2)


def test_latent_arithmetic_moves_a_code_by_the_difference_of_class_means() -> None:
    codes, y = codes_and_classes()
    moved = moved_to_classes(codes, y)
    assert moved.shape == (3, 4, 5)
    code, means = codes[1], [codes[y == label].mean(axis=0) for label in range(3)]  # the first image of class 1
    assert moved[1, 0] == pytest.approx(code)
    assert moved[1, 2] == pytest.approx(code), "to its own class: where it was"
    assert moved[1, 3] == pytest.approx(code - means[1] + means[2])


def test_series_are_drawn_one_below_the_other() -> None:
    black, white = torch.zeros(10, 1, 4, 4), torch.ones(10, 1, 4, 4)
    picture = beside(Sheet(4, 4), black, white)
    assert picture.shape == (4 * TILE, 4 * TILE, 3)
    assert picture[:, 0, 0].reshape(4, TILE).tolist() == [[0] * TILE, [255] * TILE, [0] * TILE, [255] * TILE]
    assert beside(SHEET, black[:3], white[:3]).shape == (2 * TILE, 3 * TILE, 3)


def test_pixels_outside_of_the_range_are_drawn_black_or_white() -> None:
    assert to_levels(torch.tensor([-0.5, 0.0, 0.5, 1.0, 7.0])).tolist() == [0, 0, 128, 255, 255]


@pytest.mark.parametrize(("numbers", "classes"), [(5, 3), (1, 10), (2, 1), (5, 12)])
def test_codes_of_any_size_and_any_number_of_classes_are_drawn(numbers: int, classes: int) -> None:
    codes, y = codes_and_classes(60, numbers, classes)
    codec = Codec(torch.from_numpy(codes), lambda code: torch.zeros(len(code), 1, 4, 4))
    pictures = code_pictures(codec, y, ["first"])
    assert {"latent_map", "interpolation", "walk"} <= set(pictures)
    assert ("arithmetic" in pictures) == (classes > 1)
    assert all(item.dtype == np.uint8 and item.shape[2] == 3 for item in pictures.values())


def test_equal_codes_such_as_of_an_untrained_pca_are_drawn_too() -> None:
    codec = Codec(torch.zeros(8, 4), lambda code: torch.zeros(len(code), 1, 4, 4))
    assert len(code_pictures(codec, np.arange(8) % 2, "01")) == 4


def test_the_map_has_the_name_of_each_class_in_its_middle() -> None:
    points = np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 1.0], [1.0, 1.0]])
    with_names, without = (latent_map(points, np.array([0, 0, 1, 1]), names) for names in (["W", "M"], [" ", " "]))
    changed = np.argwhere((with_names != without).any(axis=2))
    height, width = with_names.shape[:2]
    assert changed[:, 0].min() < 0.2 * height
    assert changed[:, 0].max() > 0.8 * height - 20
    assert changed[:, 1].min() < 0.2 * width
    assert changed[:, 1].max() > 0.8 * width


# trials


PICTURES = {
    "compression": {"thumbnail", "reconstructions", "latent_map", "interpolation", "walk", "arithmetic"},
    "denoising": {"thumbnail", "denoised"},
    "generation": {
        *("thumbnail", "generated", "reconstructions", "latent_map", "interpolation", "walk", "arithmetic"),
    },
}


@pytest.mark.parametrize(("task", "model"), [("denoising", "pca"), ("generation", "conv-vae")])
def test_a_trial_has_scores_pictures_and_results_by_image(zoo: Callable[..., Any], task: str, model: str) -> None:
    measured = trial(zoo, task, model)
    assert set(measured["pictures"]) == PICTURES[task]
    assert measured["per_example"]
    assert measured["latency"]["median_ms"] > 0
    assert measured["scores"]["psnr_gain" if task == "denoising" else "importance_weighted"] > 9


def trial(zoo: Callable[..., Any], task: str, model: str) -> Any:
    done = zoo("bench", task, "--model", model, *BENCH)
    assert done.code == 0, done.err
    (record,) = json.loads(done.out)
    return record["measured"]


NET = """
from torch import nn

class Net(nn.Module):
    def __init__(self, signature):
        super().__init__()
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(signature.features, 16))
        self.decoder = nn.Sequential(nn.Linear(16, signature.features), nn.Unflatten(1, signature.input_shape))

    def encode(self, x):
        return self.encoder(x)

    def decode(self, code):
        return self.decoder(code)

    def forward(self, x):
        return self.decode(self.encode(x))
"""


def test_a_net_of_ones_own_is_trained_on_compression(zoo: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    measured = trial(zoo, "compression", "./net.py:Net")
    assert set(measured["pictures"]) == PICTURES["compression"]
    assert measured["scores"]["mse"] > 0


class Unlabelled:
    """Opened data of six images without classes."""

    signature = Signature(input_shape=(1, 4, 4))

    def split(self, name: str, *, holdout: bool = True) -> Split:
        rng = np.random.default_rng(["train", "test"].index(name))
        return Split({"x": rng.integers(0, 256, (6, 1, 4, 4), dtype=np.uint8)})


def test_images_without_classes_are_compressed_and_pictured_too() -> None:
    spec = next(task for task in zoo_tasks() if task.name == "compression")
    task, ctx = compression(spec), Context()
    task.prepare(ctx, cast(Any, Unlabelled()), Recipe({"max_code": 16, "holdout": True}))
    model = pca(Unlabelled.signature, 3)
    model.fit(iter([task.example_input(ctx, 6)]))  # type: ignore[operator]
    assert task.evaluate(ctx, model, "test").scores["mse"] > 0
    assert set(task.pictures(ctx, model)) == PICTURES["compression"] - {"arithmetic"}

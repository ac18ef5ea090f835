"""The body, its scores and pictures; the judge; and trials through the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from zoo_gan.curve import Curve
from zoo_gan.data import Digits
from zoo_gan.images import Images
from zoo_gan.judge import SHA256, WEIGHTS, load_judge
from zoo_gan.points import PIECES, Points

from zoo_core import Context, WeightsError

QUICK = ("--offline", "--preset", "quick", "--device", "cpu", "--json")


@pytest.fixture(scope="module")
def digits() -> dict[str, Any]:
    return Digits(Context()).load("test")


def test_real_points_have_no_distance_to_the_curve_and_cover_all_of_it() -> None:
    test, train = (Curve(Context()).load(split) for split in ("test", "train"))
    scores = Points(Curve.signature, Context()).evaluate(train["x"], "test", test).scores
    assert scores["distance"] < 1e-4
    assert scores["wasserstein"] < 0.1  # of 20,000 points that chance drew
    assert scores["coverage"] == 1


def test_points_beside_the_curve_are_as_far_as_they_are_and_cover_nothing() -> None:
    test = Curve(Context()).load("test")
    scores = Points(Curve.signature, Context()).evaluate(test["x"] + np.float32([0, 10]), "test", test).scores
    assert 8 < scores["distance"] < 10
    assert scores["wasserstein"] == 0
    assert scores["coverage"] == 0


def test_half_of_the_curve_is_half_the_coverage_and_five_away_in_x() -> None:
    test = Curve(Context()).load("test")
    half = test["x"][test["x"][:, 0] > 0]
    scores = Points(Curve.signature, Context()).evaluate(half, "test", test).scores
    assert scores["coverage"] == pytest.approx(0.5, abs=1 / PIECES)
    assert scores["wasserstein"] == pytest.approx(5, abs=0.01)


def test_points_and_images_come_back_from_the_form_that_nets_see() -> None:
    points = Points(Curve.signature, Context())
    x = Curve(Context()).load("val")["x"]
    made = points.to_model_range(torch.from_numpy(x))
    assert made.mean(0).tolist() == pytest.approx([0, 0], abs=1e-2)
    assert made.std(0).tolist() == pytest.approx([1, 1], abs=1e-2)
    assert points.to_data(made) == pytest.approx(x, abs=1e-5)
    levels = torch.arange(256, dtype=torch.uint8)
    images = Images(Digits(Context()).signature, Context())
    assert np.array_equal(images.to_data(images.to_model_range(levels)), levels.numpy())
    assert images.to_data(torch.tensor([-3.0, 3.0])).tolist() == [0, 255]


def test_the_judge_recognises_digits_of_other_writers(digits: dict[str, Any]) -> None:
    features, predictions = load_judge().classify(digits["x"])
    assert features.shape == (450, 64)
    assert (predictions == digits["y"]).mean() > 0.95


def test_a_judge_that_is_not_this_versions_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "judge.safetensors"
    path.write_bytes(WEIGHTS.read_bytes()[:-1])
    with pytest.raises(WeightsError, match=r"judge\.safetensors is not the judge"):
        load_judge(path)
    with pytest.raises(WeightsError, match="cannot be read"):
        load_judge(tmp_path / "none")
    assert len(SHA256) == 64


def test_real_digits_are_at_no_distance_from_themselves_and_noise_is_far(digits: dict[str, Any]) -> None:
    images = Images(Digits(Context()).signature, Context())
    itself = images.evaluate(digits["x"], "test", digits)
    noise = np.random.default_rng(0).integers(0, 256, (500, 1, 28, 28), dtype=np.uint8)
    assert itself.scores["frechet"] == pytest.approx(0, abs=1e-4)
    assert itself.scores["coverage"] == 1
    assert images.evaluate(noise, "test", digits).scores["frechet"] > 100


def test_a_generator_of_one_digit_covers_a_tenth_and_the_table_says_which(digits: dict[str, Any]) -> None:
    images = Images(Digits(Context()).signature, Context())
    threes = digits["x"][load_judge().classify(digits["x"])[1] == 3]
    found = images.evaluate(threes, "test", digits)
    assert found.scores["coverage"] == pytest.approx(0.1)
    assert [row[2] for row in found.tables["digits"].rows] == [0, 0, 0, 1, 0, 0, 0, 0, 0, 0]


def test_as_many_images_are_made_as_test_has_and_few_for_val() -> None:
    images = Images(Digits(Context()).signature, Context())
    assert [images.samples("test", 10_000), images.samples("test", 450), images.samples("val", 6_000)] == [
        10_000,
        2_000,
        1_000,
    ]


@pytest.mark.parametrize(("task", "model"), [("gan-curve", "gan"), ("gan-digits", "mlp-gan")])
def test_a_trial_has_its_scores_and_pictures_and_is_the_same_when_evaluated_again(
    zoo: Callable[..., Any], task: str, model: str, tmp_path: Path
) -> None:
    settings = ("--set", "steps=20", "--save", "--results", tmp_path / "results")
    finished = zoo("bench", task, "--model", model, *QUICK, *settings)
    assert finished.code == 0, finished.err
    (record,) = json.loads(finished.out)
    measured = record["measured"]
    assert {"thumbnail", "walk", "training"} <= set(measured["pictures"])
    (checkpoint,) = (tmp_path / "results").rglob("*.safetensors")
    again = json.loads(zoo("eval", checkpoint, "--offline", "--json").out)
    assert again["scores"] == pytest.approx(measured["scores"])


@pytest.mark.slow
@pytest.mark.parametrize(("task", "model"), [("gan-curve", "gan"), ("gan-digits", "dcgan")])
def test_the_quick_preset_is_far_from_chance_level(zoo: Callable[..., Any], task: str, model: str) -> None:
    (record,) = json.loads(zoo("bench", task, "--model", model, *QUICK).out)
    assert record["measured"]["scores"][record["task"]["metric"]] < record["task"]["chance"] / 3

"""The models: torchvision's nets cut in two, and that their parts make up the whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision import models
from zoo_dogs70.models.cnn import cnn
from zoo_dogs70.models.transfer import resnet_18, squeezenet

from zoo_core import Signature, WeightsError

SIGNATURE = Signature(input_shape=(3, 64, 64), outputs=70)


def test_with_its_own_last_layer_the_cut_resnet_answers_like_torchvisions() -> None:
    whole = models.resnet18(weights=None).eval()
    ours = resnet_18(Signature(input_shape=(3, 64, 64), outputs=1000), 0, whole.state_dict()).eval()
    ours.head.load_state_dict(whole.fc.state_dict())
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), whole(images))


def test_the_cut_squeezenet_gives_the_mean_of_torchvisions_last_maps() -> None:
    whole = models.squeezenet1_0(weights=None).eval()
    ours = squeezenet(SIGNATURE, 0, 0.5, whole.state_dict()).eval()
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours.backbone(images), whole.features(images).mean((2, 3)))
        assert ours(images).shape == (2, 70)


@pytest.mark.parametrize(("unfreeze", "parts"), [(0, set()), (1, {"7"}), (2, {"7", "6"})])
def test_unfreeze_counts_parts_from_the_end(unfreeze: int, parts: set[str]) -> None:
    model = resnet_18(SIGNATURE, unfreeze)
    trained = {name.split(".")[1] for name, item in model.backbone.named_parameters("x") if item.requires_grad}
    assert trained == parts


def test_weights_of_another_net_are_refused_by_name() -> None:
    with pytest.raises(WeightsError, match=r"conv1\.weight is missing"):
        resnet_18(SIGNATURE, 0, models.squeezenet1_0(weights=None).state_dict())


def test_the_cnn_answers_images_of_any_size_from_32() -> None:
    for size in (32, 64, 97):
        model = cnn(Signature(input_shape=(3, size, size), outputs=5), [2, 3, 4, 5, 6], 0.2).eval()
        assert model(torch.zeros(2, 3, size, size)).shape == (2, 5)


@pytest.mark.slow
def test_offline_the_cnn_is_far_above_chance(zoo: Callable[..., Any]) -> None:
    command = ("bench", "dogs70", "--offline", "--model", "cnn", "--preset", "quick", "--device", "cpu", "--json")
    (record,) = json.loads(zoo(*command).out)
    assert record["measured"]["scores"]["accuracy"] > 5 / 70


@pytest.mark.data
@pytest.mark.slow
def test_the_frozen_squeezenet_learns_ten_breeds_and_the_second_seed_finds_its_features(
    zoo: Callable[..., Any], test_data: Path, squeezenet_weights: Path
) -> None:
    """At 64 pixels a side, so that it is a matter of seconds."""
    command = ("bench", "dogs70", "--model", "squeezenet-1.0", "--data-root", test_data / "dogs.tar")
    short = (
        "--weights",
        squeezenet_weights,
        "--set",
        "image_size=64",
        "--epochs",
        "10",
        "--device",
        "cpu",
        "--seeds",
        "2",
        "--json",
    )
    first, second = json.loads(zoo(*command, *short).out)
    for record in (first, second):
        assert record["status"] == "ok", record["reason"]
        assert record["measured"]["scores"]["accuracy"] > 0.3
        assert record["model"]["weights"] == "squeezenet1_0_torchvision.npz"
    seconds = [{phase["name"]: phase["seconds"] for phase in record["phases"]} for record in (first, second)]
    assert seconds[1]["features"] < seconds[0]["features"] / 4
    assert second["measured"]["train_s"] > seconds[0]["features"] * 0.9  # it is charged what they cost

"""The small net and the weights that ship with it: the same file, reloaded exactly, offline and from a wheel."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
import zoo_dogs70
from hatchling.builders.wheel import WheelBuilder
from zoo_dogs70.make_backbone import SIZES, augmented, halved, inputs, traits_loss
from zoo_dogs70.models.small import FEATURES, small_backbone, small_scratch, small_transfer
from zoo_dogs70.plugin import SMALL_SHA256, zoo_models

from zoo_core import Signature
from zoo_core.registry import Registry
from zoo_core.weights import Weights, read_weights

FILE = Path(zoo_dogs70.__file__).with_name("weights") / "small.safetensors"
PLUGIN = Path(__file__).resolve().parents[1]
SIGNATURE = Signature(input_shape=(3, 64, 64), outputs=7)


@pytest.fixture(scope="module")
def weights() -> Weights:
    return read_weights(FILE)


def test_the_file_is_the_one_that_the_spec_names_and_is_small() -> None:
    assert sha256(FILE.read_bytes()).hexdigest() == SMALL_SHA256
    assert FILE.stat().st_size < 1_500_000


def test_the_file_reloads_exactly_in_half_precision(weights: Weights) -> None:
    model = small_transfer(SIGNATURE, 0, weights)
    again = halved(model.backbone)
    assert again.keys() == weights.keys()
    for name, tensor in weights.items():
        assert again[name].dtype == tensor.dtype
        assert torch.equal(again[name], tensor), name


def test_no_weight_was_lost_to_half_precision(weights: Weights) -> None:
    for name, tensor in weights.items():
        assert torch.isfinite(tensor).all()
        if name.endswith("running_var"):
            assert (tensor > 0).all()


def test_both_models_are_the_same_net_of_which_one_trains_its_head_only() -> None:
    transferred, scratch = small_transfer(SIGNATURE, 0), small_scratch(SIGNATURE)
    shapes = [[tuple(item.shape) for item in model.parameters()] for model in (transferred, scratch)]
    assert shapes[0] == shapes[1]
    trained = [name for name, item in transferred.named_parameters() if item.requires_grad]
    assert trained == ["head.0.weight", "head.0.bias", "head.1.weight", "head.1.bias"]
    assert all(item.requires_grad for item in scratch.parameters())


@pytest.mark.parametrize(("unfreeze", "parts"), [(1, {"3"}), (2, {"2", "3"}), (9, {"0", "1", "2", "3"})])
def test_unfreeze_counts_stages_from_the_end(unfreeze: int, parts: set[str]) -> None:
    model = small_transfer(SIGNATURE, unfreeze)
    trained = {name.split(".")[1] for name, item in model.backbone.named_parameters("x") if item.requires_grad}
    assert trained == parts


@pytest.mark.parametrize("size", [16, 33, 64])
def test_images_of_any_size_from_16_give_features(size: int) -> None:
    assert small_backbone().eval()(torch.zeros(2, 3, size, size)).shape == (2, FEATURES)


def test_both_models_have_one_recipe_and_one_normalisation() -> None:
    by_name = {spec.name: spec for spec in zoo_models()}
    transferred, scratch = by_name["small-transfer"], by_name["small-scratch"]
    for field in ("recipe", "quick", "mean", "std", "accepts", "tasks"):
        assert getattr(transferred, field) == getattr(scratch, field)


def test_the_loss_of_a_hidden_trait_is_zero() -> None:
    logits, hidden = torch.randn(2, sum(SIZES)), torch.full((2, len(SIZES)), -1)
    assert traits_loss(logits, hidden).item() == 0
    hidden[0, 0] = 1
    expected = torch.nn.functional.cross_entropy(logits[:1, : SIZES[0]], torch.tensor([1])) / 2
    torch.testing.assert_close(traits_loss(logits, hidden), expected)


def test_augmentation_keeps_shape_and_range() -> None:
    images = torch.randint(0, 256, (4, 3, 64, 64), dtype=torch.uint8)
    changed = augmented(images)
    assert changed.shape == images.shape
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert inputs(torch.full((1, 3, 2, 2), 127.5)).abs().max() == 0  # the middle grey, by a mean of 0.5


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    folder = tmp_path_factory.mktemp("wheel")
    (built,) = WheelBuilder(str(PLUGIN)).build(directory=str(folder), versions=["standard"])
    with zipfile.ZipFile(built) as archive:
        yield archive


def test_the_weights_are_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    assert sha256(wheel.read("zoo_dogs70/weights/small.safetensors")).hexdigest() == SMALL_SHA256


def test_without_the_task_sign_language_the_models_are_registered_for_dogs70(
    only_plugins: Callable[..., None],
) -> None:
    only_plugins("zoo-dogs70")
    pairs = [(pair.task.name, pair.model.name) for pair in Registry.load().pairs()]
    assert {("dogs70", "small-transfer"), ("dogs70", "small-scratch")} <= set(pairs)


@pytest.mark.slow
def test_offline_and_quick_the_transferred_net_is_far_above_the_one_from_scratch(zoo: Callable[..., Any]) -> None:
    scores = {}
    for model in ("small-transfer", "small-scratch"):
        command = ("bench", "dogs70", "--offline", "--model", model, "--preset", "quick", "--device", "cpu", "--json")
        (record,) = json.loads(zoo(*command).out)
        assert record["status"] == "ok", record["reason"]
        scores[model] = record["measured"]["scores"]["accuracy"]
    assert scores["small-transfer"] > scores["small-scratch"] + 0.1

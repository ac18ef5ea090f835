"""The models on their signatures, their first weights, and on drawn pictures."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch import nn
from torchvision import models
from zoo_unet.models.fcn import fcn
from zoo_unet.models.on_timm import TimmUnets, unet_timm
from zoo_unet.models.squeezenet import unet_squeezenet
from zoo_unet.models.unet import unet

from zoo_core import IncompatibleError, Signature, UnknownNameError, WeightsError
from zoo_core.weights import read_weights

WIDTHS = [8, 8, 8, 8, 8, 8]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def signature(channels: int = 3, classes: int = 5) -> Signature:
    return Signature(input_shape=(channels, 64, 96), outputs=classes)


BUILDERS: dict[str, Callable[[Signature], nn.Module]] = {
    "unet": lambda data: unet(data, [4, 6, 8], 0.1),
    "fcn": lambda data: fcn(data, [4, 6, 8]),
    "unet-squeezenet": lambda data: unet_squeezenet(data, [8, 8, 8]),
    "unet-timm": lambda data: unet_timm(data, "test_resnet", WIDTHS),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_every_model_answers_with_logits_for_every_pixel_and_all_of_it_learns(name: str) -> None:
    model = BUILDERS[name](signature())
    output = model(torch.randn(2, 3, 64, 96))
    assert output.shape == (2, 5, 64, 96)
    output.square().mean().backward()
    assert [key for key, item in model.named_parameters() if item.grad is None] == []
    assert model.eval()(torch.zeros(1, 3, 32, 160)).shape == (1, 5, 32, 160)


@pytest.mark.parametrize("name", ["unet", "fcn", "unet-timm"])
def test_models_from_scratch_take_grey_pictures(name: str) -> None:
    assert BUILDERS[name](signature(1, 2)).eval()(torch.zeros(1, 1, 64, 64)).shape == (1, 2, 64, 64)


def test_a_u_net_has_skip_connections_and_the_plain_net_has_none() -> None:
    """What the smallest level does not know comes past it: a line of one pixel is seen in the logits."""
    picture, line = torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64)
    line[..., 33] = 1.0
    sharpness = {}
    for name in ("unet", "fcn"):
        torch.manual_seed(0)
        model = BUILDERS[name](signature()).eval()
        with torch.no_grad():
            change = (model(line) - model(picture))[0, :, 20].abs().sum(0)
        sharpness[name] = float((change[1:] - change[:-1]).abs().max() / change.max())
    assert sharpness["unet"] > 2 * sharpness["fcn"]


@pytest.mark.parametrize("widths", [[], [4] * 7])
def test_a_u_net_has_one_to_six_levels(widths: list[int]) -> None:
    with pytest.raises(IncompatibleError, match="one to 6 levels"):
        unet(signature(), widths, 0.0)
    assert unet(signature(), [4], 0.0)(torch.zeros(2, 3, 32, 32)).shape == (2, 5, 32, 32)


# weights


def test_the_encoder_is_torchvisions_squeezenet() -> None:
    whole = models.squeezenet1_0(weights=None).eval()
    model = unet_squeezenet(signature(), [8, 8, 8], whole.state_dict()).eval()
    x = torch.randn(1, 3, 64, 64)
    whole.features[0].padding = (3, 3)
    with torch.no_grad():
        features = model.encoder(x)
        torch.testing.assert_close(features[-1], whole.features(x))
    assert [tuple(item.shape[1:]) for item in features] == [(96, 32, 32), (256, 16, 16), (512, 8, 8), (512, 4, 4)]


@pytest.mark.data
def test_real_squeezenet_weights_are_taken_by_name(test_data: Path, tmp_path: Path) -> None:
    with tarfile.open(test_data / "weights.tar") as archive:
        archive.extractall(tmp_path, filter="data")
    weights = read_weights(tmp_path / "weights" / "squeezenet1_0_torchvision.npz")
    model = unet_squeezenet(signature(), [8, 8, 8], weights)
    assert torch.equal(model.encoder.stages[0][0].weight, weights["features.0.weight"])
    assert torch.equal(model.encoder.stages[3][1].expand3x3.bias, weights["features.12.expand3x3.bias"])
    del weights["features.0.bias"]
    with pytest.raises(WeightsError, match=r"features\.0\.bias is missing"):
        unet_squeezenet(signature(), [8, 8, 8], weights)


@pytest.mark.parametrize("name", ["test_resnet", "test_efficientnet", "mobilenetv3_small_050", "convnext_atto"])
def test_timms_weights_are_taken_without_their_last_layer(name: str) -> None:
    whole = timm.create_model(name, in_chans=3)  # as published: a thousand classes
    model = unet_timm(signature(), name, WIDTHS, whole.state_dict()).eval()
    reference = timm.create_model(name, features_only=True)
    flat = {key.replace(".", "_"): tensor for key, tensor in whole.state_dict().items()}
    reference.load_state_dict({key: flat[key.replace(".", "_")] for key in reference.state_dict()})
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(model.encoder(x), reference.eval()(x))
    with pytest.raises(WeightsError, match="do not fit the model"):
        unet_timm(signature(), name, WIDTHS, {"nothing": torch.zeros(1)})


@pytest.mark.parametrize("name", ["test_vit", "no_such_net", "swin_tiny_patch4_window7_224"])
def test_an_encoder_that_does_not_halve_the_picture_is_refused(name: str) -> None:
    with pytest.raises(IncompatibleError, match=f"timm.*{name}"):
        unet_timm(signature(), name, WIDTHS)


def test_a_decoder_of_too_few_levels_is_refused() -> None:
    with pytest.raises(IncompatibleError, match="fewer than 4 levels"):
        unet_timm(signature(), "test_resnet", [8, 8])


def test_the_family_knows_names_and_tags() -> None:
    plain, tagged = TimmUnets.resolve("unet-timm/resnet18"), TimmUnets.resolve("unet-timm/resnet18.a1_in1k")
    assert (plain.weights, plain.mean) == (None, ())
    assert tagged.weights is not None
    assert tagged.accepts.channels == (3,)
    assert tagged.mean == (0.485, 0.456, 0.406)
    assert tagged.recipe["*"]["lr"] < plain.recipe["*"]["lr"]
    assert "unet-timm/resnet18" in list(TimmUnets.list("unet-timm/resnet1*"))
    for wrong in ("unet-timm/resnet81", "unet-timm/resnet18.nothing"):
        with pytest.raises(UnknownNameError, match="unet-timm/resnet18"):
            TimmUnets.resolve(wrong)


# trials

BENCH = ("--device", "cpu", "--offline", "--preset", "quick", "--json")


def test_a_member_of_the_family_runs_on_a_grey_task(zoo: Callable[..., Any]) -> None:
    done = zoo("bench", "membrane", "--model", "unet-timm/test_resnet", *BENCH, "--set", "steps=2")
    (record,) = json.loads(done.out)
    assert record["status"] == "ok", done.err
    assert {"dice", "iou", "pixel_accuracy", "mean_iou"} <= set(record["measured"]["scores"])


@pytest.mark.slow
@pytest.mark.parametrize("task", ["membrane", "road-scenes"])
def test_a_short_training_is_far_above_chance_level(zoo: Callable[..., Any], task: str) -> None:
    (record,) = json.loads(zoo("bench", task, "--model", "unet", *BENCH).out)
    metric = "dice" if task == "membrane" else "mean_iou"
    assert record["measured"]["scores"][metric] > {"dice": 0.55, "mean_iou": 0.2}[metric]
    assert set(record["measured"]["pictures"]) == {"thumbnail", "answers", "worst"}

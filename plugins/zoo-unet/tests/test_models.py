"""The models on their signatures, their first weights, and on drawn pictures."""

from __future__ import annotations

import itertools
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
from zoo_unet.models import on_squeezenet
from zoo_unet.models.fcn import fcn
from zoo_unet.models.fpn import fpn
from zoo_unet.models.linknet import LinkNet, linknet
from zoo_unet.models.on_timm import TimmUnets, unet_timm
from zoo_unet.models.pspnet import pspnet
from zoo_unet.models.segnet import SegNet, segnet
from zoo_unet.models.squeezenet import CHANNELS, unet_squeezenet
from zoo_unet.models.unet import unet
from zoo_unet.plugin import zoo_models

from zoo_core import IncompatibleError, ModelSpec, Signature, UnknownNameError, WeightsError
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
    "segnet": lambda data: segnet(data, [4, 6, 8]),
    "linknet": lambda data: linknet(data, [4, 6, 8]),
    "pspnet": lambda data: pspnet(data, [4, 6, 8]),
    "fpn": lambda data: fpn(data, [4, 6, 8], 6),
    "unet-squeezenet": lambda data: unet_squeezenet(data, [8, 8, 8]),
    "unet-timm": lambda data: unet_timm(data, "test_resnet", WIDTHS),
    "fcn-squeezenet": on_squeezenet.fcn_squeezenet,
    "segnet-squeezenet": on_squeezenet.segnet_squeezenet,
    "linknet-squeezenet": on_squeezenet.linknet_squeezenet,
    "pspnet-squeezenet": on_squeezenet.pspnet_squeezenet,
    "fpn-squeezenet": lambda data: on_squeezenet.fpn_squeezenet(data, 8),
}
FAMILY = ["unet", "fcn", "segnet", "linknet", "pspnet", "fpn"]


def test_every_decoder_is_offered_on_both_encoders() -> None:
    names = {spec.name for spec in zoo_models() if isinstance(spec, ModelSpec)}
    assert {*FAMILY, *(f"{name}-squeezenet" for name in FAMILY)} <= names
    assert set(BUILDERS) <= names


@pytest.mark.parametrize("name", BUILDERS)
def test_every_model_answers_with_logits_for_every_pixel_and_all_of_it_learns(name: str) -> None:
    model = BUILDERS[name](signature())
    output = model(torch.randn(2, 3, 64, 96))
    assert output.shape == (2, 5, 64, 96)
    output.square().mean().backward()
    assert [key for key, item in model.named_parameters() if item.grad is None] == []
    assert model.eval()(torch.zeros(1, 3, 32, 160)).shape == (1, 5, 32, 160)


@pytest.mark.parametrize("name", [*FAMILY, "unet-timm"])
def test_models_from_scratch_take_grey_pictures(name: str) -> None:
    assert BUILDERS[name](signature(1, 2)).eval()(torch.zeros(1, 1, 64, 64)).shape == (1, 2, 64, 64)


def test_decoders_with_large_features_are_sharper_than_those_with_only_the_smallest() -> None:
    """What the smallest level does not know comes past it: a line of one pixel is seen in the logits."""
    picture, line = torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64)
    line[..., 33] = 1.0
    sharpness = dict.fromkeys(FAMILY, 0.0)
    for name, seed in itertools.product(FAMILY, range(5)):  # one untrained net may be blind to the line
        torch.manual_seed(seed)
        model = BUILDERS[name](signature()).eval()
        with torch.no_grad():
            change = (model(line) - model(picture))[0, :, 20].abs().sum(0)
        sharpness[name] += float((change[1:] - change[:-1]).abs().max() / change.max())
    sharp, soft = ("unet", "segnet", "linknet", "fpn"), ("fcn", "pspnet")
    assert min(sharpness[name] for name in sharp) > 2 * max(sharpness[name] for name in soft)


LEVELS: dict[str, Callable[[list[int]], nn.Module]] = {
    "unet": lambda widths: unet(signature(), widths, 0.0),
    "fcn": lambda widths: fcn(signature(), widths),
    "segnet": lambda widths: segnet(signature(), widths),
    "linknet": lambda widths: linknet(signature(), widths),
    "pspnet": lambda widths: pspnet(signature(), widths),
    "fpn": lambda widths: fpn(signature(), widths, 6),
}


@pytest.mark.parametrize("name", LEVELS)
@pytest.mark.parametrize("widths", [[], [4] * 7])
def test_an_encoder_from_scratch_has_one_to_six_levels(name: str, widths: list[int]) -> None:
    with pytest.raises(IncompatibleError, match="one to 6 levels"):
        LEVELS[name](widths)
    for count in (1, 6):
        assert LEVELS[name]([4] * count)(torch.zeros(2, 3, 32, 64)).shape == (2, 5, 32, 64)


def test_decoders_from_scratch_share_the_u_nets_encoder() -> None:
    """With the same seed the encoders have the same weights: they are made first, and by the same code."""
    encoders = {}
    for name in LEVELS:
        torch.manual_seed(0)
        encoders[name] = LEVELS[name]([4, 6, 8]).encoder.state_dict()
    for name, state in encoders.items():
        assert list(state) == list(encoders["unet"]), name
        assert all(torch.equal(state[key], encoders["unet"][key]) for key in state), name


def test_segnet_unpools_to_the_maxima_of_the_encoder() -> None:
    class TwoLevels(nn.Module):
        def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
            return [x, torch.tensor([[[[5.0, 7.0]]]])]

    model = SegNet(TwoLevels(), [1, 1], 1)
    model.levels[0] = model.last = model.classifier = nn.Identity()
    picture = torch.tensor([[[[0.0, 2.0, 9.0, 3.0], [1.0, 0.0, 0.0, 1.0]]]])
    assert model(picture).tolist() == [[[[0.0, 5.0, 7.0, 0.0], [0.0, 0.0, 0.0, 0.0]]]]


def test_linknet_adds_the_encoders_features() -> None:
    class TwoLevels(nn.Module):
        def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
            return [x, x[..., ::2, ::2]]

    model = LinkNet(TwoLevels(), [1, 1], 1)
    model.levels[0] = nn.Upsample(scale_factor=2)
    model.last = model.classifier = nn.Identity()
    picture = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert model(picture).tolist() == [[[[2.0, 3.0], [4.0, 5.0]]]]  # 1, the smallest level, is added to each


def test_linknet_needs_fewer_parameters_than_the_u_net() -> None:
    sizes = {name: sum(p.numel() for p in BUILDERS[name](signature()).parameters()) for name in ("linknet", "unet")}
    assert sizes["linknet"] < sizes["unet"]


def test_pspnet_sees_the_whole_picture_from_every_pixel() -> None:
    """A change in one corner reaches the logits of the opposite corner, which it does not in a plain net."""
    picture, spot = torch.zeros(1, 3, 128, 128), torch.zeros(1, 3, 128, 128)
    spot[..., :8, :8] = 5.0
    change = {}
    for name, build in {"pspnet": pspnet, "fcn": fcn}.items():
        torch.manual_seed(0)  # and enough channels that not all of them are 0 after ReLU
        model = build(signature(), [8, 16, 32]).eval()
        with torch.no_grad():
            change[name] = float((model(spot) - model(picture))[0, :, -1, -1].abs().max())
    assert change["fcn"] == 0.0
    assert change["pspnet"] > 0.0


# weights


def test_the_encoder_of_all_decoders_is_torchvisions_squeezenet() -> None:
    whole = models.squeezenet1_0(weights=None).eval()
    weights = whole.state_dict()
    built = {
        "unet": unet_squeezenet(signature(), [8, 8, 8], weights),
        "fcn": on_squeezenet.fcn_squeezenet(signature(), weights),
        "segnet": on_squeezenet.segnet_squeezenet(signature(), weights),
        "linknet": on_squeezenet.linknet_squeezenet(signature(), weights),
        "pspnet": on_squeezenet.pspnet_squeezenet(signature(), weights),
        "fpn": on_squeezenet.fpn_squeezenet(signature(), 8, weights),
    }
    assert list(built) == FAMILY
    x = torch.randn(1, 3, 64, 64)
    whole.features[0].padding = (3, 3)
    sizes = [(channels, 32 >> level, 32 >> level) for level, channels in enumerate(CHANNELS)]
    for model in built.values():
        with torch.no_grad():
            features = model.eval().encoder(x)
            torch.testing.assert_close(features[-1], whole.features(x))
        assert [tuple(item.shape[1:]) for item in features] == sizes


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
    assert {"dice", "iou", "pixel_accuracy", "mean_iou", "boundary_f1"} <= set(record["measured"]["scores"])


@pytest.mark.slow
@pytest.mark.parametrize("task", ["membrane", "road-scenes"])
def test_a_short_training_is_far_above_chance_level(zoo: Callable[..., Any], task: str) -> None:
    (record,) = json.loads(zoo("bench", task, "--model", "unet", *BENCH).out)
    metric = "dice" if task == "membrane" else "mean_iou"
    assert record["measured"]["scores"][metric] > {"dice": 0.55, "mean_iou": 0.2}[metric]
    assert set(record["measured"]["pictures"]) == {"thumbnail", "answers", "worst"}

"""The nets on images of any size, and their original forms beside torchvision's."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models
from zoo_classics.models.alexnet import alexnet
from zoo_classics.models.googlenet import googlenet
from zoo_classics.models.lenet import lenet
from zoo_classics.models.resnet import resnet_18, resnet_50
from zoo_classics.models.vgg import vgg_11, vgg_16

from zoo_core import Signature
from zoo_core.registry import Registry, fits

IMAGENET = Signature(input_shape=(3, 224, 224), outputs=1000)
SMALL = Signature(input_shape=(3, 32, 32), outputs=10)
Build = Callable[[Signature], nn.Module]
NETS: dict[str, tuple[Build, Callable[[], nn.Module], int]] = {
    "alexnet": (lambda it: alexnet(it, 0.0, 0.5), lambda: models.alexnet(), 61_100_840),
    "vgg-11": (lambda it: vgg_11(it, 0.0, 0.5, False), lambda: models.vgg11(), 132_863_336),
    "vgg-16": (lambda it: vgg_16(it, 0.0, 0.5, False), lambda: models.vgg16(), 138_357_544),
    "googlenet": (
        lambda it: googlenet(it, 0.0, 0.4),
        lambda: models.googlenet(aux_logits=False, init_weights=False),
        6_624_904,
    ),
    "resnet-18": (lambda it: resnet_18(it, 0.0), lambda: models.resnet18(), 11_689_512),
    "resnet-50": (lambda it: resnet_50(it, 0.0), lambda: models.resnet50(), 25_557_032),
}
nets = pytest.mark.parametrize("name", NETS)


def count(net: nn.Module) -> int:
    return sum(item.numel() for item in net.parameters())


@nets
def test_the_original_form_has_torchvisions_layers_and_parameters(name: str) -> None:
    build, original, parameters = NETS[name]
    with torch.device("meta"):  # without the memory and the time of random weights
        ours, theirs = build(IMAGENET), original()
    assert count(ours) == count(theirs) == parameters
    shapes = [sorted(tuple(item.shape) for item in net.parameters()) for net in (ours, theirs)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", ["alexnet", "googlenet", "resnet-18", "resnet-50"])
def test_with_torchvisions_weights_the_original_form_answers_as_torchvisions(name: str) -> None:
    """Both define their layers in the order in which they run, so the tensors of the two pair up."""
    build, original, _ = NETS[name]
    with torch.device("meta"):
        ours = build(IMAGENET).eval()
    theirs = original().eval()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)), assign=True)
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), atol=1e-4, rtol=1e-4)


@nets
@pytest.mark.parametrize(("channels", "height", "width"), [(1, 28, 28), (3, 32, 32), (3, 97, 64), (3, 8, 8)])
def test_the_small_form_answers_grey_and_colour_images_of_any_size(
    name: str, channels: int, height: int, width: int
) -> None:
    net = NETS[name][0](Signature(input_shape=(channels, height, width), outputs=7)).eval()
    with torch.no_grad():
        assert net(torch.zeros(2, channels, height, width)).shape == (2, 7)


@nets
@pytest.mark.parametrize(("channels", "height", "width"), [(1, 128, 300), (3, 131, 128)])
def test_the_original_form_answers_grey_and_colour_images_of_any_size_from_128_pixels_on(
    name: str, channels: int, height: int, width: int
) -> None:
    with torch.device("meta"):  # shapes without computation
        net = NETS[name][0](Signature(input_shape=(channels, height, width), outputs=7)).eval()
        assert net(torch.zeros(2, channels, height, width)).shape == (2, 7)


def test_from_128_pixels_on_a_net_has_its_original_form_and_all_channels() -> None:
    small, original = (resnet_18(Signature(input_shape=(3, size, size), outputs=2), 0.0) for size in (127, 128))
    stems = [next(layer for layer in net.modules() if isinstance(layer, nn.Conv2d)) for net in (small, original)]
    assert [(stem.kernel_size, stem.stride, stem.out_channels) for stem in stems] == [
        ((3, 3), (1, 1), 16),
        ((7, 7), (2, 2), 64),
    ]


@pytest.mark.parametrize(("size", "left"), [(32, 4), (63, 8), (64, 4), (127, 8), (128, 4), (224, 7)])
def test_the_stem_halves_as_often_as_leaves_at_least_four_positions(size: int, left: int) -> None:
    """ResNet's stages halve three times; what is left is seen before the mean over all positions."""
    net = resnet_18(Signature(input_shape=(3, size, size), outputs=2), 0.02)
    seen: list[torch.Size] = []
    (pool,) = (layer for layer in net.modules() if isinstance(layer, nn.AdaptiveAvgPool2d))
    pool.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[2:]))
    with torch.no_grad():
        net.eval()(torch.zeros(1, 3, size, size))
    assert seen == [(left, left)]


def test_the_width_scales_channels_and_dense_layers() -> None:
    signature = Signature(input_shape=(3, 32, 32), outputs=10)
    quarter, default = (count(alexnet(signature, width, 0.5)) for width in (0.25, 0.0))
    assert quarter == default  # of a small image
    full = sum(
        before * after * size**2 + after
        for before, after, size in (
            *((3, 64, 5), (64, 192, 5), (192, 384, 3), (384, 256, 3), (256, 256, 3)),
            *((256 * 4 * 4, 4096, 1), (4096, 4096, 1), (4096, 10, 1)),
        )
    )
    assert count(alexnet(signature, 1.0, 0.5)) == full


def test_lenet_has_the_layers_of_the_paper() -> None:
    net = lenet(Signature(input_shape=(1, 32, 32), outputs=10))
    # C1 156, C3 1,516 in the paper and 2,416 with all maps, C5 48,120, F6 10,164, and the last layer 850
    assert [count(layer) for layer in net.children() if count(layer)] == [156, 2416, 48_120, 10_164, 850]


def test_batch_norm_in_vgg_is_torchvisions_variant() -> None:
    with torch.device("meta"):
        assert count(vgg_11(IMAGENET, 0.0, 0.5, True)) == count(models.vgg11_bn()) == 132_868_840


@pytest.mark.parametrize("name", ["alexnet", "vgg-11", "vgg-16"])
def test_without_batch_norm_the_signal_keeps_its_scale_through_all_convolutions(name: str) -> None:
    """With torch's own initial weights each layer shrinks it to 0.4 of that before, and no step changes anything."""
    torch.manual_seed(0)
    net = NETS[name][0](SMALL).eval()
    convolutions = [layer for layer in net.modules() if isinstance(layer, nn.Conv2d)]
    scales: list[float] = []
    for layer in (convolutions[0], convolutions[-1]):
        layer.register_forward_hook(lambda _layer, _inputs, output: scales.append(float(output.std())))
    with torch.no_grad():
        net(torch.randn(32, 3, 32, 32))
    assert 0.2 < scales[1] / scales[0] < 5


def test_every_net_has_its_year_and_paper_which_zoo_show_prints(zoo: Callable[..., Any]) -> None:
    years = {"lenet": 1998, "alexnet": 2012, "vgg-11": 2014, "vgg-16": 2014, "googlenet": 2014}
    years |= {"resnet-18": 2015, "resnet-50": 2015}
    for name, year in years.items():
        shown = zoo("show", f"zoo-classics:{name}").out
        assert re.search(rf"year +{year}\b", shown)
        assert re.search(r"paper +(arXiv:|https://)", shown)


def test_of_all_image_tasks_only_sign_language_has_the_nets_in_zoo_bench_all() -> None:
    """`fits` says that every image task takes them by name."""
    registry = Registry.load()
    pairs = [pair for pair in registry.pairs() if pair.model.plugin == "zoo-classics"]
    assert {pair.task.qualified for pair in pairs} == {"zoo-classics:sign-language"}
    on_images = [task for task in registry.tasks if task.kind == "image-classification"]
    assert all(fits(registry.model("zoo-classics:vgg-16"), task) for task in on_images)


@pytest.mark.slow
def test_a_record_carries_the_year_and_the_paper(zoo: Callable[..., Any]) -> None:
    command = ("bench", "cifar10", "--model", "zoo-classics:lenet", "--offline", "--preset", "quick", "--device", "cpu")
    (record,) = json.loads(zoo(*command, "--json").out)
    assert (record["model"]["year"], record["model"]["paper"]) == (1998, "https://doi.org/10.1109/5.726791")
    assert record["status"] == "ok", record["reason"]

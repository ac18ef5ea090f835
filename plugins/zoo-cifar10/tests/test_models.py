"""The models on their signature, and the course's lesson on drawn shapes."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from zoo_cifar10.models.cnn import cnn
from zoo_cifar10.models.cnn_fast import CnnFast, Norm
from zoo_cifar10.models.mlp import mlp
from zoo_cifar10.models.resnet import resnet_18
from zoo_cifar10.models.vgg import vgg_16

from zoo_core import Signature

SIGNATURE = Signature(input_shape=(3, 32, 32), outputs=10)


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 32), (3, 49)])
def test_the_small_models_answer_images_of_other_sizes_and_channels(channels: int, size: int) -> None:
    signature = Signature(input_shape=(channels, size, size), outputs=7)
    models = [mlp(signature, [8], 0.1), cnn(signature, [2, 3, 4], 0.2), CnnFast(signature, [3, 4, 5], True)]
    for model in [*models, resnet_18(signature)]:
        assert model.eval()(torch.zeros(2, channels, size, size)).shape == (2, 7)


def test_the_fast_nets_first_layer_whitens_patches_and_is_not_trained() -> None:
    model = CnnFast(SIGNATURE, [2, 2, 2], False)
    smooth = nn.functional.avg_pool2d(torch.randn(400, 3, 34, 34), 3, 1)  # neighbours that resemble each other
    with torch.no_grad():
        model.initialize(smooth)
        answers = model.whiten(smooth)[:, :12].permute(1, 0, 2, 3).reshape(12, -1)
    # the filters divide by the root of variance + 5e-4, which is why it is not exactly one
    torch.testing.assert_close(answers @ answers.T / answers.shape[1], torch.eye(12), atol=0.06, rtol=0)
    assert not model.whiten.weight.requires_grad
    torch.testing.assert_close(model.whiten.weight[12:], -model.whiten.weight[:12])


def test_the_fast_net_with_a_mirror_answers_an_image_and_its_mirror_image_alike_but_not_while_training() -> None:
    model, images = CnnFast(SIGNATURE, [2, 3, 4], True), torch.randn(4, 3, 32, 32)
    model.eval()
    torch.testing.assert_close(model(images), model(images.flip(3)))
    model.train()
    assert not torch.allclose(model(images), model(images.flip(3)))


def test_the_fast_nets_norm_is_batch_norm_whose_bias_counts_eight_times() -> None:
    norm, images = Norm(3), torch.randn(8, 3, 5, 5)
    with torch.no_grad():
        norm.bias.fill_(0.25)
        expected = nn.BatchNorm2d(3, affine=False)(images) + 2.0
        torch.testing.assert_close(norm(images), expected)


def test_of_vgg_only_a_new_last_layer_is_trained() -> None:
    model = vgg_16(SIGNATURE, 0)
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == {"head.weight", "head.bias"}
    assert sum(parameter.numel() for parameter in model.parameters()) == 138_357_544 - 4_097_000 + 40_970


@pytest.mark.slow
def test_on_drawn_shapes_the_dense_net_is_at_least_twenty_points_under_the_convolution(zoo: Callable[..., Any]) -> None:
    command = ("bench", "cifar10", "--offline", "--preset", "quick", "--device", "cpu", "--json")
    (dense,) = json.loads(zoo(*command, "--model", "mlp").out)
    (convolution,) = json.loads(zoo(*command, "--model", "cnn", "--max-steps", "60").out)  # fewer steps will do
    accuracy = [record["measured"]["scores"]["accuracy"] for record in (dense, convolution)]
    assert 0.2 < accuracy[0] < accuracy[1] - 0.2

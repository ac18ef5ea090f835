"""The nets of `sign-language`: ImageNet's ResNet-50, cut in two and frozen in part, and the small one."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models
from zoo_classics.models.cnn import cnn
from zoo_classics.models.transfer import resnet_50
from zoo_classics.sign_language import MODELS, PARTS

from zoo_core import Signature, WeightsError

SIGNATURE = Signature(input_shape=(3, 64, 64), outputs=1000)


@pytest.fixture(scope="module")
def whole() -> models.ResNet:
    return models.resnet50(weights=None).eval()


def test_with_its_own_last_layer_the_cut_net_answers_like_torchvisions(whole: models.ResNet) -> None:
    ours: Any = resnet_50(SIGNATURE, 0, whole.state_dict()).eval()
    ours.head.load_state_dict(whole.fc.state_dict())
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(images), whole(images))


def trained(model: nn.Module) -> set[str]:
    """The parts of the backbone that are trained, by their place in it."""
    return {name.split(".")[1] for name, item in model.named_parameters() if item.requires_grad and "head" not in name}


def test_the_frozen_net_trains_its_last_layer_alone_and_the_fine_tuned_one_everything() -> None:
    unfreeze = {spec.name: spec.options["unfreeze"].default for spec in MODELS if spec.weights}
    assert trained(resnet_50(SIGNATURE, unfreeze["resnet-50-frozen"])) == set()
    assert trained(resnet_50(SIGNATURE, 1)) == {"7"}  # the last stage
    everything = resnet_50(SIGNATURE, unfreeze["resnet-50-fine-tuned"])
    assert all(item.requires_grad for item in everything.parameters())
    assert len(trained(everything)) == PARTS


def test_weights_of_another_net_are_refused_by_name() -> None:
    with pytest.raises(WeightsError, match=r"layer1\.0\.conv3\.weight is missing"):
        resnet_50(SIGNATURE, 0, models.resnet18(weights=None).state_dict())


def test_the_small_net_answers_images_of_any_size_from_32() -> None:
    for size in (32, 64, 97):
        model = cnn(Signature(input_shape=(3, size, size), outputs=5), [2, 3, 4, 5, 6], 0.2).eval()
        assert model(torch.zeros(2, 3, size, size)).shape == (2, 5)

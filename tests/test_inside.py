"""Inside a network: its layers in the order in which they run, feature maps, and Grad-CAM worked out by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from zoo_core.errors import IncompatibleError, UnknownNameError, UsageError
from zoo_core.inside.drawing import Images, Subject, draw
from zoo_core.inside.layers import Layer, choose_layer, list_layers
from zoo_core.inside.maps import as_shares, class_of, class_score, class_share, feature_maps, grad_cam, on_image
from zoo_core.inside.sheets import tinted


class Averages(nn.Module):
    """Two channels, x and -2x, whose means are weighted for two classes: 3 and 1 for the first, 0 and 5 for the other.

    backbone_mode: the context in which the backbone runs, such as `torch.no_grad`.
    """

    def __init__(self, after: nn.Module, *, without_gradients: bool = False) -> None:
        super().__init__()
        self.head = nn.Linear(2, 2)  # registered before the convolution, run after it
        self.conv = nn.Conv2d(1, 2, 1)
        self.after = after
        self.without_gradients = without_gradients
        with torch.no_grad():
            self.conv.weight.copy_(torch.tensor([1.0, -2.0]).view(2, 1, 1, 1))
            self.conv.bias.zero_()  # type: ignore[union-attr]
            self.head.weight.copy_(torch.tensor([[3.0, 1.0], [0.0, 5.0]]))
            self.head.bias.zero_()

    def forward(self, x: Tensor) -> Tensor:
        with torch.set_grad_enabled(not self.without_gradients and torch.is_grad_enabled()):
            maps = self.after(self.conv(x))
        output: Tensor = self.head(maps.mean((2, 3)))
        return output


X = torch.tensor([[[[1.0, -1.0], [0.0, 2.0]]]])
FIRST_CLASS = torch.tensor([[[0.25, 0.0], [0.0, 0.5]]])  # relu(3 * x + 1 * -2x) / 4 positions
SECOND_CLASS = torch.tensor([[[0.0, 2.5], [0.0, 0.0]]])  # relu(0 * x + 5 * -2x) / 4


def layer_of(model: nn.Module, name: str, x: Tensor = X) -> Layer:
    return choose_layer(list_layers(model, x), name)


def cam(model: nn.Module, label: int) -> Tensor:
    with torch.no_grad():  # as in an evaluation
        return grad_cam(model, layer_of(model, "conv"), X, torch.tensor([label]))


def test_grad_cam_weights_each_channel_by_the_mean_gradient_of_the_score() -> None:
    model = Averages(nn.Identity())
    assert torch.equal(cam(model, 0), FIRST_CLASS)
    assert torch.equal(cam(model, 1), SECOND_CLASS)
    both = grad_cam(model, layer_of(model, "conv"), torch.cat([X, X]), torch.tensor([1, 0]))
    assert torch.equal(both, torch.cat([SECOND_CLASS, FIRST_CLASS]))


@pytest.mark.parametrize(
    "model",
    [Averages(nn.ReLU(inplace=True)), Averages(nn.ReLU()).requires_grad_(False)],
    ids=["changed in place later", "frozen"],
)
def test_grad_cam_is_the_same_however_the_network_treats_the_layer(model: nn.Module) -> None:
    assert torch.equal(cam(model, 0), cam(Averages(nn.ReLU()), 0))
    assert torch.is_grad_enabled()
    assert not X.requires_grad
    assert not any(module._forward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("frozen", [True, False])
def test_a_layer_that_the_gradient_does_not_reach_is_refused(frozen: bool) -> None:
    model = Averages(nn.Identity(), without_gradients=True).requires_grad_(not frozen)
    with pytest.raises(IncompatibleError, match="the scores of the classes have no gradient in layer conv"):
        cam(model, 0)


def test_layers_are_listed_in_the_order_in_which_they_run() -> None:
    found = list_layers(Averages(nn.Identity()), X)
    assert [(layer.name, layer.class_name, layer.shape, layer.parameters) for layer in found] == [
        ("conv", "Conv2d", (2, 2, 2), 4),
        ("after", "Identity", (2, 2, 2), 0),
        ("head", "Linear", (2,), 6),
    ]


def test_the_last_convolution_is_chosen_but_not_one_with_a_single_position() -> None:
    x = torch.zeros(1, 1, 4, 4)
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Conv2d(2, 3, 2, padding=1), nn.Conv2d(3, 4, 3), nn.Flatten())
    assert choose_layer(list_layers(model, x)).name == "1"
    whole = nn.Sequential(nn.Conv2d(1, 2, 4), nn.Flatten())
    assert choose_layer(list_layers(whole, x)).name == "0"


class Residual(nn.Module):
    """A block whose shortcut runs last."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.shortcut = nn.Conv2d(1, 3, 3, 1, 1), nn.Conv2d(3, 2, 1), nn.Conv2d(1, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.second(self.first(x)) + self.shortcut(x)
        return output


def test_the_convolution_of_a_shortcut_is_not_the_one_that_is_chosen() -> None:
    layers = list_layers(Residual(), X)
    assert [layer.name for layer in layers] == ["first", "second", "shortcut"]
    assert choose_layer(layers).name == "second"
    assert choose_layer(layers, "shortcut").name == "shortcut"


def test_a_layer_that_cannot_be_shown_is_refused_with_what_to_do() -> None:
    layers = list_layers(Averages(nn.Identity()), X)
    with pytest.raises(UnknownNameError, match="unknown layer 'cnv': did you mean conv"):
        choose_layer(layers, "cnv")
    with pytest.raises(IncompatibleError, match=r"layer head \(Linear\) returns \(2,\) for an image, not maps"):
        choose_layer(layers, "head")
    dense = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    with pytest.raises(IncompatibleError, match="has no convolution: it has no layer that returns maps"):
        choose_layer(list_layers(dense, X))
    with pytest.raises(IncompatibleError, match=r"has no convolution: name one of its other layers .* --layer 0"):
        choose_layer(list_layers(nn.Sequential(nn.Identity(), *dense), X))


def test_feature_maps_are_what_the_layer_returned_even_if_it_is_changed_later() -> None:
    model = Averages(nn.ReLU(inplace=True))
    assert torch.equal(feature_maps(model, layer_of(model, "conv"), X), torch.cat([X, -2 * X], 1))


# One image of two pixels: the first is of class 1, the second of class 0, and a second image all of class 2.
PIXELS = torch.tensor([[[[1.0, 5.0]], [[3.0, 4.0]], [[0.0, 0.0]]], [[[0.0, 0.0]], [[0.0, 0.0]], [[6.0, 8.0]]]])


def test_the_score_of_a_class_per_pixel_is_its_mean_over_the_pixels_predicted_so() -> None:
    assert class_of(PIXELS).tolist() == [0, 2]
    assert class_score(PIXELS, torch.tensor([0, 2])).tolist() == [5.0, 7.0]
    assert class_score(PIXELS, torch.tensor([2, 0])).tolist() == [0.0, 0.0]
    assert class_share(PIXELS, torch.tensor([0, 2])).tolist() == [0.5, 1.0]


def test_the_score_of_a_class_per_image_is_its_logit() -> None:
    logits = torch.tensor([[0.0, 2.0], [3.0, 3.0]])
    assert class_of(logits).tolist()[0] == 1
    assert class_score(logits, torch.tensor([0, 1])).tolist() == [0.0, 3.0]
    assert class_share(logits, torch.tensor([1, 1]))[1].item() == 0.5


def test_maps_are_scaled_by_their_largest_value_and_a_map_of_nothing_stays_empty() -> None:
    maps = torch.tensor([[[0.0, 2.0], [4.0, -4.0]], [[0.0, 0.0], [0.0, 0.0]]])
    assert as_shares(maps).tolist() == [[[0.0, 0.5], [1.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]]


def test_a_map_of_padded_inputs_loses_the_padding_and_a_map_of_resized_ones_does_not() -> None:
    column = torch.arange(8.0).repeat(8, 1)[None, None]
    assert torch.equal(on_image(column, (8, 8), (6, 4), resized=False)[0, 0, 0], torch.arange(2.0, 6.0))
    halved = on_image(column, (8, 8), (8, 4), resized=True)
    assert halved.shape == (1, 1, 8, 4)
    assert torch.equal(halved[0, 0, 0], torch.tensor([0.5, 2.5, 4.5, 6.5]))


def test_a_tinted_image_is_grey_and_orange_where_its_map_is_one() -> None:
    image = np.array([30, 60, 90], np.uint8).reshape(1, 3, 1, 1).repeat(2, axis=3)
    found = tinted(image, np.array([[[0.0, 1.0]]]))
    assert found[0, :, 0, 0].tolist() == [60, 60, 60]
    assert found[0, :, 0, 1].tolist() == [190, 89, 9]  # 15 % of the grey and 85 % of (213, 94, 0)


def spots(rows: Sequence[int]) -> np.ndarray[Any, Any]:
    """Images with one pixel as bright as their number."""
    images = np.zeros((len(rows), 1, 4, 4), np.uint8)
    images[:, 0, 1, 2] = rows
    return images


def subject(model: nn.Module, name: str, classes: Sequence[str]) -> Subject:
    def inputs(images: np.ndarray[Any, Any]) -> Tensor:
        return torch.from_numpy(images).float()

    layer = layer_of(model, name, inputs(spots([0])))
    return Subject(model=model, layer=layer, make_inputs=inputs, classes=classes, resized=True)


def looked_at(count: int, read: list[list[int]], *, files: bool) -> Images:
    def note(rows: Sequence[int]) -> np.ndarray[Any, Any]:
        read.append([*rows])
        return spots(rows)

    return Images(count=count, read=note, caption=lambda row: f"image {row}", shows_all=files, noun="images")


def test_the_most_activating_images_are_those_with_the_largest_value_of_a_channel() -> None:
    read: list[list[int]] = []
    found = {
        item.name: item
        for item in draw(subject(Averages(nn.Identity()), "conv", "ab"), looked_at(100, read, files=False))
    }
    assert [*found] == ["grad-cam", "feature-maps", "most-activating"]
    best, worst = [*range(99, 91, -1)], [*range(8)]
    # Channel 0 is the brightness of the spot. Channel 1 is -2 times it, and 0 beside the spot: all its maxima are 0.
    assert read[-1][:8] == best
    assert len(set(read[-1][8:])) == len(worst)
    assert found["most-activating"].shows == "the images that most activate 2 of 2 channels, of 100"
    assert found["grad-cam"].shows == "evidence for the predicted class, in 12 images"
    assert found["feature-maps"].shows == "2 of 2 channels, in 4 images"
    assert all(item.picture.dtype == np.uint8 and item.picture.shape[2] == 3 for item in found.values())


def test_of_files_every_one_is_drawn_and_nothing_is_searched() -> None:
    read: list[list[int]] = []
    found = [*draw(subject(Averages(nn.Identity()), "conv", "ab"), looked_at(20, read, files=True), of_class=1)]
    assert [item.name for item in found] == ["grad-cam", "feature-maps"]
    assert found[0].shows == "evidence for b, in 20 images"
    assert max(map(len, read)) == 20


def test_a_network_without_classes_gets_no_grad_cam_and_a_missing_channel_is_refused() -> None:
    named = [item.name for item in draw(subject(Averages(nn.Identity()), "conv", ()), looked_at(9, [], files=True))]
    assert named == ["feature-maps"]
    with pytest.raises(UsageError, match="layer conv has no channel 2: it has 2, counted from 0"):
        [*draw(subject(Averages(nn.Identity()), "conv", "ab"), looked_at(9, [], files=True), channels=[1, 2])]

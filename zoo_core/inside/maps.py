"""What a layer computes for images: its feature maps, their largest values, and Grad-CAM."""

from __future__ import annotations

import logging

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo_core.errors import IncompatibleError
from zoo_core.inside.layers import Layer


def feature_maps(model: nn.Module, layer: Layer, x: Tensor) -> Tensor:
    """Return what the layer returns for the inputs `x` (n, ...): float32 (n, channels, height, width)."""
    kept: list[Tensor] = []

    def keep(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        kept[:] = [output.detach().float().clone()]  # a later layer may change its input in place

    handle = layer.module.register_forward_hook(keep)
    try:
        model(x)
    finally:
        handle.remove()
    return kept[0]


def grad_cam(model: nn.Module, layer: Layer, x: Tensor, classes: Tensor) -> Tensor:
    """Return Grad-CAM for the inputs `x` (n, ...): float32 (n, height, width), 0 or more, in the layer's resolution.

    classes: int64 (n,), the class to explain in each image, by its `class_score`. The maps are the positive part of the
    sum of the layer's maps, each weighted by the mean of the score's gradient over its positions (Selvaraju et al.
    2017, arXiv:1610.02391), as captum computes them. Raises IncompatibleError if the gradient does not reach the layer.
    """
    logging.getLogger("matplotlib").setLevel(logging.WARNING)  # captum imports it; a trial's output is about the trial
    from captum.attr import LayerGradCam

    def score(inputs: Tensor) -> Tensor:
        return class_score(model(inputs), classes)

    try:
        maps = LayerGradCam(score, layer.module).attribute(x.detach().requires_grad_(), relu_attributions=True)
    except RuntimeError as error:
        if "not require grad" not in str(error) and "not have been used" not in str(error):
            raise
        raise IncompatibleError(
            f"the scores of the classes have no gradient in layer {layer.name}: choose a layer on which they depend, "
            "and that does not run under `torch.no_grad`"
        ) from error
    found: Tensor = maps.detach().float()[:, 0]
    return found


def class_of(output: Tensor) -> Tensor:
    """Return the predicted class of each image, int64 (n,): of a class per pixel, the most frequent one.

    Shapes: output (n, classes) or (n, classes, height, width).
    """
    predicted = output.argmax(1)
    return predicted if output.dim() == 2 else predicted.flatten(1).mode().values


def class_score(output: Tensor, classes: Tensor) -> Tensor:
    """Return the logit of one class for each image, (n,).

    Shapes: output (n, classes) or (n, classes, height, width); classes int64 (n,). With a class per pixel, it is the
    mean over the pixels that are predicted as the class (Vinogradova et al. 2020, arXiv:2002.11434); 0 without any.
    """
    if output.dim() == 2:
        return output.gather(1, classes[:, None])[:, 0]
    logits = output[torch.arange(len(output), device=output.device), classes]
    pixels = output.argmax(1) == classes[:, None, None]
    return (logits * pixels).sum((1, 2)) / pixels.sum((1, 2)).clamp_min(1)


def class_share(output: Tensor, classes: Tensor) -> Tensor:
    """Return the probability of one class for each image, or its share of the predicted pixels, (n,)."""
    if output.dim() == 2:
        return output.softmax(1).gather(1, classes[:, None])[:, 0]
    return (output.argmax(1) == classes[:, None, None]).float().mean((1, 2))


def as_shares(maps: Tensor) -> Tensor:
    """Scale maps (..., height, width) to [0, 1] by the largest value of each; a map without a positive value is 0."""
    return maps.clamp_min(0) / maps.amax((-2, -1), keepdim=True).clamp_min(torch.finfo(maps.dtype).tiny)


def on_image(maps: Tensor, inputs: tuple[int, int], image: tuple[int, int], *, resized: bool) -> Tensor:
    """Enlarge maps (n, channels, height, width) to the height and width of the image that they belong to.

    inputs: height and width of the model's inputs. resized: whether they are the whole image in another size; else the
    image lies in their middle, with padding around it.
    """
    if resized:
        return F.interpolate(maps, image, mode="bilinear")
    maps = F.interpolate(maps, inputs, mode="bilinear")
    top, left = ((padded - size) // 2 for padded, size in zip(inputs, image, strict=True))
    return maps[:, :, top : top + image[0], left : left + image[1]]

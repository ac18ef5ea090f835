"""U-Nets on timm's encoders: one with the recipe key `encoder`, and the family `unet-timm/<timm's name>`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import timm
import torch
from torch import Tensor, nn

from zoo_core import Accepts, IncompatibleError, ModelSpec, Param, Signature, WeightsError
from zoo_core.timm_family import TimmModel, find_model, last_layer, list_names, pretrained_fields
from zoo_core.weights import load_into
from zoo_unet.models.blocks import OnEncoder
from zoo_unet.recipes import TIMM_DECODER, TIMM_RECIPE

PREFIX = "unet-timm/"
PRETRAINED = {"lr": 0.0005}  # pretrained weights need smaller updates
MAX_FIRST_REDUCTION = 4  # of the largest features: with coarser ones no skip connection carries fine detail
TRIAL_SIZE = 64  # pixels a side of the picture that tests an encoder


class TimmUnets:
    """`unet-timm/<name>` starts from random weights, `unet-timm/<name>.<tag>` from the published ones of that tag."""

    @staticmethod
    def list(pattern: str) -> Iterable[str]:
        """List the names that match a shell pattern with the prefix; with tags if the pattern has a dot."""
        return list_names(PREFIX, pattern)

    @staticmethod
    def resolve(name: str) -> ModelSpec:
        """Return the spec of one model. Raises UnknownNameError with the nearest names of timm."""
        return _spec(name, find_model(PREFIX, name))


def _spec(name: str, model: TimmModel) -> ModelSpec:
    return ModelSpec(
        name=name,
        title=f"U-Net on timm's {model.name}",
        entry="zoo_unet.models.on_timm:unet_timm",
        kind="segmentation",
        tasks=(),
        accepts=Accepts(channels=(3,) if model.pretrained else (), min_size=16),
        options={
            "encoder": Param(default=model.name, choices=(model.name,), help="timm's name"),
            "decoder": TIMM_DECODER,
        },
        recipe={"*": {**TIMM_RECIPE, **(PRETRAINED if model.pretrained else {})}},
        **pretrained_fields(model),
    )


def unet_timm(
    signature: Signature, encoder: str, decoder: Sequence[int], weights: Mapping[str, Tensor] | None = None
) -> nn.Module:
    """Build a U-Net (batch, C, H, W) -> (batch, classes, H, W); `weights` are those of timm's whole classifier.

    Raises IncompatibleError if timm has no such model, or if the model's features do not shrink level by level.
    """
    name, channels = encoder.partition(".")[0], signature.input_shape[0] or 1
    if not timm.is_model(name):
        raise IncompatibleError(f"timm has no model {name!r}: `zoo list models '{PREFIX}*'` lists all of them")
    try:
        net: Any = timm.create_model(name, features_only=True, in_chans=channels)
        widths, reductions = net.feature_info.channels(), net.feature_info.reduction()
        shapes = _feature_shapes(net, channels)
    except (TypeError, ValueError, RuntimeError, AssertionError, AttributeError) as error:  # what timm's builders raise
        raise IncompatibleError(f"timm's {name} gives no features of {signature.input_shape}: {error}") from error
    sizes = [(TRIAL_SIZE // reduction, TRIAL_SIZE // reduction) for reduction in reductions]
    shrinks = len(set(reductions)) > 1 and shapes == list(zip(widths, sizes, strict=True))
    if reductions[0] > MAX_FIRST_REDUCTION or not shrinks:
        raise IncompatibleError(
            f"timm's {name} cannot be the encoder of a U-Net: its features are not ever smaller pictures"
        )
    if weights is not None:
        load_encoder(net, name, channels, weights)
    return OnEncoder(net, widths, decoder, signature.outputs or 1)


def _feature_shapes(net: nn.Module, channels: int) -> list[tuple[int, tuple[int, int]]]:
    """Channels and (height, width) of each level's features, for a picture of 64x64."""
    with torch.no_grad():
        features = net.eval()(torch.zeros(1, channels, TRIAL_SIZE, TRIAL_SIZE))
    net.train()
    return [(item.shape[1], tuple(item.shape[2:])) for item in features]


def load_encoder(encoder: nn.Module, name: str, channels: int, weights: Mapping[str, Tensor]) -> None:
    """Load the weights of timm's classifier `name` into the encoder made from it.

    Both have the same tensors, except for dots in the names. Raises WeightsError naming the tensors that do not fit.
    """
    whole: Any = timm.create_model(name, in_chans=channels)
    load_into(whole, weights, without=last_layer(whole))
    given = {_without_dots(key): tensor for key, tensor in whole.state_dict().items()}
    wanted = {key: _without_dots(key.removeprefix("model.")) for key in encoder.state_dict()}
    missing = [key for key, flat in wanted.items() if flat not in given]
    if missing:
        raise WeightsError(f"timm's {name}: the encoder has a tensor {missing[0]}, the classifier has not")
    load_into(encoder, {key: given[flat] for key, flat in wanted.items()})


def _without_dots(key: str) -> str:
    return key.replace(".", "_")

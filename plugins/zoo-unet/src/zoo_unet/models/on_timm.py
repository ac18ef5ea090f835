"""U-Nets on timm's encoders: one by the recipe key `encoder`, and a family `unet-timm/<timm's name>`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import get_pretrained_cfg
from torch import Tensor, nn

from zoo_core import Accepts, Download, IncompatibleError, ModelSpec, Param, Signature, UnknownNameError, WeightsError
from zoo_core.weights import load_into
from zoo_unet.models.blocks import OnEncoder
from zoo_unet.plugin import TIMM_DECODER, TIMM_RECIPE

PREFIX = "unet-timm/"
PRETRAINED = {"lr": 0.0005}  # what is trained already moves less
FIRST = 4  # pixels that one of the largest features may stand for: above, nothing is left to be joined
SAMPLE = 64  # pixels a side of the picture that an encoder is tried on


class TimmUnets:
    """`unet-timm/<name>` begins at random, `unet-timm/<name>.<tag>` with the published weights of that tag."""

    @staticmethod
    def list(pattern: str) -> Iterable[str]:
        """Names that match a shell pattern with the prefix; with their tags where the pattern has a dot."""
        bare = pattern.removeprefix(PREFIX)
        return [PREFIX + name for name in timm.list_models(bare, pretrained="." in bare)]

    @staticmethod
    def resolve(name: str) -> ModelSpec:
        """Raises UnknownNameError with the nearest names of timm."""
        bare = name.removeprefix(PREFIX)
        architecture, dot, tag = bare.partition(".")
        if not timm.is_model(architecture):
            raise UnknownNameError(
                "model", name, map(PREFIX.__add__, timm.list_models()), hint=f"zoo list models '{PREFIX}*'"
            )
        tagged = timm.list_models(f"{architecture}.*", pretrained=True)
        if dot and bare not in tagged:
            raise UnknownNameError(
                "model", name, map(PREFIX.__add__, tagged), hint=f"zoo list models '{PREFIX}{architecture}.*'"
            )
        return _spec(name, bare, get_pretrained_cfg(bare), pretrained=bool(tag))


def _spec(name: str, bare: str, known: Any, *, pretrained: bool) -> ModelSpec:
    fitted: dict[str, Any] = {}
    if pretrained:
        fitted = {"mean": known.mean, "std": known.std, "weights": _weights(bare, known)}
        fitted["pretrained_on"] = f"timm's {known.tag}"
    return ModelSpec(
        name=name,
        title=f"U-Net on timm's {bare}",
        entry="zoo_unet.models.on_timm:unet_timm",
        kind="segmentation",
        tasks=(),
        accepts=Accepts(channels=(3,) if pretrained else (), min_size=16),
        options={
            "encoder": Param(default=bare, choices=(bare,), help="timm's name"),
            "decoder": TIMM_DECODER,
        },
        recipe={"*": {**TIMM_RECIPE, **(PRETRAINED if pretrained else {})}},
        **fitted,
    )


def _weights(bare: str, known: Any) -> Download:
    """By timm's `PretrainedCfg`: the file on the Hugging Face hub, else where timm says, its name's digits checked."""
    if known.hf_hub_id or not known.url:
        hub, file = known.hf_hub_id or f"timm/{bare}", known.hf_hub_filename or "model.safetensors"
        return Download(name=bare + Path(file).suffix, urls=(f"https://huggingface.co/{hub}/resolve/main/{file}",))
    digits = re.search(r"-([0-9a-f]{8,64})\.\w+$", known.url)
    return Download(name=known.url.rpartition("/")[2], urls=(known.url,), sha256=digits[1] if digits else "")


def unet_timm(
    signature: Signature, encoder: str, decoder: Sequence[int], weights: Mapping[str, Tensor] | None = None
) -> nn.Module:
    """(batch, C, H, W) -> (batch, classes, H, W); weights are those of the whole classifier, without its last layer.

    Raises IncompatibleError where timm has no such encoder, or it does not give ever smaller pictures.
    """
    name, channels = encoder.partition(".")[0], signature.input_shape[0] or 1
    if not timm.is_model(name):
        raise IncompatibleError(f"timm has no model {name!r}: `zoo list models '{PREFIX}*'` names those it has")
    try:
        net: Any = timm.create_model(name, features_only=True, in_chans=channels)
        widths, reductions = net.feature_info.channels(), net.feature_info.reduction()
        shapes = _shapes(net, channels)
    except (TypeError, ValueError, RuntimeError, AssertionError, AttributeError) as error:  # what timm's builders raise
        raise IncompatibleError(f"timm's {name} gives no features of {signature.input_shape}: {error}") from error
    halvings = [(SAMPLE // reduction, SAMPLE // reduction) for reduction in reductions]
    if reductions[0] > FIRST or len(set(reductions)) < 2 or shapes != list(zip(widths, halvings, strict=True)):
        raise IncompatibleError(f"timm's {name} is no encoder for a U-Net: its features are not ever smaller pictures")
    if weights is not None:
        load_encoder(net, name, channels, weights)
    return OnEncoder(net, widths, decoder, signature.outputs or 1)


def _shapes(net: nn.Module, channels: int) -> list[tuple[int, tuple[int, int]]]:
    """Channels and size of every feature of a picture of 64x64."""
    with torch.no_grad():
        features = net.eval()(torch.zeros(1, channels, SAMPLE, SAMPLE))
    net.train()
    return [(item.shape[1], tuple(item.shape[2:])) for item in features]


def load_encoder(encoder: nn.Module, name: str, channels: int, weights: Mapping[str, Tensor]) -> None:
    """Put a classifier's weights into timm's encoder of that name; its layers are called alike, dots aside.

    Raises WeightsError naming the tensors that do not fit.
    """
    whole: Any = timm.create_model(name, in_chans=channels)
    last = whole.pretrained_cfg.get("classifier") or ()
    load_into(whole, weights, without=(last,) if isinstance(last, str) else tuple(last))
    given = {_flat(key): tensor for key, tensor in whole.state_dict().items()}
    wanted = {key: _flat(key.removeprefix("model.")) for key in encoder.state_dict()}
    missing = [key for key, flat in wanted.items() if flat not in given]
    if missing:
        raise WeightsError(f"timm's {name}: its encoder has a tensor {missing[0]} that the whole net has not")
    load_into(encoder, {key: given[flat] for key, flat in wanted.items()})


def _flat(key: str) -> str:
    return key.replace(".", "_")

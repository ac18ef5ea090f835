"""timm's classification models as a family: names to specs, specs to nets for any image size and number of classes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from timm.models import PretrainedCfg, get_pretrained_cfg
from torch import Tensor, nn

from zoo_core import Accepts, Download, IncompatibleError, ModelSpec, Param, Signature, UnknownNameError
from zoo_core.transfer import Transfer
from zoo_core.weights import load_into

PREFIX = "timm/"
FROM_SCRATCH = {"optimizer": "adamw", "lr": 0.002, "weight_decay": 0.05}
PRETRAINED = {"optimizer": "adamw", "lr": 0.0005, "weight_decay": 0.05}
RECIPE = {"schedule": "cosine", "warmup": 0.1, "clip_norm": 1.0, "batch_size": 64}


class TimmModels:
    """`timm/<name>` begins at random, `timm/<name>.<tag>` with the published weights of that tag."""

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


def _spec(name: str, bare: str, known: PretrainedCfg, *, pretrained: bool) -> ModelSpec:
    """The spec by what timm knows of the model: its only or smallest size, and how its weights want their input."""
    fixed, smallest = known.fixed_input_size, known.min_input_size
    fitted: dict[str, Any] = {"mean": known.mean, "std": known.std} if pretrained else {}
    return ModelSpec(
        name=name,
        title=f"timm's {bare}",
        entry="zoo_timm.models:build",
        kind="image-classification",
        tasks=(),
        accepts=Accepts(
            channels=(3,) if pretrained else (),
            fixed_size=known.input_size[-1] if fixed else None,
            min_size=smallest[-1] if smallest else 1,
        ),
        options={
            "architecture": Param(default=bare, choices=(bare,), help="timm's name"),
            "freeze": Param(default=False, help="train only a new last layer"),
        },
        recipe={"*": {**RECIPE, **(PRETRAINED if pretrained else FROM_SCRATCH)}},
        weights=_weights(bare, known) if pretrained else None,
        pretrained_on=f"timm's {known.tag}" if pretrained else "",
        **fitted,
    )


def _weights(bare: str, known: PretrainedCfg) -> Download:
    """The file on the Hugging Face hub, else where timm says; a checksum where the file's name has its first digits."""
    if known.hf_hub_id or not known.url:
        hub, file = known.hf_hub_id or f"timm/{bare}", known.hf_hub_filename or "model.safetensors"
        return Download(name=bare + Path(file).suffix, urls=(f"https://huggingface.co/{hub}/resolve/main/{file}",))
    digits = re.search(r"-([0-9a-f]{8,64})\.\w+$", known.url)
    return Download(name=known.url.rpartition("/")[2], urls=(known.url,), sha256=digits[1] if digits else "")


def build(
    signature: Signature, architecture: str, freeze: bool, weights: Mapping[str, Tensor] | None = None
) -> nn.Module:
    """(batch, C, H, W) -> (batch, classes); weights are taken without their last layer. Raises IncompatibleError."""
    channels = signature.input_shape[0]
    try:
        net = timm.create_model(
            architecture.partition(".")[0], num_classes=0 if freeze else signature.outputs, in_chans=channels
        )
    except (TypeError, ValueError, RuntimeError) as error:  # what timm's builders raise for what they cannot build
        raise IncompatibleError(f"timm cannot build {architecture} for {signature.input_shape}: {error}") from error
    if weights is not None:
        classifier = net.pretrained_cfg.get("classifier") or ()
        load_into(net, weights, without=(classifier,) if isinstance(classifier, str) else tuple(classifier))
    if not freeze:
        return net
    with torch.no_grad():
        features = net.eval()(torch.zeros(1, *signature.input_shape)).shape[1]
    return Transfer(net.train(), nn.Linear(features, signature.outputs))

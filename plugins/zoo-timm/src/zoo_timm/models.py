"""timm's classification models as a family: names become specs, specs become models for any image size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import timm
import torch
from torch import Tensor, nn

from zoo_core import Accepts, IncompatibleError, ModelSpec, Param, Signature
from zoo_core.timm_family import TimmModel, find_model, last_layer, list_names, pretrained_fields
from zoo_core.transfer import Transfer
from zoo_core.weights import load_into

PREFIX = "timm/"
FROM_SCRATCH = {"optimizer": "adamw", "lr": 0.002, "weight_decay": 0.05}
PRETRAINED = {"optimizer": "adamw", "lr": 0.0005, "weight_decay": 0.05}
RECIPE = {"schedule": "cosine", "warmup": 0.1, "clip_norm": 1.0, "batch_size": 64}


class TimmModels:
    """`timm/<name>` starts from random weights, `timm/<name>.<tag>` from the published weights of that tag."""

    @staticmethod
    def list(pattern: str) -> Iterable[str]:
        """List the names that match a shell pattern with the prefix; with tags if the pattern has a dot."""
        return list_names(PREFIX, pattern)

    @staticmethod
    def resolve(name: str) -> ModelSpec:
        """Return the spec of one model. Raises UnknownNameError with the nearest names of timm."""
        return _spec(name, find_model(PREFIX, name))


def _spec(name: str, model: TimmModel) -> ModelSpec:
    """Describe a model: the image sizes it takes, and how its weights need their input normalised."""
    fixed, smallest = model.config.fixed_input_size, model.config.min_input_size
    return ModelSpec(
        name=name,
        title=f"timm's {model.name}",
        entry="zoo_timm.models:build",
        kind="image-classification",
        tasks=(),
        accepts=Accepts(
            channels=(3,) if model.pretrained else (),
            fixed_size=model.config.input_size[-1] if fixed else None,
            min_size=smallest[-1] if smallest else 1,
        ),
        options={
            "architecture": Param(default=model.name, choices=(model.name,), help="timm's name"),
            "freeze": Param(default=False, help="train only a new last layer"),
        },
        recipe={"*": {**RECIPE, **(PRETRAINED if model.pretrained else FROM_SCRATCH)}},
        **pretrained_fields(model),
    )


def build(
    signature: Signature, architecture: str, freeze: bool, weights: Mapping[str, Tensor] | None = None
) -> nn.Module:
    """Build a model (batch, C, H, W) -> (batch, classes); its last layer is new, also with `weights`.

    Raises IncompatibleError if timm cannot build it for this signature.
    """
    channels = signature.input_shape[0]
    try:
        net = timm.create_model(
            architecture.partition(".")[0], num_classes=0 if freeze else signature.outputs, in_chans=channels
        )
    except (TypeError, ValueError, RuntimeError) as error:  # what timm's builders raise for unsupported arguments
        raise IncompatibleError(f"timm cannot build {architecture} for {signature.input_shape}: {error}") from error
    if weights is not None:
        load_into(net, weights, without=last_layer(net))
    if not freeze:
        return net
    with torch.no_grad():
        features = net.eval()(torch.zeros(1, *signature.input_shape)).shape[1]
    return Transfer(net.train(), nn.Linear(features, signature.outputs))

"""Builds models for the signature they will see, with the weights they begin with."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from zoo_core.entries import resolve_entry
from zoo_core.entries.unpackaged import PLUGIN, call
from zoo_core.errors import EntryError, WeightsError
from zoo_core.specs import ModelSpec, Signature
from zoo_core.weights import load_into


def build_model(
    spec: ModelSpec, signature: Signature, recipe: Mapping[str, Any], weights: Mapping[str, Tensor] | None = None
) -> nn.Module:
    """A new model on the CPU. Weights go to the build function if it has a parameter for them, else into its model.

    Raises WeightsError where they do not fit, EntryError where what was built is no model.
    """
    options = {key: recipe[key] for key in spec.options}
    entry = resolve_entry(spec.entry)
    try:
        if weights is not None and "weights" in inspect.signature(entry).parameters:
            options["weights"] = weights
        model = call(entry, signature, options) if spec.plugin == PLUGIN else entry(signature, **options)
        if not isinstance(model, nn.Module):
            what = type(model).__name__
            raise EntryError(f"model {spec.qualified}: {spec.entry} returned a {what}, not a torch.nn.Module")
        if weights is not None and "weights" not in options:
            load_into(model, weights)
    except WeightsError as error:
        raise WeightsError(f"model {spec.qualified}: {error}") from error
    return model

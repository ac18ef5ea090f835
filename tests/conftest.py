"""Shared by the tests of the core: saved models that need no training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

NOISE = 0.03  # std of what is added to each weight


@pytest.fixture(scope="session")
def save_untrained() -> Callable[..., Path]:
    """Save a model with random weights, as if it were trained on its task's offline data:
    `save_untrained(path, "mnist", "cnn", width=8)`."""
    return _save_untrained


def _save_untrained(path: Path, task: str, model: str, **recipe: Any) -> Path:
    import torch

    from zoo_core.data.locate import fingerprint
    from zoo_core.data.open import open_data
    from zoo_core.entries.codehash import code_sha256
    from zoo_core.files import own_cache
    from zoo_core.kinds import adapted_signature
    from zoo_core.protocols import Context
    from zoo_core.recipe import resolve_recipe
    from zoo_core.registry import Registry
    from zoo_core.runner import checkpoints
    from zoo_core.runner.build import build_model, reseed
    from zoo_core.runner.pair_recipe import pair_parameters

    registry = Registry.load()
    task_spec = registry.task(task)
    model_spec = registry.model(model, task_spec)
    dataset = next(item for item in registry.datasets_of(task_spec) if item.offline)
    identity, ctx = fingerprint(dataset, None), Context(cache=own_cache(dataset.qualified), offline=True)
    signature = open_data(dataset, ctx, identity).signature
    resolved = resolve_recipe(pair_parameters(task_spec, model_spec), {**task_spec.quick, **model_spec.quick}, recipe)
    reseed(ctx)
    net = build_model(model_spec, adapted_signature(model_spec, task_spec, signature, resolved), resolved)
    with torch.no_grad():  # some models start with zeros, and all files of zeros agree
        for parameter in net.parameters():
            parameter.add_(NOISE * torch.randn_like(parameter))
    header = checkpoints.Checkpoint(
        task=task_spec.qualified,
        task_version=task_spec.version,
        dataset=dataset.qualified,
        fingerprint=identity,
        model=model_spec.qualified,
        model_version=model_spec.version,
        code_sha256=code_sha256(model_spec.entry),
        recipe=dict(resolved),
        signature=signature,
        seed=0,
        device="cpu",
        dtype="float32",
        threads=1,
        metric=task_spec.metric,
        scores={},
    )
    checkpoints.save(path, net, header)
    return path

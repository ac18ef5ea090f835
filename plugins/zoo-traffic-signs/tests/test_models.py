"""The models on their signature, and on drawn signs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
from zoo_traffic_signs.models.cnn import cnn
from zoo_traffic_signs.models.mlp import mlp

from zoo_core import Signature


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 48), (3, 33)])
def test_every_model_answers_images_of_other_sizes_and_channels(channels: int, size: int) -> None:
    signature = Signature(input_shape=(channels, size, size + 1), outputs=7)
    for model in (mlp(signature, [8, 4], 0.3), cnn(signature, [2, 3, 4, 5], 0.3)):
        assert model.eval()(torch.zeros(2, channels, size, size + 1)).shape == (2, 7)


@pytest.mark.slow
def test_offline_accuracy_is_reported_by_picture_and_by_track_and_is_far_above_chance(zoo: Callable[..., Any]) -> None:
    command = (
        "bench",
        "traffic-signs",
        "--offline",
        "--model",
        "cnn",
        "--preset",
        "quick",
        "--device",
        "cpu",
        "--json",
    )
    (record,) = json.loads(zoo(*command, "--set", "steps=100").out)
    scores = record["measured"]["scores"]
    assert scores["accuracy"] > 0.5
    assert scores["group_accuracy"] != scores["accuracy"]

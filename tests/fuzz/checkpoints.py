"""Target: the header of checkpoints. Their weights are among the targets of `data.py`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save

from zoo_core.runner import checkpoints

STATE = {"layer.weight": torch.arange(6.0).view(2, 3), "layer.bias": torch.tensor([0.5, -1.0])}
HEADER = {
    **{"schema": 1, "task": "zoo-cosine:cosine", "task_version": 1, "dataset": "zoo-cosine:cosine", "fingerprint": "f"},
    **{"model": "zoo-cosine:linear", "model_version": 1, "code_sha256": "", "recipe": {"lr": 0.1, "sizes": [1, 2]}},
    "signature": {"input_shape": [1], "outputs": 1, "classes": [], "mean": [0.5], "std": [1.0], "extra": {"a": None}},
    **{"seed": 0, "device": "cpu", "dtype": "float32", "threads": 1, "metric": "mse", "scores": {"mse": 0.1}},
}


def _checkpoint(path: Path) -> None:
    checkpoints.read(path)


CHECKPOINT = save(STATE, metadata={checkpoints.HEADER: json.dumps(HEADER)})
TARGETS: dict[str, tuple[Callable[[Path], None], list[bytes]]] = {
    "checkpoint": (_checkpoint, [CHECKPOINT]),
}

"""Checkpoints and weights of every format, for the harness of fuzzing."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save

from zoo_core.runner import checkpoints
from zoo_core.weights import read_weights

STATE = {"layer.weight": torch.arange(6.0).view(2, 3), "layer.bias": torch.tensor([0.5, -1.0])}
HEADER = {
    **{"schema": 1, "task": "zoo-cosine:cosine", "task_version": 1, "dataset": "zoo-cosine:cosine", "fingerprint": "f"},
    **{"model": "zoo-cosine:linear", "model_version": 1, "code_sha256": "", "recipe": {"lr": 0.1, "sizes": [1, 2]}},
    "signature": {"input_shape": [1], "outputs": 1, "classes": [], "mean": [0.5], "std": [1.0], "extra": {"a": None}},
    **{"seed": 0, "device": "cpu", "dtype": "float32", "threads": 1, "metric": "mse", "scores": {"mse": 0.1}},
}


def _npz() -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **{name: tensor.numpy() for name, tensor in STATE.items()})
    return file.getvalue()


def _torch(*, zipped: bool) -> bytes:
    file = io.BytesIO()
    torch.save({"epoch": 3, "state_dict": STATE}, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def _weights(form: str) -> Callable[[Path], None]:
    def read(path: Path) -> None:
        read_weights(path, form)

    return read


def _checkpoint(path: Path) -> None:
    checkpoints.read(path)


CHECKPOINT = save(STATE, metadata={checkpoints.HEADER: json.dumps(HEADER)})
TARGETS: dict[str, tuple[Callable[[Path], None], list[bytes]]] = {
    "checkpoint": (_checkpoint, [CHECKPOINT]),
    "weights: safetensors": (_weights(".safetensors"), [CHECKPOINT, save(STATE)]),
    "weights: npz": (_weights(".npz"), [_npz()]),
    "weights: torch": (_weights(".pt"), [_torch(zipped=True), _torch(zipped=False)]),
}

"""Checkpoints: a safetensors file with a model's weights; its header has all that is needed to rebuild the model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from zoo_core.errors import WeightsError
from zoo_core.results.records import JsonStruct
from zoo_core.specs import Signature
from zoo_core.weights import load_into, read_weights

FILE = "checkpoint.safetensors"
HEADER = "zoo"  # the key of our JSON in the header
SCHEMA = 1


class Checkpoint(JsonStruct, frozen=True, kw_only=True):
    """The trial that the weights are from. `signature`: of the data; `scores`: on test; names are qualified."""

    schema: int = SCHEMA
    task: str
    task_version: int
    dataset: str
    fingerprint: str
    model: str
    model_version: int
    code_sha256: str
    recipe: dict[str, Any]
    signature: Signature
    seed: int
    device: str
    dtype: Literal["float32", "bfloat16"]
    threads: Annotated[int, msgspec.Meta(ge=1)]
    metric: str
    scores: dict[str, float | None]


class _Head(msgspec.Struct):
    schema: int = SCHEMA


def save(path: Path, model: nn.Module, header: Checkpoint) -> None:
    """Write a checkpoint. Tensors that share memory are written separately."""
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    save_file(tensors, path, metadata={HEADER: msgspec.json.encode(header).decode()})


def read(path: Path) -> Checkpoint:
    """Read the header of a checkpoint, without its tensors. Raises WeightsError."""
    try:
        with safe_open(path, framework="pt") as opened:
            header = (opened.metadata() or {}).get(HEADER, "")
    except FileNotFoundError:
        raise WeightsError(f"there is no checkpoint {path}") from None
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path} cannot be read as a checkpoint ({error}): save it again") from error
    if not header:
        raise WeightsError(f"{path} holds only weights: a model can be rebuilt only from a file of `zoo bench --save`")
    try:
        head = msgspec.json.decode(header, type=_Head)
        if head.schema > SCHEMA:
            raise WeightsError(
                f"{path} is of schema {head.schema}, this zoo reads up to {SCHEMA}: install a newer zoo-core"
            )
        return msgspec.json.decode(header, type=Checkpoint)
    except (msgspec.DecodeError, RecursionError) as error:
        raise WeightsError(f"{path}: its header is damaged ({error}): save it again") from error


def restore(path: Path, model: nn.Module) -> None:
    """Load a checkpoint's weights into a model that was built from its header. Raises WeightsError."""
    try:
        load_into(model, dict(read_weights(path, ".safetensors")))  # the error below names the file
    except WeightsError as error:
        raise WeightsError(f"checkpoint {path}: {error}") from error

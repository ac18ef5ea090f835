"""Checkpoints: a safetensors file with a model's weights; its header has all that is needed to rebuild the model.

A checkpoint may come from anyone. Nothing in its header is imported, opened or run: its names are looked up among the
specs of installed plugins, and the bounds below hold for its values.
"""

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
from zoo_core.weights import MAX_REASON, load_into, read_weights, require_small_header

FILE = "checkpoint.safetensors"
HEADER = "zoo"  # the key of our JSON in the header
SCHEMA = 1
MAX_THREADS = 1024
MAX_SIZE = 2**31 - 1  # of one axis of an input, and of the outputs

Name = Annotated[str, msgspec.Meta(max_length=512)]


class Checkpoint(JsonStruct, frozen=True, kw_only=True):
    """The trial that the weights are from. `signature`: of the data; `scores`: on test; names are qualified.

    file: the file and the name in it that a model without a package is from, such as `net.py:Net`; for people only.
    """

    schema: int = SCHEMA
    task: Name
    task_version: int
    dataset: Name
    fingerprint: Name
    model: Name
    model_version: int
    code_sha256: Name
    recipe: dict[str, Any]
    signature: Signature
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
    device: Name
    dtype: Literal["float32", "bfloat16"]
    threads: Annotated[int, msgspec.Meta(ge=1, le=MAX_THREADS)]
    metric: Name
    file: Name = ""
    scores: dict[str, float | None]


class _Head(msgspec.Struct):
    schema: int = SCHEMA


def save(path: Path, model: nn.Module, header: Checkpoint) -> None:
    """Write a checkpoint. Tensors that share memory are written separately."""
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in model.state_dict().items()}
    save_file(tensors, path, metadata={HEADER: msgspec.json.encode(header).decode()})


def read(path: Path) -> Checkpoint:
    """Read the header of a checkpoint, without its tensors. Raises WeightsError."""
    header = _read_header(path)
    try:
        head = msgspec.json.decode(header, type=_Head)
        if head.schema > SCHEMA:
            newer = str(head.schema)[:MAX_REASON]
            raise WeightsError(f"{path} is of schema {newer}, this zoo reads up to {SCHEMA}: install a newer zoo-core")
        checkpoint = msgspec.json.decode(header, type=Checkpoint)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        reason = str(error)[:MAX_REASON]
        raise WeightsError(f"{path}: its header is damaged ({reason}): save it again") from error
    sizes = [*checkpoint.signature.input_shape, checkpoint.signature.outputs]
    wrong = next((size for size in sizes if size is not None and not 0 < size <= MAX_SIZE), None)
    if wrong is not None:
        reason = "a size in the signature is below 1 or too large"
        raise WeightsError(f"{path}: its header is damaged ({reason}): save it again")
    return checkpoint


def _read_header(path: Path) -> str:
    """Read the zoo's JSON in the header of a safetensors file. Raises WeightsError."""
    try:
        require_small_header(path)
        with safe_open(path, framework="pt") as opened:
            header: str = (opened.metadata() or {}).get(HEADER, "")
    except FileNotFoundError:
        raise WeightsError(f"there is no checkpoint {path}") from None
    except (SafetensorError, OSError) as error:
        reason = str(getattr(error, "strerror", None) or error)[:MAX_REASON]
        raise WeightsError(f"{path} cannot be read as a checkpoint ({reason}): save it again") from error
    if not header:
        raise WeightsError(f"{path} holds only weights: a model can be rebuilt only from a file of `zoo bench --save`")
    return header


def restore(path: Path, model: nn.Module) -> None:
    """Load a checkpoint's weights into a model that was built from its header. Raises WeightsError."""
    try:
        load_into(model, dict(read_weights(path, ".safetensors")))  # the error below names the file
    except WeightsError as error:
        raise WeightsError(f"checkpoint {path}: {error}") from error

"""Reads weights files without running code from them, and loads weights into models."""

from __future__ import annotations

import pickle
import struct
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from zoo_core.errors import WeightsError

FORMATS = "safetensors, npz, or torch's pt, pth, bin and ckpt"
MAX_PROBLEMS_SHOWN = 3  # in an error message
# Raised for truncated or damaged files; torch's reader checks little of what it reads.
UNREADABLE = (
    *(SafetensorError, zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, RuntimeError, ValueError),
    *(TypeError, AttributeError, LookupError, AssertionError, ArithmeticError),
)


def read_weights(path: Path, form: str = "") -> dict[str, Tensor]:
    """Read tensors by name from a file, onto the CPU, without running code from the file.

    form: a suffix, such as ".safetensors", to use instead of the file's own.
    Raises WeightsError, which names the file.

    >>> import tempfile
    >>> from safetensors.torch import save_file
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_file({"weight": torch.zeros(2, 3)}, Path(folder, "net.safetensors"))
    ...     read_weights(Path(folder, "net.safetensors"))["weight"].shape
    torch.Size([2, 3])
    """
    suffix = form or path.suffix.lower()
    try:
        if suffix == ".safetensors":
            return load_file(path)
        if suffix == ".npz":
            with (
                path.open("rb") as file,
                np.load(file, allow_pickle=False) as arrays,
            ):  # numpy leaves a truncated file open
                return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        if suffix in (".pt", ".pth", ".bin", ".ckpt"):
            with warnings.catch_warnings(action="ignore"):  # about content that it refuses anyway
                return _state_dict(path, torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError:
        raise WeightsError(f"there is no weights file {path}") from None
    except PermissionError as error:
        raise WeightsError(f"{path} may not be read: change its permissions") from error
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} was refused: it is truncated, or holds more than tensors, and loading it could run code. "
            "Save the tensors alone, for instance as safetensors"
        ) from error
    except UNREADABLE as error:
        first = str(error).partition("\n")[0]
        raise WeightsError(f"{path} cannot be read as weights ({first}): fetch or save it again") from error
    raise WeightsError(f"{path}: weights are read from {FORMATS} files")


def _state_dict(path: Path, content: Any) -> dict[str, Tensor]:
    """Return the state dict in a file that torch saved; some trainers save it below the key `state_dict`."""
    state = content.get("state_dict", content) if isinstance(content, Mapping) else content
    if not isinstance(state, Mapping) or not all(isinstance(item, Tensor) for item in state.values()):
        raise WeightsError(f"{path} holds no tensors by name: save a model's state_dict()")
    return {str(name): tensor for name, tensor in state.items()}


def load_into(model: nn.Module, weights: Mapping[str, Tensor], *, without: str | tuple[str, ...] = ()) -> None:
    """Copy weights into a model that has the same names and shapes.

    without: a prefix, or several. Tensors with such a name, such as a last layer to be replaced, are not copied; they
        may be missing or have other shapes.
    Raises WeightsError, which names the tensors that do not fit; the model is then unchanged.

    >>> net = nn.Linear(2, 1)
    >>> load_into(net, {"weight": torch.ones(1, 2), "bias": torch.zeros(1)})
    >>> net(torch.tensor([[1.0, 2.0]])).item()
    3.0
    """
    own, without = model.state_dict(), without or ()  # "" is a prefix of every name
    wanted = {name for name in own if not name.startswith(without)}
    given = {name for name in weights if not name.startswith(without)}
    problems = [f"{name} is missing" for name in own if name in wanted - given]
    problems += [f"{name} is not in the model" for name in weights if name in given - wanted]
    problems += [
        f"{name} is {tuple(weights[name].shape)}, the model has {tuple(own[name].shape)}"
        for name in own
        if name in wanted & given and weights[name].shape != own[name].shape
    ]
    if problems:
        more = f" and {len(problems) - MAX_PROBLEMS_SHOWN} more" if len(problems) > MAX_PROBLEMS_SHOWN else ""
        raise WeightsError(f"the weights do not fit the model: {'; '.join(problems[:MAX_PROBLEMS_SHOWN])}{more}")
    with torch.no_grad():
        for name in wanted:
            own[name].copy_(weights[name])

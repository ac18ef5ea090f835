"""Reads files of weights without running what is in them, and puts them into models."""

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

FORMS = "safetensors, npz, or torch's pt, pth, bin and ckpt"
SHOWN = 3  # names in an error
# What the readers raise for files that are cut or damaged: torch's takes most of what it finds on trust.
UNREADABLE = (
    *(SafetensorError, zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError, RuntimeError, ValueError),
    *(TypeError, AttributeError, LookupError, AssertionError, ArithmeticError),
)


def read_weights(path: Path, form: str = "") -> dict[str, Tensor]:
    """Tensors by name from a file, on the CPU; `form` is a suffix that goes before the file's own.

    Raises WeightsError naming the file; nothing in it is executed.
    """
    suffix = form or path.suffix.lower()
    try:
        if suffix == ".safetensors":
            return load_file(path)
        if suffix == ".npz":
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:  # numpy leaves a cut one open
                return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
        if suffix in (".pt", ".pth", ".bin", ".ckpt"):
            with warnings.catch_warnings(action="ignore"):  # of what it is about to refuse
                return _state_dict(path, torch.load(path, map_location="cpu", weights_only=True))
    except FileNotFoundError:
        raise WeightsError(f"there is no file of weights {path}") from None
    except PermissionError as error:
        raise WeightsError(f"{path} may not be read: change its permissions") from error
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path} was refused: it is cut, or holds more than tensors, and loading it could run code. "
            "Save the tensors alone, for instance as safetensors"
        ) from error
    except UNREADABLE as error:
        first = str(error).partition("\n")[0]
        raise WeightsError(f"{path} cannot be read as weights ({first}): fetch or save it again") from error
    raise WeightsError(f"{path}: weights are read from {FORMS} files")


def _state_dict(path: Path, content: Any) -> dict[str, Tensor]:
    """The tensors of what torch saved: a state dict, or one below `state_dict` as trainers save it."""
    state = content.get("state_dict", content) if isinstance(content, Mapping) else content
    if not isinstance(state, Mapping) or not all(isinstance(item, Tensor) for item in state.values()):
        raise WeightsError(f"{path} holds no tensors by name: save a model's state_dict()")
    return {str(name): tensor for name, tensor in state.items()}


def load_into(model: nn.Module, weights: Mapping[str, Tensor], *, without: str | tuple[str, ...] = ()) -> None:
    """Put weights into a model of the same names and shapes.

    Names that begin with `without` (or one of them), a last layer to be replaced, may be missing or of other shapes.
    Raises WeightsError naming the tensors that do not fit; the model is then unchanged.
    """
    own, without = model.state_dict(), without or ()  # every name begins with ""
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
        more = f" and {len(problems) - SHOWN} more" if len(problems) > SHOWN else ""
        raise WeightsError(f"the weights do not fit the model: {'; '.join(problems[:SHOWN])}{more}")
    with torch.no_grad():
        for name in wanted:
            own[name].copy_(weights[name])

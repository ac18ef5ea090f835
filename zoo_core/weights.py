"""Reads weights files without running code from them, and loads weights into models.

The files may come from anyone. Only regular files are read, and what a file claims of its content is compared with its
size, so that a small file cannot take much memory.
"""

from __future__ import annotations

import argparse
import os
import pickle
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from zoo_core import memory_limit
from zoo_core.errors import WeightsError
from zoo_core.files import open_regular
from zoo_core.memory_limit import GIB, MIB

FORMATS = "safetensors, npz, or torch's pt, pth, bin, ckpt and tar"
TORCH_SUFFIXES = (".pt", ".pth", ".bin", ".ckpt", ".tar")  # trainers also write .pth.tar
# Where trainers save the state dict; the first one present is used.
STATE_KEYS = (
    *("state_dict", "model_state_dict", "model", "net", "network", "weights", "params"),
    *("ema_state_dict", "state_dict_ema", "model_ema", "ema_model", "ema", "params_ema"),
)
# DataParallel, torch.compile and trainers put these before all names.
PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "network.")
MAX_PROBLEMS_SHOWN = 3  # in an error message
MAX_REASON = 150  # characters of another library's error: it quotes the file
MAX_NESTING = 4  # mappings around a state dict
MAX_HEADER_BYTES = 16 * MIB  # of a safetensors file; ten thousand tensors need one
MAX_EXPANSION = 20  # bytes of tensors per byte of the file; compressed weights have less than two
FREE_BYTES = 64 * MIB  # of tensors in any file: zeros compress a thousand times
UNSUPPORTED = re.compile(r"Unsupported (?:global: GLOBAL|class|operand) (\S+)")  # in torch's error
# Raised for truncated or damaged files; torch's reader checks little of what it reads.
UNREADABLE = (
    *(MemoryError, SafetensorError, zipfile.BadZipFile, zlib.error, struct.error, OSError, EOFError),
    *(SyntaxError, TokenError),  # of numpy's headers, which are read as Python
    *(RuntimeError, ValueError, TypeError, AttributeError, LookupError, AssertionError, ArithmeticError),
)


class Weights(dict[str, Tensor]):
    """Tensors by name, and the file that they were read from, which errors name."""

    def __init__(self, tensors: Mapping[str, Tensor], path: Path) -> None:
        super().__init__(tensors)
        self.path = path


def read_weights(path: Path, form: str = "") -> Weights:
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
    return Weights(_read(path, form or path.suffix.lower()), path)


def _read(path: Path, suffix: str) -> dict[str, Tensor]:
    readers = {".safetensors": _read_safetensors, ".npz": _read_npz, **dict.fromkeys(TORCH_SUFFIXES, _read_torch)}
    try:
        size = _refuse_placeholder(path)
        if suffix in readers:
            with memory_limit.at_most(MAX_EXPANSION * size + GIB):
                return readers[suffix](path)
    except FileNotFoundError:
        raise WeightsError(f"there is no weights file {path}") from None
    except PermissionError as error:
        raise WeightsError(f"{path} may not be read: change its permissions") from error
    except pickle.UnpicklingError as error:
        other = UNSUPPORTED.search(str(error))
        named = f" ({other[1][:MAX_REASON]})" if other else ""
        raise WeightsError(
            f"{path} was refused: it is truncated, or holds more than tensors{named}, and loading it could run code. "
            "Save the tensors alone, for instance as safetensors"
        ) from error
    except UNREADABLE as error:
        raise WeightsError(
            f"{path} cannot be read as weights ({_first_line(error)}): fetch or save it again"
        ) from error
    raise WeightsError(f"{path}: weights are read from {FORMATS} files")


def _first_line(error: BaseException) -> str:
    if memory_limit.is_out_of_memory(error):
        return "it claims more memory than a file of its size can hold"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).partition("\n")[0][:MAX_REASON]


def _refuse_placeholder(path: Path) -> int:
    """Return the size of a file in bytes.

    Raises WeightsError for an empty file, a Git LFS pointer or a web page, and OSError, also for a FIFO or a device.
    """
    with open_regular(path) as file:
        begin = file.read(64)
        size = os.fstat(file.fileno()).st_size
    if not begin:
        raise WeightsError(f"{path} is empty: fetch or save it again")
    if begin.startswith(b"version https://git-lfs"):
        raise WeightsError(f"{path} is a Git LFS pointer, not the weights themselves: fetch them with `git lfs pull`")
    if begin.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise WeightsError(
            f"{path} is a web page, not weights: fetch the file itself, such as its `resolve` or raw link"
        )
    return size


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    require_small_header(path)
    return load_file(path)


def require_small_header(path: Path) -> None:
    """Raise WeightsError if the header of a safetensors file is too large to be read. Raises OSError."""
    with open_regular(path) as file:
        length = int.from_bytes(file.read(8), "little")
        if length > MAX_HEADER_BYTES:
            raise WeightsError(
                f"{path} cannot be read as safetensors: its header claims {length} bytes, at most {MAX_HEADER_BYTES} "
                "are read"
            )


def _read_npz(path: Path) -> dict[str, Tensor]:
    with open_regular(path) as file:  # numpy leaves a truncated file open
        with zipfile.ZipFile(file) as archive:
            _require_bounded(path, sum(part.file_size for part in archive.infolist()))
        file.seek(0)
        with np.load(file, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(arrays[name]) for name in arrays.files}


def _read_torch(path: Path) -> dict[str, Tensor]:
    with open_regular(path) as file:
        is_zip = file.read(4) == b"PK\x03\x04"
    if is_zip:
        with zipfile.ZipFile(path) as archive:
            if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
                raise WeightsError(f"{path} is compressed, as torch saves no file: save the weights again")
    # Warnings are about content that is refused anyway. A Namespace only holds a trainer's options.
    # Without `mmap`, torch believes the sizes that the file claims, and reads beyond the end of its parts.
    with warnings.catch_warnings(action="ignore"), torch.serialization.safe_globals([argparse.Namespace]):
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip)
    found = _state_dict(path, content)
    for name, tensor in found.items():
        if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized or tensor.is_nested:
            raise WeightsError(f"{path}: {name} is not a dense tensor: save a model's state_dict()")
    _require_bounded(path, sum(tensor.numel() * tensor.element_size() for tensor in found.values()))
    return {name: tensor.detach().clone() for name, tensor in found.items()} if is_zip else found


def _require_bounded(path: Path, claimed: int) -> None:
    """Raise WeightsError if the tensors of a file claim far more bytes than it has."""
    size = path.stat().st_size
    if claimed > MAX_EXPANSION * size + FREE_BYTES:
        raise WeightsError(
            f"{path} claims {claimed} bytes of tensors in {size} bytes: at most {MAX_EXPANSION} times its size is read"
        )


def _state_dict(path: Path, content: Any) -> dict[str, Tensor]:
    """Return the state dict in a file that torch saved; trainers save it below one of `STATE_KEYS`."""
    state = content
    for _ in range(MAX_NESTING):  # a damaged file can hold itself
        if not isinstance(state, Mapping) or _is_state(state):
            break
        key = next((key for key in STATE_KEYS if isinstance(state.get(key), Mapping) and state[key]), None)
        if key is None:
            break
        state = state[key]
    if not _is_state(state):
        raise WeightsError(f"{path} holds no tensors by name: save a model's state_dict()")
    return {str(name): tensor for name, tensor in state.items()}


def _is_state(content: Any) -> bool:
    return isinstance(content, Mapping) and all(isinstance(item, Tensor) for item in content.values())


def _without_prefix(
    weights: Mapping[str, Tensor], wanted: set[str], without: str | tuple[str, ...]
) -> Mapping[str, Tensor]:
    """Remove prefixes that all names have, if the names then are `wanted`; else return the weights as they are."""
    averages = {"n_averaged"} - wanted  # AveragedModel's own counter
    names = {name: name for name in weights if name not in averages}  # given name -> name without prefixes
    while names and {name for name in names.values() if not name.startswith(without)} != wanted:
        prefix = next((prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in names.values())), None)
        if prefix is None:
            return weights
        names = {given: name.removeprefix(prefix) for given, name in names.items()}
    return {name: weights[given] for given, name in names.items()}


def _has_nan(tensor: Tensor) -> bool:
    if tensor.is_floating_point() and tensor.element_size() == 1:
        tensor = tensor.float()  # torch compares no numbers of 8 bits
    return (tensor.is_floating_point() or tensor.is_complex()) and bool(torch.isnan(tensor).any())


def _dtype(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def load_into(model: nn.Module, weights: Mapping[str, Tensor], *, without: str | tuple[str, ...] = ()) -> None:
    """Copy weights into a model that has the same names and shapes.

    Prefixes that DataParallel, torch.compile or a trainer put before all names are removed, if the names then fit.
    without: a prefix, or several. Tensors with such a name, such as a last layer to be replaced, are not copied; they
        may be missing or have other shapes.
    Raises WeightsError, which names the tensors that do not fit; the model is then unchanged.

    >>> net = nn.Linear(2, 1)
    >>> load_into(net, {"weight": torch.ones(1, 2), "bias": torch.zeros(1)})
    >>> net(torch.tensor([[1.0, 2.0]])).item()
    3.0
    """
    own, without = model.state_dict(), without or ()  # "" is a prefix of every name
    source = f" of {weights.path}" if isinstance(weights, Weights) else ""
    wanted = {name for name in own if not name.startswith(without)}
    weights = _without_prefix(weights, wanted, without)
    given = {name for name in weights if not name.startswith(without)}
    problems = [f"{name} is missing" for name in own if name in wanted - given]
    problems += [f"{name} is not in the model" for name in weights if name in given - wanted]
    problems += [
        f"{name} is {tuple(weights[name].shape)}, the model has {tuple(own[name].shape)}"
        for name in own
        if name in wanted & given and weights[name].shape != own[name].shape
    ]
    parameters = {name for name, _ in model.named_parameters(remove_duplicate=False)} & wanted & given
    others = [
        name
        for name in own
        if name in parameters and own[name].is_floating_point() and not weights[name].is_floating_point()
    ]
    problems += [f"{name} is {_dtype(weights[name])}, the model has {_dtype(own[name])}" for name in others]
    if not problems:
        problems = [f"{name} holds NaN" for name in own if name in wanted and _has_nan(weights[name])]
    if problems:
        more = f" and {len(problems) - MAX_PROBLEMS_SHOWN} more" if len(problems) > MAX_PROBLEMS_SHOWN else ""
        has_integers = any(not weights[name].is_complex() for name in others)
        fix = ": save the weights before quantization" if has_integers else ""
        shown = "; ".join(problem[:MAX_REASON] for problem in problems[:MAX_PROBLEMS_SHOWN])
        raise WeightsError(f"the weights{source} do not fit the model: {shown}{more}{fix}")
    with torch.no_grad():
        for name in wanted:
            own[name].copy_(weights[name])

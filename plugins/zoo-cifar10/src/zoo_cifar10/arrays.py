"""Reads pickles of dicts, lists, texts, numbers and numpy arrays. Nothing that a pickle names is called or imported.

Arrays are put together here from their bytes: numpy's own functions would reserve any memory that a pickle states.
Python's unpickler is used in its form without C, whose memory is limited by the size of the pickle.
"""

from __future__ import annotations

import io
import math
import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np

from zoo_core.data.columns import Array
from zoo_core.quote import one_line

KINDS = frozenset({*("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8"), *("f2", "f4", "f8", "b1")})  # of dtypes


class ForbiddenNameError(Exception):
    """A pickle that names something else than arrays; the message is the name."""


def read_pickle(content: bytes) -> Any:
    """Read a pickle. Raises ForbiddenNameError, and any other exception for a damaged one."""
    return _finished(_Unpickler(io.BytesIO(content), encoding="latin1").load())  # as Python 2 wrote the official files


@dataclass(slots=True)
class _DType:
    """What stands in for a dtype: its code, without the byte order."""

    code: str
    order: str = "<"

    def __setstate__(self, state: Any) -> None:
        if state[1] in ("<", ">", "|"):
            self.order = state[1]


@dataclass(slots=True)
class _Array:
    """What stands in for an array, until its bytes are known."""

    array: Array | None = None

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, content = state
        content = content.encode("latin1") if isinstance(content, str) else bytes(content)
        if not isinstance(dtype, _DType) or not all(type(size) is int and size >= 0 for size in shape):
            raise ValueError("an array of an unknown form")
        kind = np.dtype(dtype.order + dtype.code)
        if math.prod(shape) * kind.itemsize != len(content):
            raise ValueError(f"an array of {shape} in {len(content)} bytes")
        self.array = np.frombuffer(content, kind).reshape(shape, order="F" if fortran else "C")


def _make_dtype(code: Any, *_: Any) -> _DType:
    if code not in KINDS:
        raise ValueError("an array of other values than numbers")
    return _DType(code)


def _make_array(*_: Any) -> _Array:
    return _Array()


def _encode(text: str, encoding: str = "latin1") -> bytes:  # how Python 3 writes bytes for Python 2
    if encoding != "latin1":
        raise ValueError("a text in another encoding")
    return text.encode("latin1")


NAMES = {
    ("numpy.core.multiarray", "_reconstruct"): _make_array,
    ("numpy._core.multiarray", "_reconstruct"): _make_array,
    ("numpy", "ndarray"): "ndarray",
    ("numpy", "dtype"): _make_dtype,
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle._Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in NAMES:
            raise ForbiddenNameError(one_line(f"{module}.{name}"))
        return NAMES[module, name]

    def get_extension(self, code: int) -> None:
        raise ForbiddenNameError(f"extension {code}")


def _finished(batch: Any) -> Any:
    """Put the arrays themselves into a dict of the pickle."""
    if not isinstance(batch, dict):
        return batch
    return {key: value.array if isinstance(value, _Array) else value for key, value in batch.items()}

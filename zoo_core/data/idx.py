"""Finds and reads IDX files, the format of MNIST and of the data sets that follow it."""

from __future__ import annotations

import contextlib
import gzip
import math
import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, cast

import numpy as np

from zoo_core.columns import Array
from zoo_core.data.reading import unreadable_file
from zoo_core.errors import DamagedDataError, DataUnavailableError
from zoo_core.files import open_regular
from zoo_core.protocols import Context

UINT8 = b"\0\0\x08"  # the first three bytes of a file of bytes
MAX_DIMENSIONS = 3
FREE_BYTES, MAX_RATIO = 64 << 20, 200  # of a packed file: what it may unpack to, and that by its size


def find_idx(ctx: Context, name: str, names: Sequence[str]) -> Path:
    """Find the file `name`, packed (`.gz`) or not, at any depth below the data root, or else download it.

    names: all files of the data set. Raises DamagedDataError if one of them, packed or not, lies in two folders: they
    may be of two data sets. Raises DataUnavailableError if the file is missing.
    """
    for other in names if ctx.data_root is not None else ():
        with contextlib.suppress(DataUnavailableError):
            ctx.file(other)
    return ctx.file(name)


def read_idx(path: Path) -> Array:
    """Read a file of bytes as a uint8 array of up to three dimensions; `.gz` files are unpacked in memory.

    LeCun's format: a magic number, whose last byte is the number of dimensions; each size as a big-endian uint32; the
    values. Raises DataUnavailableError where the file may not be read, DamagedDataError for any other fault; both name
    the file.
    """
    try:
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if path.suffix != ".gz":
                return _read(path, file, size)
            with gzip.open(file) as content:
                return _read(path, cast(IO[bytes], content), FREE_BYTES + MAX_RATIO * size)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DamagedDataError(f"{path} cannot be read ({error}): fetch it again") from error
    except OSError as error:
        raise unreadable_file(path, error) from error


def _read(path: Path, file: IO[bytes], max_bytes: int) -> Array:
    """Read the header and as many bytes as it states, which must be up to `max_bytes` and all there are."""
    begin = file.read(4)
    dimensions = begin[3] if len(begin) == 4 else 0
    sizes = file.read(4 * dimensions) if dimensions <= MAX_DIMENSIONS else b""
    if begin[:3] != UINT8 or not 1 <= dimensions <= MAX_DIMENSIONS or len(sizes) < 4 * dimensions:
        raise DamagedDataError(f"{path} is not an IDX file of bytes: fetch it again")
    shape = struct.unpack(f">{dimensions}I", sizes)
    stated = math.prod(shape)
    content = file.read(min(stated, max_bytes) + 1)
    if len(content) != stated:
        held = f"{len(content)}" if len(content) < stated and len(content) <= max_bytes else f"more than {max_bytes}"
        held = f"more than {stated}" if len(content) > stated else held
        raise DamagedDataError(f"{path} holds {held} bytes of data, which does not match its sizes {shape}: it is cut")
    try:
        return np.frombuffer(content, np.uint8).reshape(shape)
    except ValueError as error:  # one size is 0, and the product of the others is more than numpy can count
        raise DamagedDataError(f"{path} states the sizes {shape}, which no array has: fetch it again") from error

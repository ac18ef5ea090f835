"""Finds and reads IDX files, the format of MNIST and of the data sets that follow it."""

from __future__ import annotations

import contextlib
import gzip
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zoo_core.columns import Array
from zoo_core.errors import DamagedDataError, DataUnavailableError
from zoo_core.protocols import Context

UINT8 = b"\0\0\x08"  # the first three bytes of a file of bytes
MAX_DIMENSIONS = 3


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
    content = _read_bytes(path)
    dimensions = content[3] if len(content) >= 4 else 0
    begin = 4 + 4 * dimensions
    if content[:3] != UINT8 or not 1 <= dimensions <= MAX_DIMENSIONS or len(content) < begin:
        raise DamagedDataError(f"{path} is not an IDX file of bytes: fetch it again")
    shape = struct.unpack(f">{dimensions}I", content[4:begin])
    # Python integers: the sizes in a damaged file can overflow int64.
    if len(content) - begin != np.prod([int(size) for size in shape], dtype=object):
        raise DamagedDataError(
            f"{path} holds {len(content) - begin} bytes of data, which does not match its sizes {shape}: it is cut"
        )
    return np.frombuffer(content, np.uint8, offset=begin).reshape(shape)


def _read_bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except PermissionError as error:
        raise DataUnavailableError(f"{path} may not be read: change its permissions") from error
    except (OSError, EOFError, zlib.error) as error:
        raise DamagedDataError(f"{path} cannot be read ({error}): fetch it again") from error

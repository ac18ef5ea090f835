"""Finds and reads IDX files, the format of MNIST and of the data sets that follow it."""

from __future__ import annotations

import gzip
import os
import struct
import zlib
from collections.abc import Collection, Sequence
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
    if ctx.data_root is None:
        return ctx.file(name)
    root = ctx.folder()
    found = _copies(root, {each.removesuffix(".gz") for each in (name, *names)})
    for plain, paths in found.items():
        # Some distributions put each file into a folder of its own name.
        homes = {path.parent.parent if path.parent.name.startswith(plain) else path.parent: path for path in paths}
        if len(homes) > 1:
            first, second = list(homes.values())[:2]
            raise DamagedDataError(
                f"{root} holds the same file twice, {first} and {second}: remove one, or give --data-root a folder "
                "that holds each file once"
            )
    paths = found[name.removesuffix(".gz")]
    if not paths:
        left_out = ctx.file(name)  # raises if there is none
        raise DataUnavailableError(
            f"{root} holds {name} only as {left_out}, and hidden folders and __MACOSX are left out: move it"
        )
    return next((path for path in paths if path.name == name), paths[0])


def _copies(root: Path, names: Collection[str]) -> dict[str, list[Path]]:
    """Map each name without `.gz` to its files, sorted, without those in hidden folders and `__MACOSX`."""
    found: dict[str, list[Path]] = {name: [] for name in sorted(names)}
    for folder, inside, files in os.walk(root):
        inside[:] = [each for each in inside if not each.startswith(".") and each != "__MACOSX"]
        for file in files:
            if file.removesuffix(".gz") in found and Path(folder, file).is_file():
                found[file.removesuffix(".gz")].append(Path(folder, file))
    return {name: sorted(paths) for name, paths in found.items()}


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

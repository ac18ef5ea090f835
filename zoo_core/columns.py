"""Decoded data as named columns: stacked arrays, or offsets and values for examples of different lengths.

On disk a column is one or two `.npy` files, which are memory-mapped and never unpickled.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeAlias

import numpy as np

from zoo_core.errors import DataError

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Ragged:
    """A column of n examples with different lengths: example i is `values[offsets[i]:offsets[i + 1]]`.

    Shapes: values (total length, ...); offsets int64 (n + 1,), the first is 0.

    >>> words = Ragged(values=np.array([5, 6, 7]), offsets=np.array([0, 1, 3]))
    >>> len(words), words[1].tolist()
    (2, [6, 7])
    """

    values: Array
    offsets: Array

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> Array:
        return self.values[self.offsets[index] : self.offsets[index + 1]]


Column: TypeAlias = Array | Ragged
Columns: TypeAlias = Mapping[str, Column]


@dataclass(frozen=True, slots=True)
class Split:
    """The examples of one split: columns, and the rows of them that belong to the split (None: all).

    Shapes: rows int64 (n,).

    >>> len(Split({"x": np.zeros((5, 2))})), len(Split({"x": np.zeros((5, 2))}, rows=np.array([0, 4])))
    (5, 2)
    """

    columns: Columns
    rows: Array | None = None

    def __len__(self) -> int:
        return length(self.columns) if self.rows is None else len(self.rows)


def length(columns: Columns) -> int:
    """Return the number of examples in the columns. Raises DataError for different lengths or no columns.

    >>> length({"x": np.zeros((5, 2)), "y": np.zeros(5)})
    5
    """
    sizes = {name: len(column) for name, column in columns.items()}
    if len(set(sizes.values())) != 1:
        raise DataError(f"columns of one split need one length, these have {sizes or 'none'}")
    return next(iter(sizes.values()))


def save(columns: Columns, folder: Path) -> None:
    """Write the columns into a new folder. Raises DataError for a name with a dot or slash, FileExistsError."""
    for name in columns:
        if "." in name or "/" in name:
            raise DataError(f"column {name!r}: the name of a column has no dot and no slash")
    folder.mkdir(parents=True)
    for name, column in columns.items():
        if isinstance(column, Ragged):
            write_array(folder / f"{name}.values.npy", column.values)
            write_array(folder / f"{name}.offsets.npy", column.offsets)
        else:
            write_array(folder / f"{name}.npy", column)


class _Writer:
    """The `write` of a file alone. With a whole file, numpy writes in C, and then its error lacks the errno."""

    def __init__(self, file: IO[bytes]) -> None:
        self.write = file.write


def write_array(path: Path, array: Array) -> None:
    """Write an array as a new `.npy` file. Raises OSError with the system's errno, such as ENOSPC for a full disk."""
    with path.open("xb") as file:
        np.lib.format.write_array(_Writer(file), np.asanyarray(array), allow_pickle=False)


def write_blocks(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], blocks: Iterable[Array]) -> None:
    """Write an array of `shape` as a new `.npy` file from blocks of its rows, such as one too large for memory.

    Unlike a memory map, this raises OSError on a full disk: a write to a map then ends the process. Raises DataError
    if the blocks are not of that many rows.
    """
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    rows = 0
    with path.open("xb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for block in blocks:
            file.write(np.ascontiguousarray(block, dtype).data)
            rows += len(block)
    if rows != shape[0]:
        raise DataError(f"the blocks of {path.name} have {rows} rows instead of {shape[0]}")


def load(folder: Path, *, only: str = "") -> Columns:
    """Memory-map the columns of a folder, or `only` one. Writing to an array changes only memory, never the file."""
    columns: dict[str, Column] = {}
    for path in sorted(folder.glob(f"{only}.*npy" if only else "*.npy")):
        name, _, part = path.name.removesuffix(".npy").partition(".")
        if part == "offsets":
            continue
        array = np.load(path, mmap_mode="c", allow_pickle=False)
        offsets = folder / f"{name}.offsets.npy"
        columns[name] = Ragged(array, np.load(offsets, allow_pickle=False)) if part == "values" else array
    return columns

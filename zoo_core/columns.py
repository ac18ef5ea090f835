"""Decoded data as named columns: stacked arrays, or offsets and values where examples differ in length.

On disk a column is one or two `.npy` files, read through a memory map and never unpickled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from zoo_core.errors import DataError

Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Ragged:
    """Examples of different lengths: example i is `values[offsets[i]:offsets[i + 1]]`.

    Shapes: values (total, ...); offsets int64 (n + 1,), beginning with 0.
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
    """The examples of one split: columns, and which of their rows belong to it (None: all)."""

    columns: Columns
    rows: Array | None = None

    def __len__(self) -> int:
        return length(self.columns) if self.rows is None else len(self.rows)


def length(columns: Columns) -> int:
    """How many examples the columns hold. Raises DataError where they differ or there are none."""
    sizes = {name: len(column) for name, column in columns.items()}
    if len(set(sizes.values())) != 1:
        raise DataError(f"columns of one split need one length, these have {sizes or 'none'}")
    return next(iter(sizes.values()))


def save(columns: Columns, folder: Path) -> None:
    """Write the columns into `folder`, which is made."""
    for name in columns:
        if "." in name or "/" in name:
            raise DataError(f"column {name!r}: a name of a column has no dot and no slash")
    folder.mkdir(parents=True)
    for name, column in columns.items():
        if isinstance(column, Ragged):
            np.save(folder / f"{name}.values.npy", column.values, allow_pickle=False)
            np.save(folder / f"{name}.offsets.npy", column.offsets, allow_pickle=False)
        else:
            np.save(folder / f"{name}.npy", column, allow_pickle=False)


def load(folder: Path) -> Columns:
    """The columns of a folder, memory-mapped; pages are private, so a writer cannot change the files."""
    columns: dict[str, Column] = {}
    for path in sorted(folder.glob("*.npy")):
        name, _, part = path.name.removesuffix(".npy").partition(".")
        if part == "offsets":
            continue
        array = np.load(path, mmap_mode="c", allow_pickle=False)
        offsets = folder / f"{name}.offsets.npy"
        columns[name] = Ragged(array, np.load(offsets, allow_pickle=False)) if part == "values" else array
    return columns

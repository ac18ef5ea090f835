"""The val rule: for data without a val split, a tenth of train is held out, the same for every seed.

Examples are sorted by a hash. It covers the column `group` if there is one (such as a track or a person), so that
groups stay whole; otherwise it covers the first column, so that copies of an example stay together. Whole groups are
taken in that order until they hold a tenth of train. A group is skipped if a class would lose more than a quarter of
its examples in all: a class of two groups would otherwise lose half. File order and seed have no influence.

`choose_per_class` limits train to a few examples of each class. This choice depends on the seed.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from zoo_core.columns import Array, Column, Columns, length
from zoo_core.errors import DataError

VAL_DIVISOR = 10  # val gets 1 / 10 of train
CLASS_DIVISOR = 4  # and at most 1 / 4 of each class


def held_out_rows(columns: Columns) -> Array:
    """Return the rows of train that become val, int64, ascending. Raises DataError if all examples are one group."""
    count = length(columns)
    identities = _identities(columns["group"] if "group" in columns else next(iter(columns.values())))
    groups: dict[bytes, list[int]] = {}
    for row, identity in enumerate(identities):
        groups.setdefault(identity, []).append(row)
    if len(groups) < 2:
        raise DataError(f"all {count} training examples are one group, so no val split can be held out of them")
    in_order = [groups[identity] for identity in sorted(groups)[:-1]]  # at least one group stays in train
    rows = _choose_rows(in_order, count, _labels(columns)) or _choose_rows(in_order, count, None)
    return np.sort(np.asarray(rows, dtype=np.int64))


def choose_per_class(labels: Array, count: int, seed: int) -> Array:
    """Choose `count` examples of each class at random: their places in `labels`, int64, ascending.

    A class with fewer examples gives all. With the same seed, a smaller count chooses a part of what a larger one does.

    >>> labels = np.array([0, 0, 0, 1, 0, 1, 2])
    >>> labels[choose_per_class(labels, 2, seed=0)].tolist()
    [0, 0, 1, 1, 2]
    """
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]  # each class in a random order
    in_order = labels[by_class]
    place_in_class = np.arange(len(labels)) - np.searchsorted(in_order, in_order)
    chosen: Array = np.sort(by_class[place_in_class < count])
    return chosen


def _choose_rows(groups: list[list[int]], count: int, labels: Array | None) -> list[int]:
    """Return the rows of the first groups that hold a tenth, skipping groups that take too much of a class."""
    rows: list[int] = []
    left = None if labels is None else np.bincount(labels) // CLASS_DIVISOR
    for group in groups:
        if labels is not None and left is not None:
            needed = np.bincount(labels[group], minlength=len(left))
            if (needed > left).any():
                continue
            left -= needed
        rows += group
        if len(rows) * VAL_DIVISOR >= count:
            break
    return rows


def _labels(columns: Columns) -> Array | None:
    """Return the column `y`, renumbered from 0, if it holds classes: one integer per example; else None."""
    y = columns.get("y")
    if isinstance(y, np.ndarray) and y.ndim == 1 and y.dtype.kind in "iu" and len(y):
        return np.unique(y, return_inverse=True)[1]
    return None


def _identities(column: Column) -> list[bytes]:
    return [blake2b(np.ascontiguousarray(column[row]).tobytes(), digest_size=16).digest() for row in range(len(column))]

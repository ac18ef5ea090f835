"""The val rule: where data have no val split of their own, a tenth of train, the same for every seed.

Examples are ordered by a hash of their identity: of the column `group` where there is one (a track, a person), so that
groups stay whole, else of the first column's content, so that copies of one example stay on one side. In that order
whole groups are taken until they hold a tenth of train; a group is passed over where a class would lose more than a
quarter of its examples, since one of two tracks cannot spare the other. File order and seed play no part.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from zoo_core.columns import Array, Column, Columns, length
from zoo_core.errors import DataError

SHARE = 10  # one in so many examples
CLASS_SHARE = 4  # of a class never more than one in so many


def held_out_rows(columns: Columns) -> Array:
    """The rows of train that become val, ascending. Raises DataError if all examples are one group."""
    count = length(columns)
    identities = _identities(columns["group"] if "group" in columns else next(iter(columns.values())))
    groups: dict[bytes, list[int]] = {}
    for row, identity in enumerate(identities):
        groups.setdefault(identity, []).append(row)
    if len(groups) < 2:
        raise DataError(f"all {count} training examples are one group, so no val split can be held out of them")
    in_order = [groups[identity] for identity in sorted(groups)[:-1]]  # one group at least is left to train on
    rows = _taken(in_order, count, _labels(columns)) or _taken(in_order, count, None)
    return np.sort(np.asarray(rows, dtype=np.int64))


def _taken(groups: list[list[int]], count: int, labels: Array | None) -> list[int]:
    """The rows of the first groups that hold a tenth, without those that a class cannot spare."""
    rows: list[int] = []
    left = None if labels is None else np.bincount(labels) // CLASS_SHARE
    for group in groups:
        if labels is not None and left is not None:
            needed = np.bincount(labels[group], minlength=len(left))
            if (needed > left).any():
                continue
            left -= needed
        rows += group
        if len(rows) * SHARE >= count:
            break
    return rows


def _labels(columns: Columns) -> Array | None:
    """The column `y` where it holds classes: whole numbers, one an example; counted from 0."""
    y = columns.get("y")
    if isinstance(y, np.ndarray) and y.ndim == 1 and y.dtype.kind in "iu" and len(y):
        return np.unique(y, return_inverse=True)[1]
    return None


def _identities(column: Column) -> list[bytes]:
    return [blake2b(np.ascontiguousarray(column[row]).tobytes(), digest_size=16).digest() for row in range(len(column))]

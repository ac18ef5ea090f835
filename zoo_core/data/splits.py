"""The val rule: where data have no val split of their own, a tenth of train, the same for every seed.

Examples are ordered by a hash of their identity: of the column `group` where there is one (a track, a person), so that
groups stay whole, else of the first column's content, so that copies of one example stay on one side. In that order
whole groups are taken until they hold a tenth of train. File order and seed play no part.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from zoo_core.data.columns import Array, Column, Columns, length
from zoo_core.errors import DataError

SHARE = 10  # one in so many examples


def held_out_rows(columns: Columns) -> Array:
    """The rows of train that become val, ascending. Raises DataError if all examples are one group."""
    count = length(columns)
    identities = _identities(columns["group"] if "group" in columns else next(iter(columns.values())))
    groups: dict[bytes, list[int]] = {}
    for row, identity in enumerate(identities):
        groups.setdefault(identity, []).append(row)
    if len(groups) < 2:
        raise DataError(f"all {count} training examples are one group, so no val split can be held out of them")
    rows: list[int] = []
    for identity in sorted(groups)[:-1]:  # one group at least is left to train on
        rows += groups[identity]
        if len(rows) * SHARE >= count:
            break
    return np.sort(np.asarray(rows, dtype=np.int64))


def _identities(column: Column) -> list[bytes]:
    return [blake2b(np.ascontiguousarray(column[row]).tobytes(), digest_size=16).digest() for row in range(len(column))]

"""Checks labels as a data set is opened."""

from __future__ import annotations

import numpy as np

from zoo_core.columns import Array
from zoo_core.errors import DamagedDataError


def require_two_classes(labels: Array, where: object) -> None:
    """Raise DamagedDataError if all labels are the same: any model then scores 1.0 by always predicting that class.

    where: the file, folder or split that the message names.
    """
    used = np.unique(labels)
    if len(used) == 1:
        raise DamagedDataError(
            f"{where}: all {np.size(labels)} labels are class {used[0]}, so nothing can be learned or scored: "
            "add examples of a second class"
        )

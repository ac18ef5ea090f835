"""The EXIF orientation of pictures, and boxes that turn along with them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from zoo_core import DataUnavailableError
from zoo_core.data.columns import Array
from zoo_core.data.images import UNREADABLE, open_picture, unreadable
from zoo_core.data.orientation import UPRIGHT, read_orientation

Size = tuple[int, int]  # height and width in pixels


@dataclass(frozen=True, kw_only=True, slots=True)
class Form:
    """The size of a picture as it is stored and once it is upright, and the EXIF orientation between them, 1 to 8."""

    stored: Size
    upright: Size
    orientation: int


def read_form(path: Path) -> Form:
    """Read the form of a picture. Raises DamagedDataError, DataUnavailableError."""
    try:
        with open_picture(path) as opened:
            orientation = read_orientation(opened)
            if opened.format == "TIFF":  # Pillow turns these upright itself
                opened.load()
                orientation = UPRIGHT
            stored = opened.height, opened.width
    except PermissionError as error:
        raise DataUnavailableError(f"{path} may not be read: change its permissions") from error
    except UNREADABLE as error:
        raise unreadable(path, "a picture", error) from error
    return Form(stored=stored, upright=stored[::-1] if orientation >= 5 else stored, orientation=orientation)


def turn_boxes(boxes: Array, form: Form) -> Array:
    """Move boxes, float (n, 4), from the stored picture to the upright one."""
    (height, width), (x1, y1, x2, y2) = form.stored, boxes.T
    left, right, above, below = x1, width - x2, y1, height - y2  # distances from the four borders
    edges = {
        1: (x1, y1, x2, y2),
        2: (right, y1, width - left, y2),  # mirrored
        3: (right, below, width - left, height - above),  # by half a turn
        4: (x1, below, x2, height - above),  # upside down, mirrored
        5: (y1, x1, y2, x2),  # mirrored at the diagonal
        6: (below, x1, height - above, x2),  # a quarter to the right
        7: (below, right, height - above, width - left),  # mirrored at the other diagonal
        8: (y1, right, y2, width - left),  # a quarter to the left
    }[form.orientation]
    return np.stack(edges, axis=1)

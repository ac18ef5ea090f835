"""Pictures of any size on one canvas, and the columns of a detection data set. Boxes move along with their picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from zoo_core.data.columns import Array, Column, Ragged

PADDING = 128  # the grey level right of and below a picture


@dataclass(frozen=True, kw_only=True, slots=True)
class Objects:
    """The objects in one picture.

    Shapes and units: boxes float (n, 4), x1, y1, x2, y2 in pixels, from the upper left corner of the picture; labels
    int64 (n,), classes from 0; crowd uint8 (n,), 1 for what no score counts, as COCO's `iscrowd` and Pascal VOC's
    `difficult`.
    """

    boxes: Array
    labels: Array
    crowd: Array

    def __len__(self) -> int:
        return len(self.labels)


def to_canvas(picture: Array, size: tuple[int, int]) -> tuple[Array, tuple[int, int]]:
    """Scale a picture (3, h, w), its aspect kept, to fill a canvas; return the canvas and the picture's size on it.

    Shapes: canvas uint8 (3, *size), the picture in the upper left corner. The scaling is bilinear and antialiased.
    """
    height, width = fit_size(picture.shape[1:], size)
    scaled = Image.fromarray(picture.transpose(1, 2, 0)).resize((width, height), Image.Resampling.BILINEAR)
    canvas = np.full((3, *size), PADDING, np.uint8)
    canvas[:, :height, :width] = np.asarray(scaled).transpose(2, 0, 1)
    return canvas, (height, width)


def fit_size(picture: Sequence[int], canvas: tuple[int, int]) -> tuple[int, int]:
    """Return height and width of a picture once it fills a canvas, its aspect kept up to rounding.

    >>> fit_size((400, 300), (320, 320)), fit_size((10, 3000), (320, 320))
    ((320, 240), (1, 320))
    """
    share = min(canvas[0] / picture[0], canvas[1] / picture[1])
    return max(1, round(picture[0] * share)), max(1, round(picture[1] * share))


def scale_boxes(boxes: Array, old: Sequence[int], new: Sequence[int]) -> Array:
    """Move boxes, (n, 4), from a picture of `old` height and width to the same picture of the `new` ones."""
    shares = np.array([new[1] / old[1], new[0] / old[0]] * 2)
    scaled: Array = np.asarray(boxes, np.float64).reshape(-1, 4) * shares
    return scaled


def to_columns(x: Array, sizes: Array, objects: Sequence[Objects]) -> dict[str, Column]:
    """Make the columns of a detection data set: `x`, `boxes`, `labels`, `crowd` and `size`.

    Shapes: x uint8 (n, 3, height, width); boxes, labels and crowd of one length per picture, values float32 (total, 4)
    in pixels of the canvas, int64 (total,) and uint8 (total,); size int32 (n, 2), height and width of the picture's
    part of the canvas.
    """
    offsets = np.concatenate([[0], np.cumsum([len(item) for item in objects])]).astype(np.int64)
    empty = [np.zeros((0, 4))]  # so that there is something to join
    boxes = np.concatenate([*empty, *(item.boxes for item in objects)]).astype(np.float32)
    labels = np.concatenate([*(item.labels for item in objects), []]).astype(np.int64)
    crowd = np.concatenate([*(item.crowd for item in objects), []]).astype(np.uint8)
    return {
        "x": x,
        "boxes": Ragged(boxes, offsets),
        "labels": Ragged(labels, offsets),
        "crowd": Ragged(crowd, offsets),
        "size": np.asarray(sizes, np.int32).reshape(-1, 2),
    }

"""Pictures of autoencoders: images beside their reconstructions, and what the codes mean.

`latent_map`: two principal components of the codes, coloured by class. `interpolation`: straight lines between the
codes of two images. `walk`: from the mean code along the principal directions of the codes. `arithmetic`: the code of
an image, minus the mean code of its class, plus that of another class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from zoo_core.data.columns import Array
from zoo_core.pictures import PALETTE, mosaic, scatter

Picture = np.ndarray[Any, Any]  # uint8 (height, width, 3)

COLUMNS = 11  # of the sheets of decoded codes: odd, so that the middle of a walk is the mean code
MAX_ROWS = 8
WALK_STDS = 2.5  # from the middle of a walk to its ends
MAX_CLASSES = len(PALETTE)
MAP_SIZE = (660, 480)  # width and height in pixels
DECODING_BATCH = 200  # images


class Sheet(NamedTuple):
    """The number of images in a row, and of rows, of a picture."""

    columns: int
    rows: int


THUMBNAIL, SHEET = Sheet(6, 4), Sheet(10, 6)


def beside(sheet: Sheet, *series: Tensor) -> Picture:
    """Draw series of images, float (n, channels, height, width) in [0, 1], one below the other in groups of rows.

    Two series on four rows: the first images of both, then the next images of both.
    """
    count, groups = len(series[0]), max(1, sheet.rows // len(series))
    columns = min(sheet.columns, count)
    rows = [part[at * columns : (at + 1) * columns] for at in range(min(groups, count // columns)) for part in series]
    return mosaic(to_levels(torch.cat(rows)), columns=columns)


def to_levels(images: Tensor) -> Array:
    """Convert float images with pixels in [0, 1] to uint8; other pixels become black or white."""
    levels: Array = (images.float() * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    return levels


class Codec:
    """The codes (n, numbers) of some images, and the decoder that turns codes to images with pixels in [0, 1]."""

    def __init__(self, codes: Tensor, decode: Callable[[Tensor], Tensor]) -> None:
        self.codes = codes
        self._decode = decode

    def decode(self, codes: Tensor) -> Tensor:
        """Decode codes in batches, onto the device of the model."""
        return torch.cat([self._decode(part.to(self.codes)) for part in torch.split(codes, DECODING_BATCH)])


def code_pictures(codec: Codec, y: Array, classes: Sequence[str]) -> dict[str, Picture]:
    """Draw the map, interpolations, walks, and with at least two classes the arithmetic.

    Shapes: y integer (n,), the class of each code.
    """
    codes = codec.codes.double().cpu().numpy()
    mean, directions, stds = principal_directions(codes)
    pictures = {
        "latent_map": latent_map((codes - mean) @ directions[:2].T, y, classes),
        "interpolation": _decoded(codec, interpolated(codes)),
        "walk": _decoded(codec, walks(mean, directions, stds)),
    }
    if len(np.unique(y)) > 1:
        pictures["arithmetic"] = _decoded(codec, moved_to_classes(codes, y))
    return pictures


def principal_directions(codes: Array) -> tuple[Array, Array, Array]:
    """Return the mean (k,), up to eight principal directions (m, k), and the std along each, largest first."""
    mean = codes.mean(axis=0)
    _, values, directions = np.linalg.svd(codes - mean, full_matrices=False)
    return mean, directions[:MAX_ROWS], values[:MAX_ROWS] / np.sqrt(len(codes))


def latent_map(points: Array, y: Array, classes: Sequence[str]) -> Picture:
    """Draw points (n, 1 or 2) coloured by their class, and the name of each class at the mean of its points."""
    points = np.pad(points, ((0, 0), (0, 2 - points.shape[1])))
    found = np.unique(y)
    layers = [(points[y == label], PALETTE[number % len(PALETTE)]) for number, label in enumerate(found)]
    labels = [
        (*points[y == label].mean(axis=0).tolist(), classes[label] if label < len(classes) else str(label))
        for label in found[:MAX_CLASSES]
    ]
    return scatter(layers, size=MAP_SIZE, labels=labels)


def interpolated(codes: Array) -> Array:
    """Return codes on straight lines between neighbouring codes, a line in a row: (rows, COLUMNS, k)."""
    rows = min(MAX_ROWS, len(codes) // 2)
    begin, end = codes[: 2 * rows : 2, None], codes[1 : 2 * rows : 2, None]
    share = np.linspace(0, 1, COLUMNS)[:, None]
    line: Array = begin + share * (end - begin)
    return line


def walks(mean: Array, directions: Array, stds: Array) -> Array:
    """Return codes along each direction (m, k), from -2.5 to 2.5 stds from the mean: (m, COLUMNS, k)."""
    steps = np.linspace(-WALK_STDS, WALK_STDS, COLUMNS)
    walk: Array = mean + steps[:, None] * (stds[:, None] * directions)[:, None]
    return walk


def moved_to_classes(codes: Array, y: Array) -> Array:
    """Return in each row the code of an image, then code - mean(its class) + mean(class) for up to ten classes.

    A row for each of up to eight classes: (rows, 1 + classes, k).
    """
    labels = np.unique(y)[:MAX_CLASSES]
    means = np.stack([codes[y == label].mean(axis=0) for label in labels])
    rows = []
    for number, label in enumerate(labels[:MAX_ROWS]):
        code = codes[y == label][0]
        rows.append(np.concatenate([code[None], code - means[number] + means]))
    return np.stack(rows)


def _decoded(codec: Codec, codes: Array) -> Picture:
    """Draw the images of codes (rows, columns, k)."""
    rows, columns, _ = codes.shape
    flat = torch.from_numpy(codes.reshape(rows * columns, -1)).float()
    return mosaic(to_levels(codec.decode(flat)), columns=columns)

"""Counts for the boundary F1 of kind `segmentation`, on the device; `zoo_core.metrics.boundary_f1` computes it."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

# A pixel matches if it is nearer than 0.75 % of the image's diagonal: squared, (3 / 400)^2 (height^2 + width^2).
PART, WHOLE = 3, 400
NO_BOUNDARY = (-1, -2)  # marks pixels of predictions and of targets that are no boundary; the two are never equal


def boundary_counts(predictions: Tensor, targets: Tensor, classes: int, ignored: int) -> Tensor:
    """Count boundary pixels by image and class, int64 (batch, 4, classes).

    The rows are predicted boundary pixels that match a true one of the same class, all predicted ones, true ones that
    match a predicted one, and all true ones. A pixel is on its class's boundary if one of its four neighbours has
    another class; the image's frame is no boundary. Pixels whose target is `ignored` are ignored in both maps. Their
    neighbours are on a boundary in both maps, because objects often meet within a band of ignored pixels.
    Shapes: predictions and targets, int (batch, height, width).
    """
    predictions = torch.where(targets == ignored, ignored, predictions)
    codes = [
        torch.where(_is_boundary(labels) & (labels != ignored), labels, none).to(torch.int16)
        for labels, none in zip((predictions, targets), NO_BOUNDARY, strict=True)
    ]
    counts = []
    for code, matched in zip(codes, _matched(*codes), strict=True):
        counts += [_count_by_class(code, matched, classes), _count_by_class(code, code >= 0, classes)]
    return torch.stack(counts, 1)


def mean_boundary_f1(counts: Tensor) -> Tensor:
    """Compute the mean of `zoo_core.metrics.boundary_f1` over images, on the device; 0 if no image has a boundary."""
    matched, predicted, found, true = counts.float().unbind(1)
    precision, recall = matched / predicted.clamp_min(1), found / true.clamp_min(1)
    f1 = 2 * precision * recall / (precision + recall).clamp_min(1e-12)
    present = (true > 0).sum(1)
    return (f1.sum(1) / present.clamp_min(1)).sum() / (present > 0).sum().clamp_min(1)


def _is_boundary(labels: Tensor) -> Tensor:
    """Find the pixels with a neighbour above, below, left or right of another class: bool (batch, height, width)."""
    edges = torch.zeros_like(labels, dtype=torch.bool)
    below, right = labels[:, 1:] != labels[:, :-1], labels[:, :, 1:] != labels[:, :, :-1]
    edges[:, 1:] |= below
    edges[:, :-1] |= below
    edges[:, :, 1:] |= right
    edges[:, :, :-1] |= right
    return edges


def _matched(predicted: Tensor, true: Tensor) -> tuple[Tensor, Tensor]:
    """Find the boundary pixels of each map that are near one of the same class in the other: bool, as the maps.

    Compares the maps at every shift within the tolerance: about 20 shifts at 240x180 and 90 at 512x512.
    """
    height, width = true.shape[1:]
    shifts, reach = _shifts(height, width)
    around = F.pad(true, [reach] * 4, value=NO_BOUNDARY[1])
    matched, found = torch.zeros_like(predicted, dtype=torch.bool), torch.zeros_like(around, dtype=torch.bool)
    for row, column in shifts:
        window = (slice(None), slice(reach + row, reach + row + height), slice(reach + column, reach + column + width))
        same = predicted == around[window]
        matched |= same
        found[window] |= same
    return matched, found[:, reach : reach + height, reach : reach + width]


def _shifts(height: int, width: int) -> tuple[list[tuple[int, int]], int]:
    """List the shifts (rows, columns) that are shorter than the tolerance, and the most rows of one; exact integers."""
    limit = PART**2 * (height**2 + width**2)
    reach = math.isqrt(limit // WHOLE**2)
    across = range(-reach, reach + 1)
    return [(row, column) for row in across for column in across if WHOLE**2 * (row**2 + column**2) < limit], reach


def _count_by_class(code: Tensor, wanted: Tensor, classes: int) -> Tensor:
    """Count the wanted pixels of each class by image, int64 (batch, classes)."""
    counts = torch.zeros(len(code), classes, dtype=torch.int64, device=code.device)
    return counts.scatter_add_(1, torch.where(wanted, code, 0).long().flatten(1), wanted.long().flatten(1))

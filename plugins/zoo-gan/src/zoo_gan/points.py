"""Scores and pictures of generated points.

Metrics, of 20,000 generated points for test and 4,000 for val, in the data's unit:
`distance`: the mean distance to the line through the split's points; lower is better.
`wasserstein`: the earth mover's distance between the first coordinates of generated and real points; lower is better.
`coverage`: the line is divided into a hundred pieces with equally many real points; the share of pieces that receive
at least a tenth of their expected generated points. Only points within `MAX_DISTANCE` of the line count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo_core import Context, Evaluation, Signature
from zoo_core.data.columns import Array
from zoo_core.pictures import BLUE, GREY, ORANGE, scatter
from zoo_gan.metrics import coverage, distance_to_line, wasserstein_distance

SAMPLES = {"val": 4_000, "test": 20_000}
VERTICES = 1_000  # of the line used for distances
PIECES, MIN_SHARE, MAX_DISTANCE = 100, 0.1, 0.1
PANELS = 6  # snapshots in the picture of the training
WALKS, STEPS = 6, 200


class Points:
    """The `Form` of points; models work with points standardized by the signature's mean and std."""

    snapshot_size = 1_000

    def __init__(self, signature: Signature, ctx: Context) -> None:
        size = signature.features
        self._mean = torch.tensor(signature.mean or [0.0] * size, device=ctx.device)
        self._std = torch.tensor(signature.std or [1.0] * size, device=ctx.device)

    def to_model_range(self, x: Tensor) -> Tensor:
        return (x - self._mean) / self._std

    def to_data(self, generated: Tensor) -> Array:
        return (generated.float() * self._std + self._mean).cpu().numpy()

    def samples(self, split: str, real: int) -> int:
        return SAMPLES[split]

    def evaluate(self, generated: Array, split: str, real: Mapping[str, Array]) -> Evaluation:
        x = real["x"]
        vertices = np.unique(np.linspace(0, len(x) - 1, VERTICES).round().astype(int))
        distances, nearest = distance_to_line(generated, x[vertices])
        pieces = vertices * PIECES // len(x)  # the piece in which each vertex lies
        counts = np.bincount(pieces[nearest[distances <= MAX_DISTANCE]], minlength=PIECES)
        expected = np.full(PIECES, len(generated) / PIECES)
        return Evaluation(
            {
                "distance": float(distances.mean()),
                "wasserstein": wasserstein_distance(generated[:, 0], x[:, 0]),
                "coverage": coverage(counts, expected, MIN_SHARE),
            }
        )

    def pictures(
        self,
        make: Callable[[Tensor], Array],
        z: Tensor,
        real: Mapping[str, Array],
        snapshots: list[tuple[float, Array]],
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Draw real points grey, generated ones orange; walks go straight between noise vectors, in two colours."""
        line = real["x"][:: max(1, len(real["x"]) // 400)]
        box = _box(line)
        generated = make(z)
        lines: list[tuple[Array, tuple[int, int, int]]] = [(line, GREY)]
        share = torch.linspace(0, 1, STEPS, device=z.device)[:, None]
        for number, (begin, end) in enumerate(pairwise(z[: WALKS + 1])):
            lines.append((make(torch.lerp(begin, end, share)), (ORANGE, BLUE)[number % 2]))
        pictures = {"thumbnail": scatter([(line, GREY), (generated, ORANGE)], box=box), "walk": scatter(lines, box=box)}
        if len(snapshots) > 1:
            pictures["training"] = _sheet(
                [scatter([(line, GREY), (snapshot, ORANGE)], box=box) for _, snapshot in _spread_over(snapshots)]
            )
        return pictures


def _box(line: Array) -> tuple[float, float, float, float]:
    """Return the bounding box of the line, a tenth wider on each side."""
    low, high = line.min(axis=0), line.max(axis=0)
    margin = (high - low) / 10
    (left, bottom), (right, top) = (low - margin).tolist(), (high + margin).tolist()
    return left, right, bottom, top


def _spread_over(snapshots: list[tuple[float, Array]]) -> list[tuple[float, Array]]:
    """Choose a few snapshots spread over the training, with the first and the last."""
    rows = np.unique(np.linspace(0, len(snapshots) - 1, PANELS).round().astype(int))
    return [snapshots[row] for row in rows]


def _sheet(panels: list[Array]) -> Array:
    """Arrange pictures of one size in rows of three; the rest of the last row is white."""
    panels = panels + [np.full_like(panels[0], 255)] * (-len(panels) % 3)
    return np.concatenate([np.concatenate(panels[row : row + 3], axis=1) for row in range(0, len(panels), 3)])

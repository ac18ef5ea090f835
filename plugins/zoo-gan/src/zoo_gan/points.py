"""Points on a line: how near they are to it, how evenly they lie along it, and what that looks like.

Metrics, of 20,000 generated points for test and 4,000 for val, in the data's unit:
`distance`: the mean distance to the nearest place of the line through the split's points, lower is better.
`wasserstein`: the earth mover's distance of their first coordinate to the split's, lower is better.
`coverage`: the line is cut into a hundred pieces with equally many real points; the share of pieces that get at least a
tenth of what is theirs, of generated points at most `NEAR` away from the line.
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
from zoo_gan.metrics import covered, to_line, wasserstein_distance

SAMPLES = {"val": 4_000, "test": 20_000}
VERTICES = 1_000  # of the line that distances are measured to
PIECES, LEAST, NEAR = 100, 0.1, 0.1
PANELS = 6  # of the film
WALKS, STATIONS = 6, 200


class Points:
    """The `Form` of points: the signature's mean and deviation scale them."""

    shown = 1_000

    def __init__(self, signature: Signature, ctx: Context) -> None:
        size = signature.features
        self._mean = torch.tensor(signature.mean or [0.0] * size, device=ctx.device)
        self._deviation = torch.tensor(signature.std or [1.0] * size, device=ctx.device)

    def as_made(self, x: Tensor) -> Tensor:
        return (x - self._mean) / self._deviation

    def as_data(self, made: Tensor) -> Array:
        return (made.float() * self._deviation + self._mean).cpu().numpy()

    def samples(self, split: str, real: int) -> int:
        return SAMPLES[split]

    def evaluate(self, made: Array, split: str, real: Mapping[str, Array]) -> Evaluation:
        x = real["x"]
        vertices = np.unique(np.linspace(0, len(x) - 1, VERTICES).round().astype(int))
        distances, nearest = to_line(made, x[vertices])
        pieces = vertices * PIECES // len(x)  # of the line, where each vertex lies
        counts = np.bincount(pieces[nearest[distances <= NEAR]], minlength=PIECES)
        expected = np.full(PIECES, len(made) / PIECES)
        return Evaluation(
            {
                "distance": float(distances.mean()),
                "wasserstein": wasserstein_distance(made[:, 0], x[:, 0]),
                "coverage": covered(counts, expected, LEAST),
            }
        )

    def pictures(
        self, make: Callable[[Tensor], Array], z: Tensor, real: Mapping[str, Array], film: list[tuple[float, Array]]
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Real points grey, made ones orange. The walk goes straight from one noise to the next, in two colours."""
        line = real["x"][:: max(1, len(real["x"]) // 400)]
        box = _box(line)
        made = make(z)
        lines: list[tuple[Array, tuple[int, int, int]]] = [(line, GREY)]
        share = torch.linspace(0, 1, STATIONS, device=z.device)[:, None]
        for number, (begin, end) in enumerate(pairwise(z[: WALKS + 1])):
            lines.append((make(torch.lerp(begin, end, share)), (ORANGE, BLUE)[number % 2]))
        pictures = {"thumbnail": scatter([(line, GREY), (made, ORANGE)], box=box), "walk": scatter(lines, box=box)}
        if len(film) > 1:
            pictures["training"] = _sheet([scatter([(line, GREY), (seen, ORANGE)], box=box) for _, seen in _some(film)])
        return pictures


def _box(line: Array) -> tuple[float, float, float, float]:
    """What holds the line, a tenth wider on each side."""
    low, high = line.min(axis=0), line.max(axis=0)
    margin = (high - low) / 10
    (left, bottom), (right, top) = (low - margin).tolist(), (high + margin).tolist()
    return left, right, bottom, top


def _some(film: list[tuple[float, Array]]) -> list[tuple[float, Array]]:
    """A few glimpses spread over the training, the first and the last among them."""
    rows = np.unique(np.linspace(0, len(film) - 1, PANELS).round().astype(int))
    return [film[row] for row in rows]


def _sheet(panels: list[Array]) -> Array:
    """Pictures of one size, three in a row, in their order; the rest of the last row is white."""
    panels = panels + [np.full_like(panels[0], 255)] * (-len(panels) % 3)
    return np.concatenate([np.concatenate(panels[row : row + 3], axis=1) for row in range(0, len(panels), 3)])

"""Images of digits: what the judge's features say of them, and what they look like.

Metrics: `frechet`, the Frechet distance of the judge's features between a split's real images, all of them, and
generated ones, as many as test has (2,000 at least) and 1,000 for val: lower is better, and small samples make it
larger.
`coverage`: the share of the ten digits that get, in the judge's eyes, at least a third of their share of real images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zoo_core import Context, Evaluation, Signature, Table
from zoo_core.data.columns import Array
from zoo_core.pictures import mosaic
from zoo_gan.judge import Judge, load_judge
from zoo_gan.metrics import covered, frechet_distance

FEWEST, VAL_SAMPLES = 2_000, 1_000
LEAST = 1 / 3
HALF = 127.5  # of the levels
COLUMNS, ROWS = 10, 6  # of the sheets
THUMBNAIL = (6, 4)  # columns and rows


class Images:
    """The `Form` of images: uint8 in the data, [-1, 1] for the nets."""

    shown = 300

    def __init__(self, signature: Signature, ctx: Context) -> None:
        self._classes = signature.classes
        self._judge: Judge = load_judge()
        self._real: dict[str, Array] = {}  # features of the splits' images

    def as_made(self, x: Tensor) -> Tensor:
        return x.float() / HALF - 1

    def as_data(self, made: Tensor) -> Array:
        return ((made.float() + 1) * HALF).round().clamp(0, 255).to(torch.uint8).cpu().numpy()

    def samples(self, split: str, real: int) -> int:
        return VAL_SAMPLES if split == "val" else max(FEWEST, real)

    def evaluate(self, made: Array, split: str, real: Mapping[str, Array]) -> Evaluation:
        if split not in self._real:
            self._real[split] = self._judge.look(real["x"])[0]
        features, answers = self._judge.look(made)
        count = len(self._classes)
        expected = np.bincount(real["y"], minlength=count) / len(real["y"])
        shares = np.bincount(answers, minlength=count) / len(answers)
        rows = [[name, float(a), float(b)] for name, a, b in zip(self._classes, expected, shares, strict=True)]
        return Evaluation(
            {
                "frechet": frechet_distance(self._real[split], features),
                "coverage": covered(shares, expected, LEAST),
            },
            tables={"digits": Table(["digit", "share of real", "share of generated"], rows)},
        )

    def pictures(
        self, make: Callable[[Tensor], Array], z: Tensor, real: Mapping[str, Array], film: list[tuple[float, Array]]
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Samples in columns by the judge's answer, 0 to 9; the walk, and the way there, from left to right."""
        made = make(z)
        pictures = {
            "thumbnail": mosaic(made[: THUMBNAIL[0] * THUMBNAIL[1]], columns=THUMBNAIL[0]),
            "samples": mosaic(self._by_digit(made), columns=COLUMNS),
            "walk": mosaic(make(_walks(z)), columns=COLUMNS),
        }
        if len(film) > 1:
            some = [film[row][1] for row in np.linspace(0, len(film) - 1, COLUMNS).round().astype(int)]
            pictures["training"] = mosaic(
                np.stack([seen[:ROWS] for seen in some], axis=1).reshape(-1, *made.shape[1:]), columns=COLUMNS
            )
        return pictures

    def _by_digit(self, made: Array) -> Array:
        """Rows of one image of each digit; black where there are too few."""
        _, answers = self._judge.look(made)
        sheet = np.zeros((ROWS, COLUMNS, *made.shape[1:]), np.uint8)
        for digit in range(COLUMNS):
            found = made[answers == digit][:ROWS]
            sheet[: len(found), digit] = found
        return sheet.reshape(-1, *made.shape[1:])


def _walks(z: Tensor) -> Tensor:
    """Noise on the way from one row's to another's: (rows * columns, latent).

    On an arc, since the noise that a generator knows lies near a sphere.
    """
    begin, end = z[:ROWS, None], z[ROWS : 2 * ROWS, None]
    angle = torch.linspace(0, torch.pi / 2, COLUMNS, device=z.device)[:, None]
    return (begin * angle.cos() + end * angle.sin()).flatten(0, 1)

"""Scores and pictures of generated digits.

Metrics:
`frechet`: the Fréchet distance between the judge's features of all real images of a split and of generated images;
lower is better. For test there are as many generated images as real ones, but at least 2,000; for val 1,000. Small
samples raise the score.
`coverage`: the share of the ten digits that are generated often enough, by the judge's predictions: at least a third
as often as in the real images.
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
from zoo_gan.metrics import coverage, frechet_distance

MIN_TEST_SAMPLES, VAL_SAMPLES = 2_000, 1_000
MIN_SHARE = 1 / 3
HALF_RANGE = 127.5  # half of the range of a uint8 level
COLUMNS, ROWS = 10, 6  # of all sheets but the thumbnail
THUMBNAIL = (6, 4)  # columns and rows


class Images:
    """The `Form` of images: uint8 in the data, [-1, 1] for models."""

    snapshot_size = 300

    def __init__(self, signature: Signature, ctx: Context) -> None:
        self._classes = signature.classes
        self._judge: Judge = load_judge()
        self._real: dict[str, Array] = {}  # features of a split's real images

    def to_model_range(self, x: Tensor) -> Tensor:
        return x.float() / HALF_RANGE - 1

    def to_data(self, generated: Tensor) -> Array:
        return ((generated.float() + 1) * HALF_RANGE).round().clamp(0, 255).to(torch.uint8).cpu().numpy()

    def samples(self, split: str, real: int) -> int:
        return VAL_SAMPLES if split == "val" else max(MIN_TEST_SAMPLES, real)

    def evaluate(self, generated: Array, split: str, real: Mapping[str, Array]) -> Evaluation:
        if split not in self._real:
            self._real[split] = self._judge.classify(real["x"])[0]
        features, digits = self._judge.classify(generated)
        count = len(self._classes)
        expected = np.bincount(real["y"], minlength=count) / len(real["y"])
        shares = np.bincount(digits, minlength=count) / len(digits)
        rows = [[name, float(a), float(b)] for name, a, b in zip(self._classes, expected, shares, strict=True)]
        return Evaluation(
            {
                "frechet": frechet_distance(self._real[split], features),
                "coverage": coverage(shares, expected, MIN_SHARE),
            },
            tables={"digits": Table(["digit", "share of real", "share of generated"], rows)},
        )

    def pictures(
        self,
        make: Callable[[Tensor], Array],
        z: Tensor,
        real: Mapping[str, Array],
        snapshots: list[tuple[float, Array]],
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Draw samples in columns by predicted digit, walks through the noise, and the training from left to right."""
        generated = make(z)
        pictures = {
            "thumbnail": mosaic(generated[: THUMBNAIL[0] * THUMBNAIL[1]], columns=THUMBNAIL[0]),
            "samples": mosaic(self._sorted_by_digit(generated), columns=COLUMNS),
            "walk": mosaic(make(_noise_walks(z)), columns=COLUMNS),
        }
        if len(snapshots) > 1:
            some = [snapshots[row][1] for row in np.linspace(0, len(snapshots) - 1, COLUMNS).round().astype(int)]
            pictures["training"] = mosaic(
                np.stack([snapshot[:ROWS] for snapshot in some], axis=1).reshape(-1, *generated.shape[1:]),
                columns=COLUMNS,
            )
        return pictures

    def _sorted_by_digit(self, generated: Array) -> Array:
        """Arrange images in columns by predicted digit; missing images are black."""
        _, digits = self._judge.classify(generated)
        sheet = np.zeros((ROWS, COLUMNS, *generated.shape[1:]), np.uint8)
        for digit in range(COLUMNS):
            found = generated[digits == digit][:ROWS]
            sheet[: len(found), digit] = found
        return sheet.reshape(-1, *generated.shape[1:])


def _noise_walks(z: Tensor) -> Tensor:
    """Interpolate between pairs of noise vectors: (rows * columns, latent).

    Moves along an arc, because the noise that a generator is trained on lies near a sphere.
    """
    begin, end = z[:ROWS, None], z[ROWS : 2 * ROWS, None]
    angle = torch.linspace(0, torch.pi / 2, COLUMNS, device=z.device)[:, None]
    return (begin * angle.cos() + end * angle.sin()).flatten(0, 1)

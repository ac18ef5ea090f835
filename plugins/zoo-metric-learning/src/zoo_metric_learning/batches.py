"""Batches of a few examples of each of several classes, drawn on the device."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from zoo_core import DamagedDataError, RecipeError
from zoo_core.data.batches import Batch, DeviceSplit
from zoo_core.data.columns import Split
from zoo_metric_learning.datasets import QUARTERS

MAX_DRAWN = 256  # batches that are drawn at once, for the memory of data with thousands of classes


class ClassBatches(DeviceSplit):
    """The train split, whose batches hold `per_class` examples of each class that they hold.

    turns: 4 to make every class turned by 0, 90, 180 and 270 degrees four classes (Santoro et al. 2016), else 1.
    classes: the number of classes, those that are turned included. In a batch, `label` counts them from 0. Classes are
    equally likely, whatever their size. A class with fewer than `per_class` examples repeats some.
    Raises DamagedDataError if there is only one class, or images that are turned are not square.
    """

    def __init__(self, split: Split, device: str, *, per_class: int, turns: int = 1) -> None:
        super().__init__(split, device)
        labels = np.asarray(split.columns["label"])
        labels = labels if split.rows is None else labels[split.rows]
        _, counts = np.unique(labels, return_counts=True)
        self._order, self._counts, self._starts = (
            torch.from_numpy(values).to(self.device)
            for values in (np.argsort(labels, kind="stable"), counts, np.cumsum(counts) - counts)
        )
        self._per_class, self._turns = per_class, turns
        self.classes = len(counts) * turns
        if self.classes < 2:
            raise DamagedDataError(
                "train has one class, so there is nothing to tell apart: add examples of a second class"
            )
        if turns > 1 and (shape := self.first(1)["x"].shape[2:])[0] != shape[1]:
            raise DamagedDataError(f"images of {shape[1]}x{shape[0]} pixels cannot be turned: set turns=false")

    def steps(self, batch_size: int) -> int:
        """Return the number of batches that have as many examples as the split."""
        return -(-self.size // (self.classes_in_batch(batch_size) * self._per_class))

    def classes_in_batch(self, batch_size: int) -> int:
        """Return how many classes a batch holds. Raises RecipeError if it is only one."""
        if batch_size < 2 * self._per_class:
            raise RecipeError(
                f"batch_size={batch_size} with per_class={self._per_class} has one class in a batch, so nothing to "
                f"tell apart: set batch_size={2 * self._per_class} or more"
            )
        return min(batch_size // self._per_class, self.classes)

    def shuffled(self, batch_size: int, generator: torch.Generator | None) -> Iterator[Batch]:
        """Yield batches without end: `x`, turned, and `label`, beside the other columns."""
        steps, count = min(self.steps(batch_size), MAX_DRAWN), self.classes_in_batch(batch_size)
        while True:
            keys = torch.rand(steps, self.classes, generator=generator, device=self.device)
            labels = keys.topk(count, dim=1).indices.repeat_interleave(self._per_class, 1)  # (steps, batch)
            numbers = self._draw(labels, generator)
            homed = numbers.to(self._home)  # for many batches at once: it may wait for the device
            for label, number in zip(labels, homed, strict=True):
                batch = self.at(number)
                if self._turns > 1:
                    batch["x"] = turned(batch["x"], label // (self.classes // self._turns))
                yield {**batch, "label": label}

    def _draw(self, labels: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw an example of each class in `labels` (steps, batch): different ones within a class, if it has enough.

        Draw number j of a class is among those that are left: it skips the earlier ones, which are sorted.
        """
        classes = labels[:, :: self._per_class] % (self.classes // self._turns)  # (steps, classes in batch)
        counts = self._counts[classes]
        random = torch.rand(*classes.shape, self._per_class, generator=generator, device=self.device)
        drawn = torch.empty(*classes.shape, 0, dtype=torch.long, device=self.device)
        for j in range(self._per_class):
            is_left = counts > j
            left = torch.where(is_left, counts - j, counts)
            place = torch.minimum((random[..., j] * left).long(), left - 1)
            for earlier in range(j):
                place = place + (is_left & (place >= drawn[..., earlier]))
            drawn = torch.cat([drawn, place[..., None]], 2).sort(2).values
        return self._order[(self._starts[classes][..., None] + drawn).flatten(1)]


def turned(images: Tensor, quarters: Tensor) -> Tensor:
    """Turn square images (n, channels, side, side) counterclockwise by quarters of a turn, int (n,) from 0 to 3."""
    every = torch.stack([torch.rot90(images, number, (2, 3)) for number in range(QUARTERS)])
    return every[quarters, torch.arange(len(images), device=images.device)]

"""Kind `zoo-pose/action`, version 1: classify an action from the joints of a body over time.

Columns: x ragged float32 (n; frames, joints, axes); y integer (n,), from 0; `group` integer (n,), the person.
The signature's `extra` describes the skeleton; see `skeletons.py`.
Model: forward takes float (batch, frames, joints, axes) and returns (batch, classes) logits. Sequences are resampled to
the recipe's `frames`, centred on the root's mean position and divided by the body's size.
Loss: the recipe's `loss`, by default cross-entropy, with label smoothing; or the model's own `loss(output, target)`.
Metrics: `accuracy`, and the other scores of `zoo_core.kinds.classification`.
One unit is one sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from zoo_core import Context, DamagedDataError, Evaluation, Recipe, Signature, TaskSpec
from zoo_core.data.batches import Batch
from zoo_core.data.columns import Array, Ragged, Split
from zoo_core.data.labels import require_two_classes
from zoo_core.data.open import Data
from zoo_core.kinds.classification import ClassLoss, class_names, classification_evaluation, most_probable
from zoo_core.kinds.supervised import Supervised
from zoo_pose.augment import BodyAugmentation, resample_at
from zoo_pose.data import read_any
from zoo_pose.pictures import action_pictures
from zoo_pose.sequences import normalize

MIN_PACE = 0.2  # slowest relative speed after random warping of time


class Action(Supervised):
    """The task of this kind. It normalizes all sequences once, before training, and refuses data of one action."""

    def __init__(self, spec: TaskSpec) -> None:
        super().__init__(spec, ActionObjective)

    def prepare(self, ctx: Context, data: Data, recipe: Recipe) -> None:
        train = data.split("train", holdout=False)
        require_two_classes(np.asarray(train.columns["y"])[slice(None) if train.rows is None else train.rows], "train")
        super().prepare(ctx, cast(Data, NormalizedData(data, recipe)), recipe)


class NormalizedData:
    """Wraps open data; its `x` is what the model takes: float32 (n, frames, joints, axes)."""

    def __init__(self, data: Data, recipe: Recipe) -> None:
        self.signature, self.identity = data.signature, data.identity
        self._data, self._frames = data, recipe.frames

    def split(self, name: str, *, holdout: bool = True) -> Split:
        split = self._data.split(name, holdout=holdout)
        x = split.columns["x"]
        assert isinstance(x, Ragged)
        rows = range(len(x)) if split.rows is None else split.rows.tolist()
        others = {name: np.asarray(column)[rows] for name, column in split.columns.items() if name != "x"}
        root = self.signature.extra["root"]
        sequences = np.stack([normalize(x[row], root, self._frames) for row in rows])
        return replace(split, columns={"x": sequences, **others}, rows=None)


class ActionObjective:
    """Inputs, loss, scores and pictures of this kind; see `zoo_core.kinds.supervised.Objective`."""

    def __init__(self, signature: Signature, recipe: Recipe, ctx: Context) -> None:
        self.classes = class_names(signature)
        self._signature, self._recipe, self._ctx = signature, recipe, ctx
        self._loss = ClassLoss(recipe.get("loss", "cross-entropy"), recipe.label_smoothing)
        self.take_loss = self._loss.take_loss

    def inputs(self, batch: Batch) -> Tensor:
        return batch["x"]

    def output_shape(self, x: Tensor) -> tuple[int, ...]:
        return (x.shape[0], len(self.classes))

    def augment(self, recipe: Recipe, ctx: Context) -> ActionAugmentation:
        return ActionAugmentation(self._signature, recipe, ctx)

    def loss(self, output: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        output, labels = output.float(), batch["y"].long()
        return self._loss(output, labels), (output.argmax(1) == labels).float().mean()

    def evaluate(self, outputs: Array, columns: Mapping[str, Array]) -> Evaluation:
        return classification_evaluation(outputs, columns, self.classes)

    def pictures(
        self, look: Callable[[Sequence[int]], Array], outputs: Array, targets: Array
    ) -> dict[str, np.ndarray[Any, Any]]:
        return action_pictures(look, outputs, targets, self.classes, self._signature.extra)

    def read(self, files: Sequence[Path], shape: tuple[int | None, ...]) -> Batch:
        """Read local files, each one sequence, and normalize them like the data. Raises DamagedDataError."""
        root, sequences = self._signature.extra["root"], []
        for file in files:
            sequence = read_any(file)
            if sequence.shape[1:] != tuple(shape[1:]):
                joints, axes = sequence.shape[1:]
                raise DamagedDataError(f"{file} has {joints} joints of {axes} axes, the model takes {shape[1:]}")
            sequences.append(normalize(sequence, root, self._recipe.frames))
        return {"x": torch.from_numpy(np.stack(sequences)).to(self._ctx.device)}

    def answers(self, outputs: Array, top: int) -> list[list[tuple[str, float]]]:
        return most_probable(outputs, self.classes, top)


class ActionAugmentation(BodyAugmentation):
    """Also changes the time and hides joints; reads the recipe's `cut`, `warp` and `lose`."""

    def __init__(self, signature: Signature, recipe: Recipe, ctx: Context) -> None:
        super().__init__(signature, recipe, ctx)
        self._cut, self._warp, self._lose = recipe.cut, recipe.warp, recipe.lose

    def __call__(self, batch: Batch) -> Batch:
        x = batch["x"]
        if self._cut or self._warp:
            x = resample_at(x, self._random_times(len(x), x.shape[1]))
        (x,) = self.change_bodies(x)
        if self._lose:
            kept = (self.uniform(len(x), 1, x.shape[2], 1) + 1) / 2 >= self._lose
            x = x * kept
        return {**batch, "x": x}

    def _random_times(self, count: int, frames: int) -> Tensor:
        """Draw ascending times (count, frames), in frames: the whole sequence or, with `cut`, a part of it."""
        pace = 1 + self._warp * 3 * F.interpolate(self.uniform(count, 1, 4), frames - 1, mode="linear").squeeze(1)
        passed = F.pad(pace.clamp_min(MIN_PACE).cumsum(1), (1, 0))
        length = 1 - self._cut * (self.uniform(count, 1) + 1) / 2
        begin = (1 - length) * (self.uniform(count, 1) + 1) / 2
        times: Tensor = (begin + length * passed / passed[:, -1:]) * (frames - 1)
        return times

"""Kind `zoo-pose/motion`, version 1: predict the next half second of a body's joints from the last second.

Columns: x ragged float32 (n; frames, joints, axes); the signature's `extra` describes the skeleton and holds `fps`.
Examples are windows of one and a half seconds. In train a window begins every `stride` frames, in val and test every
fifth of a second. A shorter sequence gives no windows. Windows of one person belong together, by the column `group`;
without that column, those of one sequence do.
Model: forward takes float (batch, past, joints, axes), positions in the data's unit, and returns the next frames,
(batch, future, joints, axes), in the same coordinates. A model without parameters is not trained.
Loss: the metric, or the model's own `loss(output, target)`.
Metric: `joint_error`, the mean distance between prediction and target over frames and joints, in the data's unit (lower
is better). Also `last_frame_error`, the same for the last frame alone.
One unit is one window.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from zoo_core import (
    Context,
    DataUnavailableError,
    Evaluation,
    Phase,
    Recipe,
    Signature,
    Step,
    Table,
    TaskSpec,
)
from zoo_core.data.batches import Batch
from zoo_core.data.columns import Array, Ragged, Split
from zoo_core.data.open import Data
from zoo_core.kinds.objective import OwnLoss, own_loss
from zoo_core.kinds.supervised import Supervised
from zoo_pose.augment import BodyAugmentation
from zoo_pose.pictures import motion_pictures
from zoo_pose.skeletons import window_frames

EVALUATION_STRIDE_S = 0.2  # between the starts of two windows of val or test
EPSILON = 1e-8  # added to squared distances: the square root has no gradient at 0


class Motion(Supervised):
    """The task of this kind. Its examples are windows of the sequences."""

    def __init__(self, spec: TaskSpec) -> None:
        super().__init__(spec, MotionObjective)

    def prepare(self, ctx: Context, data: Data, recipe: Recipe) -> None:
        super().prepare(ctx, cast(Data, Windows(data, recipe)), recipe)

    def train(self, ctx: Context, model: nn.Module, recipe: Recipe) -> Iterator[Step | Phase]:
        if any(parameter.requires_grad for parameter in model.parameters()):
            yield from super().train(ctx, model, recipe)
            return
        objective, forward = self._objective, self._forward_from_columns(model)
        batches = self._splits["train"].shuffled(recipe.batch_size, ctx.generator)
        for _ in range(recipe.steps):  # optimizers refuse an empty list of parameters
            batch = next(batches)
            loss, score = objective.loss(forward(batch), batch)
            yield Step(len(batch["x"]), {"loss": loss, "score": score})


class Windows:
    """Wraps open data as windows: x float32 (n, past, joints, axes), y float32 (n, future, joints, axes), and `group`.

    Windows overlap, so they are views of one array of frames; a window is copied only when a batch is made.
    """

    def __init__(self, data: Data, recipe: Recipe) -> None:
        self.signature, self.identity = data.signature, data.identity
        self._data, self._stride = data, recipe.stride
        self._past, self._future = window_frames(data.signature.extra)
        self._scored = max(1, round(EVALUATION_STRIDE_S * data.signature.extra["fps"]))

    def split(self, name: str, *, holdout: bool = True) -> Split:
        split = self._data.split(name, holdout=holdout)
        x = split.columns["x"]
        assert isinstance(x, Ragged)
        length = self._past + self._future
        rows = np.arange(len(x)) if split.rows is None else split.rows
        stride = self._stride if name == "train" else self._scored
        begins = [np.arange(x.offsets[row], x.offsets[row + 1] - length + 1, stride) for row in rows]
        starts = np.concatenate(begins)
        if not len(starts):
            raise DataUnavailableError(f"no sequence of {name} has {length} frames (one and a half seconds)")
        frames = np.lib.stride_tricks.sliding_window_view(x.values, length, axis=0, writeable=True)
        windows = np.moveaxis(frames, -1, 1)
        columns = {"x": windows[:, : self._past], "y": windows[:, self._past :]}
        # Windows of one sequence overlap, so they belong together also in data that name no groups.
        group = np.asarray(split.columns.get("group", np.arange(len(x)))).repeat(np.diff(x.offsets))
        columns["group"] = group[: len(windows)]
        return Split(columns, starts)


class MotionObjective:
    """Inputs, loss, scores and pictures of this kind; see `zoo_core.kinds.supervised.Objective`."""

    def __init__(self, signature: Signature, recipe: Recipe, ctx: Context) -> None:
        self._signature = signature
        self._own: OwnLoss | None = None

    def take_loss(self, own: OwnLoss | None) -> None:
        self._own = own

    def inputs(self, batch: Batch) -> Tensor:
        return batch["x"]

    def output_shape(self, x: Tensor) -> tuple[int, ...]:
        _, future = window_frames(self._signature.extra)
        return (x.shape[0], future, *x.shape[2:])

    def augment(self, recipe: Recipe, ctx: Context) -> MotionAugmentation:
        return MotionAugmentation(self._signature, recipe, ctx)

    def loss(self, output: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        squares = (output.float() - batch["y"]).square().sum(dim=-1)
        error = (squares + EPSILON).sqrt().mean()
        if self._own is not None:
            return own_loss(self._own, output.float(), batch["y"]), error.detach()
        return error, error

    def evaluate(self, outputs: Array, columns: Mapping[str, Array]) -> Evaluation:
        distances = joint_distances(outputs, columns["y"])
        per_example = {"score": distances.mean(axis=(1, 2))}
        if "group" in columns:
            per_example["group"] = columns["group"]
        scores = {"joint_error": float(distances.mean()), "last_frame_error": float(distances[:, -1].mean())}
        joints = zip(self._signature.extra["joints"], distances.mean(axis=(0, 1)).tolist(), strict=True)
        times = (np.arange(1, distances.shape[1] + 1) / self._signature.extra["fps"]).round(3).tolist()
        by_time = zip(times, distances.mean(axis=(0, 2)).tolist(), strict=True)
        tables = {
            "per joint": Table(["joint", "error"], [list(row) for row in joints]),
            "over time": Table(["seconds ahead", "error"], [list(row) for row in by_time]),
        }
        return Evaluation(scores, tables, per_example)

    def pictures(
        self, look: Callable[[Sequence[int]], Array], outputs: Array, targets: Array
    ) -> dict[str, np.ndarray[Any, Any]]:
        return motion_pictures(look, outputs, targets, self._signature.extra)


class MotionAugmentation(BodyAugmentation):
    """Changes past and future together, relative to the root in the last frame of the past."""

    def __init__(self, signature: Signature, recipe: Recipe, ctx: Context) -> None:
        super().__init__(signature, recipe, ctx)
        self._root = torch.tensor(signature.extra["root"], device=ctx.device)  # a list would wait for the device

    def __call__(self, batch: Batch) -> Batch:
        centre = batch["x"][:, -1:, self._root].mean(dim=2, keepdim=True)
        past, future = self.change_bodies(batch["x"] - centre, batch["y"] - centre)
        return {**batch, "x": past + centre, "y": future + centre}


def joint_distances(predictions: Array, targets: Array) -> Array:
    """Return Euclidean distances, float64 (n, frames, joints), between positions (n, frames, joints, axes)."""
    distances: Array = np.sqrt(((predictions.astype(np.float64) - targets) ** 2).sum(axis=-1))
    return distances

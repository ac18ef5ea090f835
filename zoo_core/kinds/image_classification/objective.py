"""The objective of kind `image-classification`: inputs, augmentation, loss, scores and pictures."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo_core.columns import Array
from zoo_core.data.batches import Batch
from zoo_core.data.images import read_images
from zoo_core.kinds.augment import Augmentation, is_asked_for
from zoo_core.kinds.classification import ClassLoss, class_names, classification_evaluation, most_probable
from zoo_core.kinds.inputs import ImageInputs
from zoo_core.kinds.objective import RowReader
from zoo_core.kinds.supervised import Supervised
from zoo_core.pictures import captioned_grid, mosaic, sprite_sheet
from zoo_core.protocols import Context, Deferred, Evaluation
from zoo_core.recipe import Recipe
from zoo_core.results.pictured import COLUMNS, PICTURE, SIDE, pictured_examples
from zoo_core.specs import Signature, TaskSpec

MAX_PICTURED = 24  # images on a sheet
THUMBNAIL_COLUMNS = 4  # twelve images, in three rows


def image_classification_task(spec: TaskSpec) -> Supervised:
    """Make a task of this kind from its spec."""
    return Supervised(spec, functools.partial(ImageObjective, metric=spec.metric))


class ImageObjective:
    """The loss of one class per image; images are augmented, resized and normalised on the device."""

    def __init__(self, signature: Signature, recipe: Recipe, ctx: Context, *, metric: str = "accuracy") -> None:
        self.classes = class_names(signature)
        self._metric = metric
        self._loss = ClassLoss(recipe.get("loss", "cross-entropy"), recipe.label_smoothing)
        self.take_loss = self._loss.take_loss
        self._device = ctx.device
        self._size = cast(tuple[int, int], signature.input_shape[1:])  # known, because the data are open
        self._images = ImageInputs(signature, normalize=recipe.normalize, device=ctx.device)

    def ready(self, model: nn.Module) -> None:
        self._images.ready(model)

    def augment(self, recipe: Recipe, ctx: Context) -> Augmentation | None:
        return Augmentation(recipe, ctx) if is_asked_for(recipe) else None

    def inputs(self, batch: Batch) -> Tensor:
        x = self._images.as_float(batch["x"])
        if x.shape[2:] != self._size:
            x = F.interpolate(x, self._size, mode="bilinear", antialias=True)
        return self._images.normalized(x)

    def block_inputs(self, block: Batch) -> Tensor:
        return self.inputs(block)

    def loss(self, output: Tensor, batch: Batch) -> tuple[Tensor, Deferred]:
        output, labels = output.float(), batch["y"].long()
        loss = self._loss(output, labels)
        if "y_mixed" in batch:
            other = self._loss(output, batch["y_mixed"].long())
            loss = torch.lerp(other, loss, batch["share"])  # `share` of the loss for y, 1 - `share` for y_mixed
        return loss, Deferred(_accuracies, (output.detach(), labels))

    def evaluate(self, outputs: Array, columns: Mapping[str, Array]) -> Evaluation:
        return classification_evaluation(outputs, columns, self.classes, metric=self._metric)

    def pictures(self, read_rows: RowReader, outputs: Array, targets: Array) -> dict[str, np.ndarray[Any, Any]]:
        """Draw a thumbnail, predictions for images spread over the test split (`answers`), and the worst `mistakes`.

        The worst mistakes are the wrong predictions with the largest margin. The sheet `examples` has wrong ones
        without captions, for the board's page of mistakes.
        """
        predictions = outputs.argmax(axis=1)
        margin = outputs.max(axis=1) - outputs[np.arange(len(targets)), targets]
        worst = [row for row in np.argsort(-margin, kind="stable") if predictions[row] != targets[row]][:MAX_PICTURED]
        spread = np.linspace(0, len(targets) - 1, min(MAX_PICTURED, len(targets))).astype(int).tolist()
        captions = [self._caption(target, label) for target, label in zip(targets, predictions, strict=True)]
        pictures = {
            "thumbnail": mosaic(read_rows(spread[::2]), columns=THUMBNAIL_COLUMNS),  # half of the images, to be larger
            "answers": captioned_grid(read_rows(spread), [captions[row] for row in spread]),
        }
        if worst:
            pictures["mistakes"] = captioned_grid(read_rows(worst), [captions[row] for row in worst])
            tiles = read_rows(pictured_examples(np.flatnonzero(predictions != targets).tolist()))
            pictures[PICTURE] = sprite_sheet(tiles, columns=COLUMNS, side=SIDE)
        return pictures

    def _caption(self, target: int, prediction: int) -> str:
        """Return the true class, and `> prediction` on a second line if the prediction is wrong."""
        if target == prediction:
            return self.classes[target]
        return f"{self.classes[target]}\n> {self.classes[prediction]}"

    def read(self, files: Sequence[Path], shape: tuple[int | None, ...]) -> Batch:
        """Read the files as images with the channels and the size of the data, onto the device."""
        channels, height, width = (length or 1 for length in shape)
        return {"x": torch.from_numpy(read_images(files, (height, width), channels=channels)).to(self._device)}

    def predictions(self, outputs: Array, top: int) -> list[list[tuple[str, float]]]:
        """Return the `top` most probable classes for each row of logits, best first."""
        return most_probable(outputs, self.classes, top)


def _accuracies(outputs: Tensor, labels: Tensor) -> Tensor:
    """Return the accuracy of each step from logits (steps, batch, classes) and labels (steps, batch)."""
    return (outputs.argmax(2) == labels).float().mean(1)

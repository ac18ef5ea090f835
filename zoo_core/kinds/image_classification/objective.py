"""The objective of kind `image-classification`: inputs, augmentation, loss, scores and pictures."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo_core.columns import Array
from zoo_core.data.batches import Batch
from zoo_core.data.images import read_images
from zoo_core.kinds.augment import Augmentation, is_asked_for
from zoo_core.kinds.classification import class_names, classification_evaluation, most_probable
from zoo_core.kinds.inputs import ImageInputs
from zoo_core.kinds.supervised import Supervised
from zoo_core.pictures import captioned_grid, mosaic
from zoo_core.protocols import Context, Evaluation
from zoo_core.recipe import Recipe
from zoo_core.specs import Signature, TaskSpec

MAX_PICTURED = 24  # images on a sheet


def image_classification_task(spec: TaskSpec) -> Supervised:
    """Make a task of this kind from its spec."""
    return Supervised(spec, ImageObjective)


class ImageObjective:
    """Cross-entropy of one class per image; images are normalised, resized and augmented on the device."""

    def __init__(self, signature: Signature, recipe: Recipe, ctx: Context) -> None:
        self.classes = class_names(signature)
        self._smoothing = recipe.label_smoothing
        self._device = ctx.device
        height, width = (length or 1 for length in signature.input_shape[1:])
        self._size = (height, width)
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

    def loss(self, output: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        output, labels = output.float(), batch["y"].long()
        loss = F.cross_entropy(output, labels, label_smoothing=self._smoothing)
        if "y_mixed" in batch:
            other = F.cross_entropy(output, batch["y_mixed"].long(), label_smoothing=self._smoothing)
            loss = torch.lerp(other, loss, batch["share"])
        return loss, (output.argmax(1) == labels).float().mean()

    def evaluate(self, outputs: Array, columns: Mapping[str, Array]) -> Evaluation:
        return classification_evaluation(outputs, columns, self.classes)

    def pictures(
        self, read_rows: Callable[[Sequence[int]], Array], outputs: Array, targets: Array
    ) -> dict[str, np.ndarray[Any, Any]]:
        """Draw a thumbnail, a sheet of predictions for images spread over the test split, and the worst mistakes.

        The worst mistakes are the wrong predictions with the largest margin. A caption is the true class, and
        `> prediction` below it if the prediction is wrong.
        """
        predictions = outputs.argmax(axis=1)
        margin = outputs.max(axis=1) - outputs[np.arange(len(targets)), targets]
        worst = [row for row in np.argsort(-margin, kind="stable") if predictions[row] != targets[row]][:MAX_PICTURED]
        some = np.linspace(0, len(targets) - 1, min(MAX_PICTURED, len(targets))).astype(int).tolist()

        def sheet(rows: Sequence[int]) -> Array:
            pairs = [(self.classes[targets[row]], self.classes[predictions[row]]) for row in rows]
            return captioned_grid(
                read_rows(rows), [true if true == found else f"{true}\n> {found}" for true, found in pairs]
            )

        pictures = {"thumbnail": mosaic(read_rows(some[::2]), columns=4), "answers": sheet(some)}
        return pictures | ({"mistakes": sheet(worst)} if worst else {})

    def read(self, files: Sequence[Path], shape: tuple[int | None, ...]) -> Batch:
        """Read the files as images with the channels and the size of the data, onto the device."""
        channels, height, width = (length or 1 for length in shape)
        return {"x": torch.from_numpy(read_images(files, (height, width), channels=channels)).to(self._device)}

    def predictions(self, outputs: Array, top: int) -> list[list[tuple[str, float]]]:
        """Return the `top` most probable classes for each row of logits, best first."""
        return most_probable(outputs, self.classes, top)

"""Kind `zoo-detection/detection`, version 1: a box, a class and a score for every object in a picture.

Columns: x uint8 (n, 3, height, width), pictures on one canvas; size integer (n, 2), height and width of the picture's
part of the canvas, at the upper left; and ragged, with one entry per object: boxes float32 (n; objects, 4), x1, y1, x2,
y2 in pixels of the canvas; labels integer (n; objects), classes from 0; crowd integer (n; objects), not 0 for what is
background in training and, by COCO's rule for crowds, makes no detection false. One unit is one picture.
Model: forward takes float (batch, 3, height, width) on the scale [0, 1], and in evaluation mode returns detections,
float (batch, 100, 6): x1, y1, x2, y2 in pixels of the canvas, score in [0, 1], class from 0; best first. Rows with
score 0 are padding. The model normalises its inputs and removes double detections itself.
Loss: the model's own, because every family of detectors has another one. `loss(x, targets)` gets x as forward does,
in training mode, and for each picture a dict of `boxes` float (objects, 4) and `labels` int64 (objects,); a picture may
have none. It returns a scalar.
Training: views of the pictures as the recipe says; see `zoo_detection.augment`.
Scores: COCO's mean average precision, `map50` at IoU 0.5, `map75`, and `map50_95`, the mean over IoU 0.5, 0.55 ...
0.95. Boxes are cut at the borders of the picture before. See `zoo_detection.scoring`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from zoo_core import Context, Data, Evaluation, IncompatibleError, Recipe, Signature, Step, Table, TaskSpec
from zoo_core.data.batches import Batch, DeviceSplit
from zoo_core.data.columns import Array, Ragged, Split
from zoo_core.data.images import read_image
from zoo_core.outputs import FiniteOutputs, OutputForm
from zoo_core.train import epoch_steps, supervised_steps
from zoo_detection.augment import Views
from zoo_detection.canvas import scale_boxes, to_canvas
from zoo_detection.detections import FIELDS, MAX_DETECTIONS, Target
from zoo_detection.pictures import Results, draw_predictions, result_pictures
from zoo_detection.scoring import PictureTargets, Scorer

EVALUATION_BATCH = 8  # pictures
SHOWN_SCORE = 0.3  # `zoo predict` shows boxes with this score or more, unless `--top` is given


class Detection:
    """The task of this kind."""

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec
        self._form = OutputForm(
            kind=spec.kind, shape=lambda x: (x.shape[0], MAX_DETECTIONS, FIELDS), values="detections"
        )
        self._last: _Last | None = None

    def prepare(self, ctx: Context, data: Data, recipe: Recipe) -> None:
        self._data, self._recipe, self.classes = data, recipe, class_names(data.signature)
        self._splits: dict[str, DeviceSplit] = {}
        self._train = self._on_device(ctx, "train")

    def epoch_steps(self, recipe: Recipe) -> int:
        return epoch_steps(self._train, recipe)

    def example_input(self, ctx: Context, batch_size: int) -> Tensor:
        return as_input(self._train.first(batch_size)["x"])

    def output_form(self) -> OutputForm:
        return self._form

    def train(self, ctx: Context, model: nn.Module, recipe: Recipe) -> Iterator[Step]:
        """Take `recipe.steps` steps. Raises IncompatibleError for a model without a `loss`."""
        if not callable(getattr(model, "loss", None)):
            raise IncompatibleError(
                f"the model has no method `loss(x, targets)`, which kind {self.spec.kind} trains with: add one that "
                "returns a scalar"
            )
        views = Views(recipe, ctx)
        _use_fast_layout(model)

        def loss_and_score(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
            batch = views(batch)
            loss: Tensor = cast(Any, model).loss(as_input(batch["x"]), targets_of(batch))
            return loss, loss  # the score would need detections of every batch

        for step in supervised_steps(ctx, model, self._train, loss_and_score, recipe):
            yield replace(step, logs={"loss": step.logs["loss"]})

    def evaluate(self, ctx: Context, model: nn.Module, split: str) -> Evaluation:
        """Score the model on a split. Raises DivergedError, WrongOutputError."""
        columns = self._data.split(split, holdout=self._recipe.holdout)
        _use_fast_layout(model)
        detections = self._detect(model, self._on_device(ctx, split), split)
        scorer = Scorer(targets_by_picture(columns), detections, self.classes)
        self._last = _Last(model=model, split=split, scorer=scorer)
        return scorer.evaluate(by_picture=split == "test")

    def pictures(self, ctx: Context, model: nn.Module) -> dict[str, np.ndarray[Any, Any]]:
        """Draw results on the test split: boxes that are found, false and missed."""
        if self._last is None or self._last.model is not model or self._last.split != "test":
            self.evaluate(ctx, model, "test")
        assert self._last is not None
        scorer, split = self._last.scorer, self._data.split("test", holdout=self._recipe.holdout)
        results = Results(
            matches=scorer.matches(),
            targets=scorer.targets,
            detections=scorer.detections,
            sizes=np.asarray(split.columns["size"])[slice(None) if split.rows is None else split.rows],
            classes=self.classes,
        )
        on_device = self._on_device(ctx, "test")
        return result_pictures(lambda rows: on_device.at(torch.as_tensor(rows))["x"].cpu().numpy(), results)

    def predict(
        self,
        ctx: Context,
        model: nn.Module,
        signature: Signature,
        shape: tuple[int | None, ...],
        recipe: Recipe,
        files: Sequence[Path],
        top: int,
    ) -> Table:
        """Return the boxes in each file, in pixels of the upright picture: the `top` best, with 0 the likely ones."""
        self.classes, canvas = class_names(signature), (shape[1] or 1, shape[2] or 1)
        _use_fast_layout(model)
        rows: list[list[Any]] = []
        for file in files:
            picture = read_image(file)
            pixels, size = to_canvas(picture, canvas)
            x = as_input(torch.from_numpy(pixels)[None].to(ctx.device))
            detections = self._forward(model, x, torch.tensor([size], device=ctx.device), "files")[0].cpu().numpy()
            shown = detections[detections[:, 4] > 0][:top] if top else detections[detections[:, 4] >= SHOWN_SCORE]
            boxes = scale_boxes(shown[:, :4], size, picture.shape[1:]).round().astype(int)
            for box, (score, label) in zip(boxes.tolist(), shown[:, 4:].tolist(), strict=True):
                rows.append([str(file), self.classes[int(label)], score, *box])
        return Table(["file", "class", "score", "x1", "y1", "x2", "y2"], rows)

    def prediction_pictures(self, files: Sequence[Path], signature: Signature, table: Table) -> Iterator[Array]:
        """Draw the boxes of `predict`'s table on each file."""
        for file in files:
            rows = [row[1:] for row in table.rows if row[0] == str(file)]
            yield draw_predictions(read_image(file), rows, class_names(signature))

    def _detect(self, model: nn.Module, split: DeviceSplit, name: str) -> Array:
        """Return the detections in all pictures of a split, float32 (n, 100, 6)."""
        batches = split.in_order(EVALUATION_BATCH)
        found = [self._forward(model, as_input(batch["x"]), batch["size"], f"examples of {name}") for batch in batches]
        return torch.cat(found).cpu().numpy()

    def _forward(self, model: nn.Module, x: Tensor, size: Tensor, what: str) -> Tensor:
        """Return the model's detections, cut at the borders of the pictures; those outside get the score 0.

        size: height and width of each picture's part of the canvas, (batch, 2). what: the pictures in words.
        """
        output: Tensor = model(x)
        self._form.require(output, x)
        finite = FiniteOutputs()
        finite.add(output)
        finite.require(what)
        rows = output.to(torch.float32, copy=True)
        limits = size.flip(1).repeat(1, 2)[:, None].to(rows.dtype)  # width, height, width, height
        rows[..., :4] = torch.minimum(rows[..., :4].clamp_min(0), limits)
        rows[..., 4] *= (rows[..., 2:4] > rows[..., :2]).all(-1)
        labels = rows[..., 5][rows[..., 4] > 0]
        wrong = labels[(labels < 0) | (labels >= len(self.classes))]
        if len(wrong):
            raise IncompatibleError(
                f"the model returned class {wrong[0]:g}: the data have {len(self.classes)} classes, counted from 0"
            )
        return rows

    def _on_device(self, ctx: Context, name: str) -> DeviceSplit:
        """Return a split on the device, where it stays for the next evaluation."""
        if name not in self._splits:
            self._splits[name] = DeviceSplit(self._data.split(name, holdout=self._recipe.holdout), ctx.device)
        return self._splits[name]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Last:
    """The last evaluation, for `pictures`."""

    model: nn.Module
    split: str
    scorer: Scorer


def _use_fast_layout(model: nn.Module) -> None:
    """Bring the weights into the layout of `as_input`, in which convolutions are up to 1.8 times as fast."""
    model.to(memory_format=torch.channels_last)


def class_names(signature: Signature) -> tuple[str, ...]:
    """Return the names of the classes, or numbers for data that name none."""
    return signature.classes or tuple(str(number) for number in range(signature.outputs or 0))


def as_input(levels: Tensor) -> Tensor:
    """Scale pictures from levels, 0 to 255, to the models' scale [0, 1], in the layout that is fastest for them."""
    return levels.to(torch.float32, memory_format=torch.channels_last) / 255


def targets_of(batch: Batch) -> list[Target]:
    """Return the objects to train on, of each picture of a batch that `Views` has made."""
    kept = batch["kept"].cpu()  # waits for the device, once: the number of objects decides the shapes
    counts = kept.sum(1).tolist()
    where = tuple(rows.to(batch["boxes"].device, non_blocking=True) for rows in kept.nonzero(as_tuple=True))
    boxes, labels = (torch.split(column, counts) for column in (batch["boxes"][where], batch["labels"][where].long()))
    return [{"boxes": some, "labels": theirs} for some, theirs in zip(boxes, labels, strict=True)]


def targets_by_picture(split: Split) -> list[PictureTargets]:
    """Return the objects of each picture of a split."""
    columns = cast(Mapping[str, Ragged], split.columns)
    rows = range(len(split)) if split.rows is None else split.rows.tolist()
    return [
        PictureTargets(boxes=columns["boxes"][row], labels=columns["labels"][row], crowd=columns["crowd"][row])
        for row in rows
    ]

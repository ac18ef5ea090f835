"""The export of detectors: the file takes one picture as the data have it, uint8 levels on the canvas.

A file of its own, because `task.py` is part of the experiment key of every trial.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import nms

from zoo_core import Context, Exportable, IncompatibleError
from zoo_detection.detections import MAX_DETECTIONS
from zoo_detection.models import one_shot, sliding_window
from zoo_detection.models.one_shot import OneShot
from zoo_detection.models.sliding_window import SlidingWindow, all_windows
from zoo_detection.task import Detection, as_input

MAX_CANDIDATES = 1000  # as in `detections.suppress`

Candidates: TypeAlias = Callable[[Tensor], tuple[Tensor, Tensor]]  # picture -> boxes (n, 4), scores (n, classes)


class FromLevels(nn.Module):
    """A detector behind `as_input`, for one picture: uint8 (1, 3, height, width) -> detections (1, 100, 6)."""

    def __init__(self, model: nn.Module, candidates: Candidates, *, max_overlap: float, min_score: float) -> None:
        super().__init__()
        self.model, self._candidates = model, candidates
        self._max_overlap, self._min_score = max_overlap, min_score

    def forward(self, x: Tensor) -> Tensor:
        boxes, scores = self._candidates(x.to(torch.float32) / 255)
        return suppress_by_mask(boxes, scores, max_overlap=self._max_overlap, min_score=self._min_score)[None]


def suppress_by_mask(boxes: Tensor, scores: Tensor, *, max_overlap: float, min_score: float) -> Tensor:
    """Do what `detections.suppress` does, with tensors whose sizes do not depend on the picture: float32 (100, 6).

    Shapes: boxes (n, 4); scores (n, classes), in [0, 1].
    """
    best, where = scores.float().flatten().topk(min(MAX_CANDIDATES, scores.numel()))
    rows, classes = where // scores.shape[1], where % scores.shape[1]
    chosen, classes = boxes.float()[rows], classes.to(best.dtype)
    # Boxes of two classes are moved so far apart that they do not overlap.
    kept = nms(chosen + (classes * (chosen.max() + 1))[:, None], best, max_overlap)
    mask = torch.zeros_like(best).index_fill(0, kept, 1.0)
    found, order = (best * mask * (best >= min_score)).topk(min(MAX_DETECTIONS, len(best)))
    detections = torch.cat([chosen[order], found[:, None], classes[order][:, None]], 1) * (found > 0)[:, None]
    return F.pad(detections, (0, 0, 0, MAX_DETECTIONS - len(detections)))


def for_one_picture(model: nn.Module) -> FromLevels:
    """Return the module of a file. Raises IncompatibleError for detectors of torchvision.

    Ours go through the pictures of a batch one by one, which a file cannot: it takes one picture.
    """
    if isinstance(model, OneShot):
        found = model

        def cells(x: Tensor) -> tuple[Tensor, Tensor]:
            logits, boxes, *_ = found.cells(x)
            return boxes[0], logits[0].sigmoid()

        return FromLevels(model, cells, max_overlap=one_shot.MAX_OVERLAP, min_score=one_shot.MIN_SCORE)
    if isinstance(model, SlidingWindow):
        sliding = model

        def windows(x: Tensor) -> tuple[Tensor, Tensor]:
            places = all_windows(x, sliding.step)
            return places, sliding.classify(x, [places]).softmax(1)[:, : sliding.classes]

        return FromLevels(model, windows, max_overlap=sliding_window.MAX_OVERLAP, min_score=sliding_window.MIN_SCORE)
    raise IncompatibleError(
        "this detector cannot be exported: it goes through pictures and boxes in Python, and how many boxes it keeps "
        "depends on the picture. Those of zoo-detection that can be exported are one-shot and sliding-window"
    )


def detection(task: Detection, ctx: Context, model: nn.Module) -> Exportable:
    """Return what a file of a detector holds. Its boxes are not cut at the borders of the pictures."""
    split = task._on_device(ctx, "test")

    def batch_of(numbers: Sequence[int]) -> Tensor:
        return split.at(torch.as_tensor(numbers))["x"]

    def expected(numbers: Sequence[int]) -> Tensor:
        x = as_input(batch_of(numbers))
        detections: Tensor = model(x)
        task.output_form().require(detections, x)
        return detections

    return Exportable(
        module=for_one_picture(model),
        inputs={"x": {}},
        outputs={"detections": {}},
        count=len(split),
        examples=lambda numbers: (batch_of(numbers),),
        expected=expected,
    )

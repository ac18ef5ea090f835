"""Detections as one tensor, and how a detector makes them from the scores of many candidate boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import batched_nms

from zoo_core import Signature

Target: TypeAlias = dict[str, Tensor]  # of one picture: boxes float (objects, 4), labels int64 (objects,)

MAX_DETECTIONS = 100  # a picture; the metric of COCO counts no more
FIELDS = 6  # x1, y1, x2, y2, score, class


def class_count(signature: Signature) -> int:
    return signature.outputs or len(signature.classes)


def as_rows(boxes: Tensor, scores: Tensor, classes: Tensor) -> Tensor:
    """Return the detections of one picture, best first, as float32 (100, 6); rows of zeros fill the rest.

    Shapes: boxes (n, 4), scores and classes (n,).
    """
    order = scores.argsort(descending=True, stable=True)[:MAX_DETECTIONS]
    rows = torch.cat([boxes, scores[:, None], classes[:, None].to(scores.dtype)], 1)[order].float()
    return F.pad(rows, (0, 0, 0, MAX_DETECTIONS - len(rows)))


def suppress(boxes: Tensor, scores: Tensor, *, max_overlap: float, min_score: float, candidates: int = 1000) -> Tensor:
    """Return the best detections of one picture, float32 (100, 6), by non-maximum suppression within each class.

    Shapes: boxes (n, 4); scores (n, classes), in [0, 1]. candidates: how many pairs of box and class are considered.
    max_overlap: the IoU with a better box of the same class above which a box is dropped.
    """
    best, where = scores.float().flatten().topk(min(candidates, scores.numel()))
    where, best = where[best >= min_score], best[best >= min_score]
    rows, classes = where // scores.shape[1], where % scores.shape[1]
    boxes = boxes.float()[rows]
    kept = batched_nms(boxes, best, classes, max_overlap)[:MAX_DETECTIONS]
    return as_rows(boxes[kept], best[kept], classes[kept])


def joined_targets(targets: Sequence[Target]) -> tuple[Tensor, Tensor, Tensor]:
    """Join the objects of a batch: boxes (total, 4), labels (total,), and the number of each one's picture (total,)."""
    boxes = torch.cat([target["boxes"] for target in targets])
    labels = torch.cat([target["labels"] for target in targets])
    pictures = [torch.full_like(target["labels"], number) for number, target in enumerate(targets)]
    return boxes, labels, torch.cat(pictures)

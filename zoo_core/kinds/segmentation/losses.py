"""Losses and counts of kind `segmentation`, on the device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def class_weights(counts: Tensor, power: float) -> Tensor:
    """Compute (median share / share) ** power from pixel counts (classes,); classes without pixels get 0."""
    known = counts > 0
    if not known.any():
        return torch.ones_like(counts)
    return torch.where(known, (counts[known].median() / counts.clamp_min(1)) ** power, 0)


def soft_dice_loss(logits: Tensor, labels: Tensor, counted: Tensor, weights: Tensor) -> Tensor:
    """Compute 1 - the weighted mean of the soft Dice over the classes in the batch.

    Shapes: logits (batch, classes, height, width); labels int, counted bool (batch, height, width); weights (classes,).
    """
    mask = counted[:, None].float()
    targets = F.one_hot(labels, logits.shape[1]).permute(0, 3, 1, 2) * mask
    predictions = logits.softmax(1) * mask
    both = (predictions * targets).sum((0, 2, 3))
    sizes = predictions.sum((0, 2, 3)), targets.sum((0, 2, 3))
    present = weights * (sizes[1] > 0)
    return 1 - (present * 2 * both / (sizes[0] + sizes[1]).clamp_min(1e-6)).sum() / present.sum().clamp_min(1e-6)


def confusions(predictions: Tensor, targets: Tensor, classes: int, ignored: int) -> Tensor:
    """Count the confusion matrix of each image, int64 (batch, classes, classes). Rows: true class; columns: prediction.

    Shapes: predictions and targets, int (batch, height, width). Pixels whose target is `ignored` do not count.
    """
    counted = targets != ignored
    cells = torch.where(counted, targets, 0) * classes + predictions
    counts = torch.zeros(len(targets), classes * classes, dtype=torch.int64, device=targets.device)
    return counts.scatter_add_(1, cells.flatten(1), counted.long().flatten(1)).view(-1, classes, classes)

"""Losses and counts of kind `segmentation`, on the device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def class_weights(counts: Tensor, power: float) -> Tensor:
    """(median share / share) ** power, of the classes that have pixels; 0 for those that have none.

    Of pixel counts (classes,).
    """
    known = counts > 0
    if not known.any():
        return torch.ones_like(counts)
    return torch.where(known, (counts[known].median() / counts.clamp_min(1)) ** power, 0)


def soft_dice_loss(logits: Tensor, labels: Tensor, counted: Tensor, weights: Tensor) -> Tensor:
    """1 - the weighed mean of the soft Dice of the classes that the batch has.

    Shapes: logits (batch, classes, height, width); labels int, counted bool (batch, height, width); weights (classes,).
    """
    mask = counted[:, None].float()
    truth = F.one_hot(labels, logits.shape[1]).permute(0, 3, 1, 2) * mask
    answers = logits.softmax(1) * mask
    both = (answers * truth).sum((0, 2, 3))
    sizes = answers.sum((0, 2, 3)), truth.sum((0, 2, 3))
    present = weights * (sizes[1] > 0)
    return 1 - (present * 2 * both / (sizes[0] + sizes[1]).clamp_min(1e-6)).sum() / present.sum().clamp_min(1e-6)


def confusions(answers: Tensor, truth: Tensor, classes: int, ignored: int) -> Tensor:
    """int64 (batch, classes, classes) of int (batch, height, width); row is the true class, column the answer."""
    counted = truth != ignored
    cells = torch.where(counted, truth, 0) * classes + answers
    found = torch.zeros(len(truth), classes * classes, dtype=torch.int64, device=truth.device)
    return found.scatter_add_(1, cells.flatten(1), counted.long().flatten(1)).view(-1, classes, classes)

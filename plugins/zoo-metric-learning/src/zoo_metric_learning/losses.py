"""Losses on embeddings: contrastive, triplet with semi-hard mining, and supervised contrastive.

All take embeddings of length 1, `unit` (batch, d), and the numbers of their classes, int (batch,). Nothing waits for
the device.
"""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from zoo_core import Recipe
from zoo_core.kinds.objective import OwnLoss, own_loss

Masks: TypeAlias = tuple[Tensor, Tensor]

TINY = 1e-12  # of a squared distance: the square root has no gradient at 0


class EmbeddingLoss:
    """The recipe's loss, or the model's own. Called with raw embeddings (batch, d) and classes (batch,)."""

    def __init__(self, recipe: Recipe) -> None:
        self._name, self._recipe = recipe.get("loss", "supcon"), recipe
        self._own: OwnLoss | None = None

    def take_loss(self, own: OwnLoss | None) -> None:
        """Use the model's own loss; see `zoo_core.kinds.objective.TakesLoss`."""
        self._own = own

    def __call__(self, embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the loss, and the share of the batch whose nearest other example is of its class: both scalar."""
        with torch.autocast(embeddings.device.type, enabled=False):  # bfloat16 cannot tell near neighbours apart
            embeddings = embeddings.float()
            unit = F.normalize(embeddings, dim=1)
            hits = nearest_is_same(unit.detach(), labels)
            if self._own is not None:
                return own_loss(self._own, embeddings, labels), hits
            return self._pair_loss(unit, labels), hits

    def _pair_loss(self, unit: Tensor, labels: Tensor) -> Tensor:
        if self._name == "contrastive":
            return contrastive(unit, labels, self._recipe.margin)
        if self._name == "triplet":
            return triplet(unit, labels, self._recipe.margin, positives=self._recipe.per_class - 1)
        return supcon(unit, labels, self._recipe.temperature)


def same_and_different(labels: Tensor) -> Masks:
    """Return which pairs are two examples of one class, and which are of two classes: bool (batch, batch)."""
    equal = labels[:, None] == labels[None]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    return equal & ~itself, ~equal


def nearest_is_same(unit: Tensor, labels: Tensor) -> Tensor:
    """Return the share of examples whose nearest other one is of their class: recall@1 within the batch."""
    same, different = same_and_different(labels)
    similarity = unit @ unit.T
    nearest = [similarity.masked_fill(~mask, -torch.inf).amax(1) for mask in (same, different)]
    return (nearest[0] > nearest[1]).float().mean()


def contrastive(unit: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Pull pairs of one class together, push others `margin` apart (Hadsell, Chopra and LeCun 2006).

    With distance D: D^2 / 2 for one class, max(0, margin - D)^2 / 2 for two. The means over both sorts of pairs are
    added, because a batch has many more pairs of two classes.
    """
    same, different = same_and_different(labels)
    squared = _squared_distances(unit)
    apart = (margin - squared.clamp_min(TINY).sqrt()).clamp_min(0).square()
    return (_mean(squared, same) + _mean(apart, different)) / 2


def triplet(unit: Tensor, labels: Tensor, margin: float, *, positives: int) -> Tensor:
    """Push negatives at least `margin` farther away than positives, in squared distance (Schroff et al. 2015).

    Each pair of one class gets its semi-hard negative: the nearest one that is farther than the positive, or else the
    farthest one. positives: how many others of its class each example has in the batch.
    """
    same, different = same_and_different(labels)
    squared = _squared_distances(unit)
    which = same.to(unit.dtype).topk(positives, dim=1).indices  # (batch, positives)
    pull = squared.gather(1, which)[:, :, None]  # (batch, positives, 1)
    negatives = squared[:, None].masked_fill(~different[:, None], torch.inf)  # (batch, 1, batch)
    semi_hard = negatives.masked_fill(negatives <= pull, torch.inf).amin(2)
    farthest = squared.masked_fill(~different, -torch.inf).amax(1)[:, None]
    push = torch.where(semi_hard.isinf(), farthest, semi_hard)
    return (pull[:, :, 0] - push + margin).clamp_min(0).mean()


def supcon(unit: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of each positive among all others of the batch (Khosla et al. 2020, L_out).

    For each example, the mean over the others of its class of -log(exp(s_p / t) / sum over all others of exp(s_a / t)),
    with cosine similarities s.
    """
    same, _ = same_and_different(labels)
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    logits = (unit @ unit.T / temperature).masked_fill(itself, -torch.inf)
    log_shares = logits - logits.logsumexp(1, keepdim=True)
    counts = same.sum(1)
    of_example = log_shares.masked_fill(~same, 0).sum(1) / counts.clamp_min(1)
    return -of_example.sum() / (counts > 0).sum().clamp_min(1)


def _squared_distances(unit: Tensor) -> Tensor:
    """Return the squared Euclidean distances (batch, batch) of vectors of length 1."""
    return (2 - 2 * unit @ unit.T).clamp_min(0)


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    return values.masked_fill(~mask, 0).sum() / mask.sum().clamp_min(1)

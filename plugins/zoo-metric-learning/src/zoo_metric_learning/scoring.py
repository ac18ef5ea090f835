"""Scores of embeddings, by their cosine similarities. All are exact and computed in blocks of bounded memory.

Ties count against the model: an example of another class that is as near as the own one makes a miss.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from zoo_core.data.columns import Array

BLOCK = 1 << 22  # similarities at once: 32 MB, and a few times that while they are compared
MAX_PAIRS = 2_000_000  # for the error rates; of more pairs, as many are drawn, half of them of one class
PAIR_SEED = 20_150_312  # of this draw: the same for all models and seeds


def unit_vectors(embeddings: Tensor) -> Tensor:
    """Scale embeddings (n, d) to length 1, in float64, on the CPU if the device has no such numbers."""
    home = embeddings.device if embeddings.device.type in ("cpu", "cuda") else torch.device("cpu")
    return F.normalize(embeddings.detach().to(home).double(), dim=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Retrieval:
    """What a search with each example of a split among all others finds.

    Shapes: queries int (q,), the examples that have another one of their class; hits bool (q,), whether the nearest
    one is of the class; precision (q,), the average precision of each query; margin (q,), the similarity of the nearest
    of the class minus that of the nearest of another one.
    """

    queries: Array
    hits: Array
    precision: Array
    margin: Array


def retrieve(unit: Tensor, labels: Tensor) -> Retrieval:
    """Search with every example among all others. unit (n, d), labels int (n,), on one device.

    Average precision is that of scikit-learn's `average_precision_score`, which takes equal similarities together.
    """
    queries = (_class_sizes(labels) > 1).nonzero()[:, 0]
    margins, precisions = [unit.new_zeros(0)], [np.zeros(0)]
    for rows, similarity in similarity_blocks(unit, unit, queries):
        same = labels[rows, None] == labels
        itself = torch.arange(len(labels), device=unit.device) == rows[:, None]
        similarity = similarity.masked_fill(itself, -torch.inf)
        nearest = similarity.masked_fill(~same, -torch.inf).amax(1)
        margins.append(nearest - similarity.masked_fill(same, -torch.inf).amax(1))
        precisions.append(_average_precision(similarity.cpu().numpy(), (same & ~itself).cpu().numpy()))
    margin = torch.cat(margins).cpu().numpy()
    return Retrieval(
        queries=queries.cpu().numpy(), hits=margin > 0, precision=np.concatenate(precisions), margin=margin
    )


def similarity_blocks(unit: Tensor, gallery: Tensor, rows: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield some of the `rows` of `unit`, and their similarities to the gallery (rows, m)."""
    for part in torch.split(rows, max(1, BLOCK // max(1, len(gallery)))):
        yield part, unit[part] @ gallery.T


def _class_sizes(labels: Tensor) -> Tensor:
    """Return for each example how many the split has of its class."""
    _, inverse, counts = torch.unique(labels, return_inverse=True, return_counts=True)
    sizes: Tensor = counts[inverse]
    return sizes


def _average_precision(similarity: Array, same: Array) -> Array:
    """Return the average precision of each row of similarities (rows, n), of which `same` are to be found."""
    precisions = np.empty(len(similarity))
    for row, values in enumerate(np.sort(similarity, 1)):  # four times as fast as a sort that also returns the order
        found = np.sort(similarity[row, same[row]])
        at_least = len(values) - np.searchsorted(values, found)  # how many are as near as each of the class
        precisions[row] = np.mean((len(found) - np.searchsorted(found, found)) / at_least)
    return precisions


@dataclass(frozen=True, kw_only=True, slots=True)
class Pairs:
    """Similarities of pairs of examples: of one class, and of two. `all_same`, `all_different`: how many there are."""

    same: Array
    different: Array
    all_same: int
    all_different: int


def pair_similarities(unit: Tensor, labels: Tensor, limit: int = MAX_PAIRS) -> Pairs:
    """Compare every example with every other; of more than `limit` pairs, a seeded sample with as many of each sort."""
    numbers = labels.cpu().numpy()
    count, sizes = len(numbers), np.unique(numbers, return_counts=True)[1].astype(np.int64)
    all_pairs, all_same = count * (count - 1) // 2, int((sizes * (sizes - 1) // 2).sum())
    if all_pairs <= limit:
        left, right = np.triu_indices(count, 1)
        similarity = (unit @ unit.T).cpu().numpy()[left, right]
    else:
        left, right = _sample_pairs(numbers, limit // 2, all_same=all_same)
        similarity = _similarities(unit, left, right)
    same = numbers[left] == numbers[right]
    return Pairs(
        same=similarity[same], different=similarity[~same], all_same=all_same, all_different=all_pairs - all_same
    )


def _similarities(unit: Tensor, left: Array, right: Array) -> Array:
    """Return the similarities of pairs (pairs,), given as two arrays of examples."""
    step = max(1, BLOCK // unit.shape[1])
    parts = [np.zeros(0)]
    for begin in range(0, len(left), step):
        one, other = (torch.from_numpy(ends[begin : begin + step]).to(unit.device) for ends in (left, right))
        parts.append((unit[one] * unit[other]).sum(1).cpu().numpy())
    return np.concatenate(parts)


def _sample_pairs(labels: Array, count: int, *, all_same: int) -> tuple[Array, Array]:
    """Draw `count` pairs of one class and `count` of two, with replacement; each pair of a sort is equally likely."""
    rng = np.random.default_rng(PAIR_SEED)
    order = np.argsort(labels, kind="stable")  # examples of a class are a block of this order
    _, inverse, sizes = np.unique(labels[order], return_inverse=True, return_counts=True)
    total, size, start = len(labels), sizes[inverse], (np.cumsum(sizes) - sizes)[inverse]
    ends = []
    for of_one_class, others in ((True, size - 1), (False, total - size)):
        if not others.any() or (of_one_class and not all_same):
            continue
        one = np.searchsorted(np.cumsum(others), rng.integers(0, others.sum(), count), side="right")
        draw = rng.integers(0, others[one])
        if of_one_class:
            draw += start[one]
            other = draw + (draw >= one)  # any place of the block but its own
        else:
            other = draw + np.where(draw >= start[one], size[one], 0)  # any place outside of the block
        ends.append((order[one], order[other]))
    return np.concatenate([one for one, _ in ends]), np.concatenate([other for _, other in ends])


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorCurve:
    """The error rates of the rule "the same if the similarity is at least the threshold", by falling threshold.

    accepted: the share of different ones that are wrongly accepted; rejected: of same ones that are wrongly rejected.
    """

    thresholds: Array
    accepted: Array
    rejected: Array

    @property
    def equal_error_rate(self) -> float:
        """Both rates where they are equal, on the straight line between two thresholds."""
        difference = self.accepted - self.rejected
        after = int(np.argmax(difference >= 0))  # the first threshold has difference -1, the last 1
        low, high = difference[after - 1], difference[after]
        share = -low / (high - low)
        return float(self.accepted[after - 1] + share * (self.accepted[after] - self.accepted[after - 1]))

    @property
    def equal_error_threshold(self) -> float:
        """A threshold whose two rates differ least."""
        return midway(self.thresholds, int(np.argmin(np.abs(self.accepted - self.rejected))))


def error_curve(same: Array, different: Array) -> ErrorCurve:
    """Return the error rates at every similarity as threshold, the first one above all. Neither array is empty."""
    thresholds = np.append(np.inf, np.unique(np.concatenate([same, different]))[::-1])
    accepted, rejected = error_rates(same, different, thresholds)
    return ErrorCurve(thresholds=thresholds, accepted=accepted, rejected=rejected)


def midway(thresholds: Array, place: int) -> float:
    """Return the middle between one of the falling thresholds and the next: it has the error rates of the first.

    On other examples it is the better guess, because no similarity of these here is just above it.
    """
    return float(thresholds[place : place + 2].mean())


def error_rates(same: Array, different: Array, thresholds: Array | float) -> tuple[Array, Array]:
    """Return the share of different ones at or above each threshold, and the share of same ones below it."""
    accepted = 1 - np.searchsorted(np.sort(different), thresholds) / len(different)
    rejected = np.searchsorted(np.sort(same), thresholds) / len(same)
    return np.asarray(accepted), np.asarray(rejected)

"""Scores of word vectors: analogies by 3CosAdd (Mikolov et al. 2013), similarities by Spearman, nearest neighbours."""

from __future__ import annotations

import numpy as np
import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional as F

from zoo_core.data.columns import Array

BLOCK = 512  # questions, or words, that are compared with all words at once


def answered_right(vectors: Tensor, questions: Tensor) -> Tensor:
    """Answer `a is to b as c is to ?` by the word nearest to b - a + c, except a, b and c: bool (n,).

    Shapes: vectors (words, dimension); questions int64 (n, 4). Vectors are scaled to length 1, and near is by cosine.
    A tie is wrong, so that equal vectors answer nothing.
    """
    unit = F.normalize(vectors)
    right = []
    for a, b, c, d in (block.unbind(1) for block in torch.split(questions, BLOCK)):
        scores = (unit[b] - unit[a] + unit[c]) @ unit.T  # the length of the sum changes no order
        scores.scatter_(1, torch.stack([a, b, c], 1), -torch.inf)
        answer = scores.gather(1, d[:, None])
        scores.scatter_(1, d[:, None], -torch.inf)
        right.append(answer[:, 0] > scores.amax(1))
    return torch.cat(right) if right else torch.zeros(0, dtype=torch.bool)


def cosines(vectors: Tensor, pairs: Tensor) -> Tensor:
    """Return the cosine of the vectors of each pair of words: pairs int64 (n, 2) -> (n,); 0 for a vector of zeros."""
    unit = F.normalize(vectors)
    return (unit[pairs[:, 0]] * unit[pairs[:, 1]]).sum(1)


def spearman(predicted: Array, planted: Array) -> float:
    """Spearman's rank correlation of two arrays (n,); 0 if one of them is constant, which orders nothing."""
    if any(values.min() == values.max() for values in (predicted, planted)):
        return 0.0
    return float(stats.spearmanr(predicted, planted).statistic)


def nearest(vectors: Tensor, words: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the words that are nearest to each of these by cosine, without itself, and the cosines.

    Shapes: vectors (all words, dimension); words int64 (n,) -> int64 and float (n, count).
    """
    unit = F.normalize(vectors)
    scores = unit[words] @ unit.T
    scores.scatter_(1, words[:, None], -torch.inf)
    found = scores.topk(min(count, len(vectors) - 1), dim=1)
    return found.indices, found.values


def plane(vectors: Array) -> Array:
    """Project vectors (n, dimension) onto their two principal components: (n, 2).

    The sign of each component is such that its largest weight is positive.
    """
    centred = vectors - vectors.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]
    if len(axes) < 2:
        axes = np.concatenate([axes, np.zeros((2 - len(axes), vectors.shape[1]))])
    signs = np.sign(axes[np.arange(2), np.abs(axes).argmax(axis=1)])
    points: Array = centred @ (axes * np.where(signs == 0, 1, signs)[:, None]).T
    return points

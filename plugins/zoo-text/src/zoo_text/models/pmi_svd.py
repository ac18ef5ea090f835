"""Word vectors without gradients: counts of neighbours, their mutual information, and its singular vectors.

Levy, Goldberg and Dagan 2015, Improving Distributional Similarity with Lessons Learned from Word Embeddings.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import linalg, sparse
from scipy.sparse.linalg import svds
from torch import Tensor, nn
from torch.nn import functional as F

from zoo_core import Recipe, Signature
from zoo_core.data.columns import Array
from zoo_text.words.training import NOISE_POWER, Corpus, keep_probabilities

DENSE = 2048  # words; a smaller matrix is decomposed as a dense one
MIN_SHARE = 1e-6  # of the largest singular value; smaller ones are rounding errors
CHUNK = 4_000_000  # words whose pairs are counted at once


class VectorTable(nn.Module):
    """A table of vectors that no gradient changes."""

    weight: Tensor

    def __init__(self, words: int, dimension: int) -> None:
        super().__init__()
        self.register_buffer("weight", torch.zeros(words, dimension))


class PmiSvd(nn.Module):
    """The first singular vectors of the positive pointwise mutual information of words and the words beside them.

    shift: log(shift) is subtracted, as skip-gram does with that many negatives. eigenvalue_power: of the singular
    values that scale the vectors; 0 for none.
    """

    def __init__(self, words: int, dimension: int, shift: float, eigenvalue_power: float) -> None:
        super().__init__()
        self.vectors = VectorTable(words, dimension)
        self._shift, self._power = shift, eigenvalue_power

    def forward(self, words: Tensor) -> Tensor:
        """Return the vectors of words int64 (...): (..., dimension)."""
        return F.embedding(words, self.vectors.weight)

    def fit(self, corpus: Corpus, recipe: Recipe, seed: int) -> None:
        """Compute the vectors from the text. Reads the recipe's `window` and `subsample`. Runs on the CPU."""
        words, sentences, counts = (values.cpu() for values in (corpus.words, corpus.sentences, corpus.counts))
        keep = keep_probabilities(counts, recipe.subsample).numpy()
        kept = np.random.default_rng(seed).random(len(words)) < keep[words.numpy()]
        together = count_pairs(words.numpy()[kept], sentences.numpy()[kept], recipe.window, len(counts))
        table = singular_vectors(positive_pmi(together, self._shift), self.vectors.weight.shape[1], self._power)
        self.vectors.weight.copy_(torch.from_numpy(table))


def count_pairs(words: Array, sentences: Array, window: int, vocabulary: int) -> sparse.csr_matrix:
    """Count how often words stand beside each other within a sentence: symmetric (vocabulary, vocabulary).

    Words at distance d count (window + 1 - d) / window, which is how often a window of random width holds them.
    Shapes: words and sentences (n,).
    """
    together = sparse.csr_matrix((vocabulary, vocabulary))
    for begin in range(0, len(words), CHUNK):
        part, numbers = words[begin : begin + CHUNK + window], sentences[begin : begin + CHUNK + window]
        for distance in range(1, window + 1):
            count = min(CHUNK, len(part) - distance)  # the first words of these pairs are of this chunk
            if count <= 0:
                break
            same = np.flatnonzero(numbers[:count] == numbers[distance : distance + count])
            weights = np.full(len(same), (window + 1 - distance) / window)
            together += sparse.coo_matrix((weights, (part[same], part[same + distance])), together.shape).tocsr()
    return (together + together.T).tocsr()


def positive_pmi(together: sparse.csr_matrix, shift: float) -> sparse.csr_matrix:
    """Return max(0, log(P(w, c) / (P(w) P(c))) - log shift), where P(c) is of counts to the power 0.75.

    The power makes rare contexts count less. together: counts (words, contexts).
    """
    pairs = together.tocoo()
    total = pairs.data.sum()
    words = np.asarray(together.sum(axis=1)).ravel()
    contexts = np.asarray(together.sum(axis=0)).ravel() ** NOISE_POWER
    expected = words[pairs.row] * (contexts[pairs.col] / contexts.sum() if len(pairs.data) else contexts[pairs.col])
    values = np.log(pairs.data / expected) - np.log(shift) if total else pairs.data
    positive = values > 0
    return sparse.csr_matrix((values[positive], (pairs.row[positive], pairs.col[positive])), together.shape)


def singular_vectors(matrix: sparse.csr_matrix, dimension: int, power: float) -> Array:
    """Return the left singular vectors, largest first, times the singular values to a power: float32 (n, dimension).

    Columns beyond the rank are zeros.
    """
    count = min(dimension, min(matrix.shape) - 1)
    table = np.zeros((matrix.shape[0], dimension), np.float32)
    if count < 1 or not matrix.nnz:
        return table
    if min(matrix.shape) <= DENSE:
        # Left singular vectors are eigenvectors of this product; a full decomposition would take five times as long.
        size = matrix.shape[0]
        squares, left = linalg.eigh((matrix @ matrix.T).toarray(), subset_by_index=(size - count, size - 1))
        values = np.sqrt(squares.clip(min=0))
    else:
        left, values, _ = svds(matrix, k=count, v0=np.ones(min(matrix.shape)))  # a fixed start: the same result again
    order = np.argsort(-values, kind="stable")
    values = values[order]
    real = values > values[0] * MIN_SHARE
    table[:, :count] = left[:, order] * np.where(real, values, 1) ** power * real
    return table


def pmi_svd(signature: Signature, dimension: int, shift: float, eigenvalue_power: float) -> nn.Module:
    """Build the model, with vectors of zeros."""
    return PmiSvd(signature.outputs or 1, dimension, shift, eigenvalue_power)

"""Two tables of vectors, the net of skip-gram and CBOW (Mikolov et al. 2013, arXiv:1301.3781)."""

from __future__ import annotations

from torch import Tensor, nn

from zoo_core import Signature
from zoo_text.words.tables import RowTable


class WordTables(nn.Module):
    """The vectors of words, and a second vector of each word for its use as a context.

    As in word2vec's code, context vectors begin with zeros.
    """

    def __init__(self, words: int, dimension: int) -> None:
        super().__init__()
        self.vectors = RowTable(words, dimension)
        self.context_vectors = RowTable(words, dimension)
        nn.init.zeros_(self.context_vectors.weight)

    def forward(self, words: Tensor) -> Tensor:
        """Return the vectors of words int64 (...): (..., dimension)."""
        found: Tensor = self.vectors(words)
        return found

    def contexts(self, words: Tensor) -> Tensor:
        """Return the context vectors of words int64 (...): (..., dimension)."""
        found: Tensor = self.context_vectors(words)
        return found


def tables(signature: Signature, dimension: int) -> nn.Module:
    """Build the two tables."""
    return WordTables(signature.outputs or 1, dimension)

"""Recurrent nets over the frames: plain, LSTM, both ways, GRU."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from zoo_core import Signature
from zoo_pose.models.layers import features_of, with_head

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
SEEN_DROPOUT = 0.4  # of what is seen, as a share of the dropout between layers


class Recurrent(nn.Module):
    """(batch, frames, features) -> (batch, frames, width), twice the width for both ways."""

    def __init__(self, cell: str, features: int, width: int, layers: int, dropout: float, both_ways: bool) -> None:
        super().__init__()
        self.dropout = nn.Dropout(SEEN_DROPOUT * dropout)
        between = dropout if layers > 1 else 0.0  # torch warns of dropout behind a single layer
        self.cells = CELLS[cell](
            features, width, num_layers=layers, batch_first=True, dropout=between, bidirectional=both_ways
        )

    def forward(self, x: Tensor) -> Tensor:
        states: Tensor = self.cells(self.dropout(x))[0]
        return states


def rnn(signature: Signature, width: int, layers: int, dropout: float) -> nn.Module:
    """Elman's net: (batch, frames, joints, axes) -> (batch, classes), by mean and most over time; so the next three."""
    return _classifier("rnn", signature, width, layers, dropout)


def gru(signature: Signature, width: int, layers: int, dropout: float) -> nn.Module:
    """Gated recurrent units."""
    return _classifier("gru", signature, width, layers, dropout)


def bilstm(signature: Signature, width: int, layers: int, dropout: float) -> nn.Module:
    """Long short-term memory that reads the frames forwards and backwards."""
    return _classifier("lstm", signature, width, layers, dropout, both_ways=True)


def lstm(signature: Signature, width: int, layers: int, dropout: float, output: str) -> nn.Module:
    """Long short-term memory; `output` motion: (batch, past, joints, axes) -> (batch, future, joints, axes)."""
    encoder = Recurrent("lstm", features_of(signature), width, layers, dropout, both_ways=False)
    return with_head(signature, encoder, width, dropout, output)


def _classifier(
    cell: str, signature: Signature, width: int, layers: int, dropout: float, *, both_ways: bool = False
) -> nn.Module:
    encoder = Recurrent(cell, features_of(signature), width, layers, dropout, both_ways)
    return with_head(signature, encoder, 2 * width if both_ways else width, dropout, "class")

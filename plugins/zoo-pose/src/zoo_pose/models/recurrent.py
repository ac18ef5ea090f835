"""Recurrent nets over the frames: plain RNN, LSTM, bidirectional LSTM, GRU."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from zoo_core import Signature
from zoo_pose.models.layers import features_per_frame, with_head

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
INPUT_DROPOUT_SHARE = 0.4  # dropout of the input, as a share of the dropout between layers


class Recurrent(nn.Module):
    """(batch, frames, features) -> (batch, frames, width), or twice the width if bidirectional."""

    def __init__(self, cell: str, features: int, width: int, layers: int, dropout: float, bidirectional: bool) -> None:
        super().__init__()
        self.dropout = nn.Dropout(INPUT_DROPOUT_SHARE * dropout)
        between = dropout if layers > 1 else 0.0  # torch warns about dropout after a single layer
        self.cells = CELLS[cell](
            features, width, num_layers=layers, batch_first=True, dropout=between, bidirectional=bidirectional
        )

    def forward(self, x: Tensor) -> Tensor:
        states: Tensor = self.cells(self.dropout(x))[0]
        return states


def rnn(signature: Signature, width: int, layers: int, dropout: float) -> nn.Module:
    """Elman's recurrent net: (batch, frames, joints, axes) -> (batch, classes), as the other classifiers here."""
    return _classifier("rnn", signature, width, layers, dropout)


def gru(signature: Signature, width: int, layers: int, dropout: float) -> nn.Module:
    """Gated recurrent units."""
    return _classifier("gru", signature, width, layers, dropout)


def bilstm(signature: Signature, width: int, layers: int, dropout: float) -> nn.Module:
    """Long short-term memory that reads the frames forwards and backwards."""
    return _classifier("lstm", signature, width, layers, dropout, bidirectional=True)


def lstm(signature: Signature, width: int, layers: int, dropout: float, output: str) -> nn.Module:
    """Long short-term memory; with output `motion`: (batch, past, joints, axes) -> (batch, future, joints, axes)."""
    encoder = Recurrent("lstm", features_per_frame(signature), width, layers, dropout, bidirectional=False)
    return with_head(signature, encoder, width, dropout, output)


def _classifier(
    cell: str, signature: Signature, width: int, layers: int, dropout: float, *, bidirectional: bool = False
) -> nn.Module:
    encoder = Recurrent(cell, features_per_frame(signature), width, layers, dropout, bidirectional)
    return with_head(signature, encoder, 2 * width if bidirectional else width, dropout, "class")

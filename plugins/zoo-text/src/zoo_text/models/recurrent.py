"""Recurrent language models: a plain recurrent net (Elman), GRU and LSTM, which carry their state.

The form is that of Graves 2013 (arXiv:1308.0850) and of Karpathy's char-rnn; dropout stands between layers and before
the logits, not in time (Zaremba, Sutskever and Vinyals 2014, arXiv:1409.2329).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from zoo_core import Signature


class Recurrent(nn.Module):
    """Embedding, recurrent layers, logits: int64 (batch, time) -> (batch, time, symbols)."""

    def __init__(
        self,
        signature: Signature,
        kind: Callable[..., nn.RNNBase],
        *,
        width: int,
        layers: int,
        embedding: int,
        dropout: float,
    ) -> None:
        super().__init__()
        assert signature.outputs is not None
        self.embedding = nn.Embedding(signature.outputs, embedding)
        between = dropout if layers > 1 else 0.0  # torch warns of dropout after a single layer
        self.recurrent = kind(embedding, width, layers, batch_first=True, dropout=between)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(width, signature.outputs)
        if isinstance(self.recurrent, nn.LSTM):
            remember(self.recurrent)

    def forward(self, x: Tensor) -> Tensor:
        return self.advance(x, None)[0]

    def advance(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Return the logits (batch, time, symbols), and the state after x."""
        with self._precision(x.device.type):
            hidden, state = self.recurrent(self.embedding(x), state)
        logits: Tensor = self.head(self.dropout(hidden))
        return logits, state

    def _precision(self, device: str) -> contextlib.AbstractContextManager[Any]:
        """Return a context without autocast for an LSTM on a CPU that has no instructions for it in bfloat16.

        There oneDNN refuses instead of converting (torch 2.10 to 2.14: "could not create a primitive descriptor").
        """
        if device != "cpu" or not isinstance(self.recurrent, nn.LSTM) or torch.ops.mkldnn._is_mkldnn_bf16_supported():
            return contextlib.nullcontext()
        return torch.autocast(device, enabled=False)


def remember(lstm: nn.LSTM) -> None:
    """Set the biases of the forget gates to 1 in sum (Jozefowicz, Zaremba and Sutskever 2015)."""
    for name, bias in lstm.named_parameters():
        if name.startswith("bias_ih"):
            nn.init.ones_(bias.detach()[lstm.hidden_size : 2 * lstm.hidden_size])


def rnn(signature: Signature, *, width: int, layers: int, embedding: int, dropout: float) -> nn.Module:
    return Recurrent(signature, nn.RNN, width=width, layers=layers, embedding=embedding, dropout=dropout)


def gru(signature: Signature, *, width: int, layers: int, embedding: int, dropout: float) -> nn.Module:
    return Recurrent(signature, nn.GRU, width=width, layers=layers, embedding=embedding, dropout=dropout)


def lstm(signature: Signature, *, width: int, layers: int, embedding: int, dropout: float) -> nn.Module:
    return Recurrent(signature, nn.LSTM, width=width, layers=layers, embedding=embedding, dropout=dropout)

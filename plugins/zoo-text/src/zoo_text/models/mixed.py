"""An LSTM mixed with counts: each has a share of every probability (Mikolov et al. 2011, Interspeech, p. 605-608)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from zoo_core import Signature
from zoo_text.models.ngram import NGram
from zoo_text.models.recurrent import lstm


class Mixed(nn.Module):
    """int64 (batch, time) -> logits of the LSTM while it trains, and log probabilities of the mixture after that.

    The LSTM trains alone: counts are nearly certain of the text that they are of, and would leave it nothing to learn.
    """

    def __init__(self, signature: Signature, *, share: float, order: int, most: int, **options: Any) -> None:
        super().__init__()
        self.net = lstm(signature, **options)
        self.counts = NGram(signature, order=order, most=most)
        self.share = share  # of the counts

    def count(self, text: Tensor) -> int:
        """Count a text, integers (n,); return how many of its symbols."""
        return self.counts.count(text)

    def forward(self, x: Tensor) -> Tensor:
        return self.advance(x, None)[0]

    def advance(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """Return logits or log probabilities (batch, time, symbols), and the states of both after x."""
        of_net, of_counts = state or (None, None)
        logits, of_net = self.net.advance(x, of_net)  # type: ignore[operator]
        if self.training:
            return logits, (of_net, None)
        counted, of_counts = self.counts.advance(x, of_counts)
        learned = logits.float().log_softmax(2)
        return torch.logaddexp(learned + _log(1 - self.share), counted + _log(self.share)), (of_net, of_counts)


def _log(share: float) -> float:
    return math.log(share) if share > 0 else -math.inf


def lstm_ngram(signature: Signature, **options: Any) -> nn.Module:
    return Mixed(signature, **options)

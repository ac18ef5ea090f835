"""Counts of character sequences with interpolated modified Kneser-Ney smoothing (Chen and Goodman 1998, TR-10-98).

The probability of a symbol after the last k symbols is a discounted share of what followed these k symbols in train,
plus the rest of the mass times the probability after the last k - 1 symbols, down to a uniform one. Below the longest
context, a symbol counts once for each different symbol before it: `Francisco` alone is rare however frequent
`San Francisco` is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from zoo_core import Signature


@dataclass(frozen=True, slots=True)
class Level:
    """What follows contexts of one length.

    keys: int64 (contexts,), sorted: the number of the shorter context times the number of symbols, plus the symbol that
        is further back. offsets: int64 (contexts + 1,), where the continuations of a context begin.
    symbols, shares: int64 and float32 (continuations,). rest: float32 (contexts,), the mass for the shorter context.
    """

    keys: Tensor
    offsets: Tensor
    symbols: Tensor
    shares: Tensor
    rest: Tensor


class NGram(nn.Module):
    """int64 (batch, time) -> log probabilities (batch, time, symbols). Its only state is the text that it counted.

    So a checkpoint holds that text; the counts are made anew when they are needed first.
    """

    text: Tensor
    length: Tensor

    def __init__(self, signature: Signature, *, order: int, most: int) -> None:
        super().__init__()
        assert signature.outputs is not None
        self.outputs, self.order = signature.outputs, order
        kind = torch.uint8 if self.outputs <= 256 else torch.int16
        self.register_buffer(
            "text", torch.zeros(max(0, min(int(signature.extra.get("train", most)), most)), dtype=kind)
        )
        self.register_buffer("length", torch.zeros((), dtype=torch.int64))  # symbols of `text` that are counted
        self._levels: list[Level] = []
        self._counted: tuple[object, int] | None = None  # the tensor that `_levels` are of, and its version

    def count(self, text: Tensor) -> int:
        """Count a text, integers (n,), or its end if it is longer than the model keeps; return how many symbols."""
        kept = text[-len(self.text) :]
        self.text[: len(kept)] = kept.to(self.text.device, self.text.dtype)
        self.length.fill_(len(kept))
        self._refresh()
        return len(kept)

    def forward(self, x: Tensor) -> Tensor:
        self._refresh()
        shape, symbols = x.shape, self.outputs
        chances = torch.full((x.numel(), symbols), 1 / symbols, device=x.device)
        node = torch.zeros(shape, dtype=torch.int64, device=x.device)
        found = torch.ones(shape, dtype=torch.bool, device=x.device)
        for length, level in enumerate(self._levels):
            if length:
                found, node = _look_up(level, x, node, found, length, symbols)
            rows = found.flatten().nonzero()[:, 0]
            _interpolate(chances, level, rows, node.flatten()[rows])
        return chances.log().view(*shape, symbols)

    def advance(self, x: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return the log probabilities, and the last symbols of the text so far, which are the state."""
        both = x if state is None else torch.cat([state, x], 1)
        return self(both)[:, both.shape[1] - x.shape[1] :], both[:, max(0, both.shape[1] - self.order + 2) :]

    def _refresh(self) -> None:
        """Count the text if it is not the one that was counted, as after a checkpoint was loaded."""
        version = (self.text, self.text._version)
        if self._counted is None or self._counted[0] is not version[0] or self._counted[1] != version[1]:
            text = self.text[: int(self.length)].long()
            self._levels = count_levels(text, self.order, self.outputs) if len(text) else []
            self._counted = version


def _look_up(level: Level, x: Tensor, node: Tensor, found: Tensor, length: int, symbols: int) -> tuple[Tensor, Tensor]:
    """Return which of the contexts of this length are known, and their numbers: each (batch, time)."""
    back = torch.roll(x, length - 1, 1)  # the symbol that is furthest back in the context
    keys = node * symbols + back
    place = torch.searchsorted(level.keys, keys).clamp(max=len(level.keys) - 1)
    found = found & (level.keys[place] == keys)
    found[:, : length - 1] = False  # there is no symbol that far back
    return found, place


def _interpolate(chances: Tensor, level: Level, rows: Tensor, nodes: Tensor) -> None:
    """Move the probabilities (positions, symbols) of some rows to this level, given their contexts (rows,)."""
    begins = level.offsets[nodes]
    sizes = level.offsets[nodes + 1] - begins
    chances[rows] *= level.rest[nodes][:, None]
    starts = sizes.cumsum(0) - sizes
    places = torch.arange(int(sizes.sum()), device=rows.device) + (begins - starts).repeat_interleave(sizes)
    targets = rows.repeat_interleave(sizes) * chances.shape[1] + level.symbols[places]
    chances.view(-1).index_add_(0, targets, level.shares[places])


def count_levels(text: Tensor, order: int, symbols: int) -> list[Level]:
    """Count what follows contexts of 0 to `order` - 1 symbols of a text, int64 (n,), and smooth the counts."""
    levels: list[Level] = []
    context = torch.zeros_like(text)  # of each symbol of the text, its context by number; from symbol `length` on
    keys = torch.zeros(1, dtype=torch.int64, device=text.device)
    for length in range(min(order, len(text))):
        grams, gram, counts = torch.unique(context * symbols + text[length:], return_inverse=True, return_counts=True)
        last = length == min(order, len(text)) - 1
        if not last:
            longer, further = torch.unique(context[1:] * symbols + text[: len(text) - length - 1], return_inverse=True)
            counts = _different_symbols_before(gram, further * symbols + text[length + 1 :], len(grams))
        levels.append(_smoothed(keys, grams, counts, symbols))
        if not last:
            keys, context = longer, further
    return levels


def _different_symbols_before(gram: Tensor, longer: Tensor, count: int) -> Tensor:
    """Count for each sequence how many different symbols stand before it: int64 (count,).

    gram: the number of the sequence at each place of the text. longer: that of the one with a symbol more, from the
    second place on.
    """
    _, number = torch.unique(longer, return_inverse=True)
    shorter = torch.zeros(int(number.max()) + 1 if len(number) else 0, dtype=torch.int64, device=gram.device)
    shorter[number] = gram[1:]
    return torch.bincount(shorter, minlength=count)


def _smoothed(keys: Tensor, grams: Tensor, counts: Tensor, symbols: int) -> Level:
    """Discount the counts of one length, grouped by context."""
    context = grams // symbols
    sizes = torch.bincount(context, minlength=len(keys))
    offsets = torch.cat([sizes.new_zeros(1), sizes.cumsum(0)])
    discounts = counts.float().minimum(_discounts(counts)[counts.clamp(max=3)])
    zeros = torch.zeros(len(keys), device=keys.device)
    totals = zeros.index_add(0, context, counts.float())
    removed = zeros.index_add(0, context, discounts)
    rest = torch.where(totals > 0, removed / totals, 1.0)
    shares = torch.where(totals[context] > 0, (counts - discounts) / totals[context], 0.0)
    return Level(keys, offsets, grams % symbols, shares, rest)


def _discounts(counts: Tensor) -> Tensor:
    """Return the discounts of the counts 0, 1, 2 and more: float32 (4,) (Chen and Goodman 1998, equation 26)."""
    once, twice, thrice, four = (torch.bincount(counts.clamp(max=5), minlength=6)[1:5].float() + 0.5).unbind()
    share = once / (once + 2 * twice)
    found = [1 - 2 * share * twice / once, 2 - 3 * share * thrice / twice, 3 - 4 * share * four / thrice]
    limits = torch.tensor([1.0, 2.0, 3.0], device=counts.device)
    return torch.cat([limits.new_zeros(1), torch.stack(found).clamp(min=0.05).minimum(limits)])


def ngram(signature: Signature, *, order: int, most: int) -> nn.Module:
    return NGram(signature, order=order, most=most)

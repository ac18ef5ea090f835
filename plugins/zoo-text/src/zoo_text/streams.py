"""Cuts a text into sequences for training, and scores every symbol of a text exactly once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from zoo_core import IncompatibleError
from zoo_core.data.batches import Batch, DeviceSplit
from zoo_core.data.columns import Split
from zoo_core.outputs import OutputForm

State: TypeAlias = Any  # a tensor, or a tuple of tensors and tuples

BITS_PER_NAT = 1.4426950408889634  # 1 / ln 2
STRETCH, WARM_UP = 768, 256  # symbols that a state scores, and that it reads before them
MAX_STREAMS = 64  # stretches side by side
MAX_POSITIONS, MAX_NUMBERS = 8192, 1 << 23  # positions and logits of one forward pass of an evaluation


@runtime_checkable
class CarriesState(Protocol):
    """A model that continues a text from a state instead of reading it again from its start."""

    def advance(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """Return the logits (batch, time, symbols) for x (batch, time), and the state after it; None is the first."""


def carries_state(model: nn.Module) -> bool:
    """Return whether the model has `advance`; of a compiled model, the one that was compiled."""
    return hasattr(getattr(model, "_orig_mod", model), "advance")


def detached(state: State) -> State:
    """Return a state without its history, so that gradients do not flow into the sequences before."""
    if isinstance(state, tuple | list):
        return type(state)(map(detached, state))
    return state.detach() if isinstance(state, Tensor) else state


class Sequences(DeviceSplit):
    """The training text, read as a circle, in batches `x` (batch, length + 1): inputs, and targets one symbol later.

    carry: the number of batches whose rows continue those of the batch before, for models that carry a state; 1 for
    none. The text is cut into stretches of `carry` sequences after a random first symbol, anew in each epoch, and the
    stretches are shuffled. Rows that went through the whole text in order would be 32 scenes of it for a long time.
    """

    def __init__(self, split: Split, device: str, length: int, *, carry: int = 1) -> None:
        super().__init__(split, device)
        self._length, self.carry = length, carry

    def steps(self, batch_size: int) -> int:
        return max(1, self.size // (batch_size * self._length))

    def shuffled(self, batch_size: int, generator: torch.Generator | None) -> Iterator[Batch]:
        follow = torch.arange(self._length + 1, device=self.device)
        for start in self._starts(batch_size, generator):  # (batch,)
            places = (start[:, None] + follow) % self.size
            yield {"x": self.at(places.flatten())["x"].view(len(start), -1).long()}

    def _starts(self, batch_size: int, generator: torch.Generator | None) -> Iterator[Tensor]:
        """Yield the first symbol of each row, int64 (batch,)."""
        stretch = self.carry * self._length
        count = max(1, self.size // stretch)
        rows = torch.arange(batch_size, device=self.device)
        while True:
            first = torch.randint(stretch, (1,), generator=generator, device=self.device)
            order = torch.randperm(count, generator=generator, device=self.device)
            for number in range(max(1, self.size // (batch_size * stretch))):
                start = first + stretch * order[(number * batch_size + rows) % count]
                for sequence in range(self.carry):
                    yield start + sequence * self._length


def bits_of(logits: Tensor, targets: Tensor, unknown_bits: float) -> Tensor:
    """Return the bits that each target costs, float32 (batch, time); symbol 0 costs `unknown_bits` more.

    Shapes: logits (batch, time, symbols); targets int64 (batch, time).
    """
    nats = F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="none").view_as(targets)
    bits: Tensor = nats * BITS_PER_NAT + unknown_bits * (targets == 0)
    return bits


def score_text(model: nn.Module, text: Tensor, form: OutputForm, *, length: int, unknown_bits: float) -> Tensor:
    """Return the bits of every symbol of a text, int64 (n,): float32 (n,). Symbol 0 stands before the text.

    A model that carries a state scores stretches of 768 symbols, and begins 256 symbols before each. Any other model
    reads windows of `length` symbols, and is scored on the second half of each: so a symbol is predicted from at least
    `length` / 2 symbols before it, except at the start of the text.
    """
    inputs = F.pad(text[:-1], (1, 0))
    if carries_state(model):
        return _score_stretches(model, inputs, text, form, unknown_bits)
    return _score_windows(model, inputs, text, form, length, unknown_bits)


def _score_windows(
    model: nn.Module, inputs: Tensor, targets: Tensor, form: OutputForm, length: int, unknown_bits: float
) -> Tensor:
    count = len(targets)
    length = min(length, count)
    stride = max(1, length // 2)
    begins = torch.arange(0, count, stride, device=targets.device)  # of the symbols that a window scores
    starts = (begins + stride - length).clamp(0, count - length)
    within, scored = (torch.arange(size, device=targets.device) for size in (length, stride))
    parts = []
    for begin, start in zip(*(torch.split(places, _rows(form, length)) for places in (begins, starts)), strict=True):
        x = inputs[start[:, None] + within]
        logits = _logits(model(x), x, form)
        places = (begin[:, None] + scored).clamp(max=count - 1)  # the last window may end before
        local = (places - start[:, None])[:, :, None].expand(-1, -1, logits.shape[2])
        parts.append(bits_of(logits.gather(1, local), targets[places], unknown_bits).flatten())
    return torch.cat(parts)[:count]


def _score_stretches(model: Any, inputs: Tensor, targets: Tensor, form: OutputForm, unknown_bits: float) -> Tensor:
    count = len(targets)
    share = min(STRETCH, count)
    scored, parts = torch.arange(share, device=targets.device), []
    for begins in torch.split(torch.arange(0, count, share, device=targets.device), MAX_STREAMS):
        starts = (begins - WARM_UP).clamp(min=0)
        steps = torch.arange(share + (WARM_UP if share < count else 0), device=targets.device)
        state, costs = None, []
        for within in torch.split(steps, _rows(form, len(begins))):
            places = (starts[:, None] + within).clamp(max=count - 1)
            logits, state = model.advance(inputs[places], state)
            costs.append(bits_of(_logits(logits, places, form), targets[places], unknown_bits))
        parts.append(torch.cat(costs, 1).gather(1, (begins - starts)[:, None] + scored).flatten())
    return torch.cat(parts)[:count]


def _rows(form: OutputForm, size: int) -> int:
    """Return how many rows of `size` positions go through the model at once: fewer if there are many symbols."""
    symbols = form.shape(torch.empty(1, 1))[2]
    return max(1, min(MAX_POSITIONS, MAX_NUMBERS // symbols) // size)


def _logits(logits: Tensor, x: Tensor, form: OutputForm) -> Tensor:
    form.require(logits, x)
    return logits


def require_causal(model: nn.Module, x: Tensor, form: OutputForm) -> None:
    """Raise IncompatibleError if the logits for symbols x, int64 (batch, time), depend on symbols that come later."""
    half, symbols = x.shape[1] // 2, form.shape(x)[2]
    if not half or symbols < 2:
        return
    changed = torch.cat([x[:, :half], (x[:, half:] + 1) % symbols], 1)
    read: Any = (lambda text: model.advance(text, None)[0]) if carries_state(model) else model  # type: ignore[operator]
    before, after = (_logits(read(text), text, form)[:, :half].float() for text in (x, changed))
    if not torch.allclose(before, after, rtol=1e-2, atol=1e-3, equal_nan=True):
        raise IncompatibleError(
            f"logits change by up to {float((before - after).abs().max()):.2g} if only later symbols change: a "
            "language model must not read what it predicts; mask the attention, as with is_causal=True"
        )

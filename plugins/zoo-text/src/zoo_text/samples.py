"""Continues prompts: text that a language model writes, at several temperatures at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from zoo_text.streams import carries_state

MAX_PROMPT = 1024  # symbols of a prompt that a model reads; of a longer one, the last


def continue_text(
    model: nn.Module,
    prompt: Tensor,
    *,
    temperatures: Sequence[float],
    count: int,
    window: int,
    generator: torch.Generator,
) -> Tensor:
    """Return `count` symbols after the prompt for each temperature: int64 (temperatures, count).

    Each symbol is drawn from softmax(logits / temperature), by the largest of logits / temperature + Gumbel noise.
    `unknown` is never drawn. prompt: int64 (symbols,); symbol 0 is put before it. window: the most symbols that a model
    without a state sees. The model is in evaluation mode, and gradients are off.
    """
    device, rows = prompt.device, len(temperatures)
    scale = torch.tensor(temperatures, device=device)[:, None]
    start = torch.cat([prompt.new_zeros(1), prompt[-MAX_PROMPT:]])
    text, state, written = start.expand(rows, -1), None, []
    for _ in range(count):
        logits, state = _next_logits(model, text, state, window)
        noise = -torch.log(-torch.log(_uniform(logits.shape, generator, device)))
        choice = logits.float() / scale + noise
        choice[:, 0] = -torch.inf
        symbol = choice.argmax(1, keepdim=True)
        written.append(symbol)
        text = symbol if state is not None else torch.cat([text, symbol], 1)
    return torch.cat(written, 1) if written else text[:, :0]


def _next_logits(model: Any, text: Tensor, state: Any, window: int) -> tuple[Tensor, Any]:
    """Return the logits (batch, symbols) of the symbol after the text, and the state of a model that carries one."""
    if carries_state(model):
        logits, state = model.advance(text, state)
    else:
        logits = model(text[:, -window:])
    return logits[:, -1], state


def _uniform(shape: torch.Size, generator: torch.Generator, device: torch.device) -> Tensor:
    """Draw numbers in (0, 1): both logarithms of their noise are finite."""
    return torch.rand(shape, generator=generator, device=device).clamp(1e-7, 1 - 1e-7)

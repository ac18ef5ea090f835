"""Sequences for training, and the score of a text: every symbol once, with context, and never from itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from zoo_text import streams
from zoo_text.models.recurrent import gru
from zoo_text.streams import Sequences, bits_of, carries_state, detached, require_causal, score_text

from zoo_core import IncompatibleError, Signature
from zoo_core.data.columns import Split
from zoo_core.errors import WrongOutputError
from zoo_core.outputs import OutputForm

SYMBOLS = 5
FORM = OutputForm(kind="k", shape=lambda x: (*x.shape, SYMBOLS))
TEXT = torch.from_numpy(np.random.default_rng(0).integers(1, SYMBOLS, 700))


class Seen(nn.Module):
    """A model whose bits for any symbol are the number of symbols that it has seen before it in this window."""

    def forward(self, x: Tensor) -> Tensor:
        seen = torch.arange(1, x.shape[1] + 1).float().expand(x.shape)
        logits = (-seen * math.log(2))[:, :, None].expand(*x.shape, SYMBOLS).clone()
        logits[:, :, 0] = torch.log1p(-((SYMBOLS - 1) * 2.0**-seen).clamp(max=1 - 1e-6))
        return logits


class Next(nn.Module):
    """A model that knows the text by the number that each symbol is: it predicts x + 1."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.one_hot((x + 1) % SYMBOLS, SYMBOLS).float() * 100


@pytest.mark.parametrize(("count", "length"), [(700, 32), (699, 33), (10, 32), (3, 8), (64, 1)])
def test_every_symbol_is_scored_once_from_at_least_half_a_window(count: int, length: int) -> None:
    bits = score_text(Seen(), TEXT[:count], FORM, length=length, unknown_bits=0.0)
    seen = bits[2:].round().int()  # of the first two, Seen's probabilities do not add up
    assert len(bits) == count
    needed = torch.arange(3, count + 1).clamp(max=min(length, count) - length // 2 + 1)
    assert bool((seen >= needed[: len(seen)]).all())


def test_a_prediction_is_compared_with_the_symbol_after_it() -> None:
    text = torch.arange(1, 301) % SYMBOLS
    for length in (7, 64):
        assert score_text(Next(), text, FORM, length=length, unknown_bits=0.0).max() < 1e-3


def test_stretches_of_a_model_with_a_state_are_what_one_pass_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "STRETCH", 100)
    monkeypatch.setattr(streams, "MAX_STREAMS", 3)
    model = gru(Signature(input_shape=(), outputs=SYMBOLS), width=8, layers=2, embedding=4, dropout=0.5).eval()
    with torch.no_grad():
        logits = model(nn.functional.pad(TEXT[:-1], (1, 0))[None])
        whole = bits_of(logits, TEXT[None], 0.0)[0]
        bits = score_text(model, TEXT, FORM, length=16, unknown_bits=0.0)
    assert carries_state(model)
    assert torch.allclose(bits, whole, atol=1e-4)  # 256 symbols of warm-up are enough for a small net


def test_bits_are_those_of_scipys_log_softmax_and_unknown_costs_more() -> None:
    from scipy.special import log_softmax

    logits = np.random.default_rng(1).normal(size=(2, 3, SYMBOLS))
    targets = np.array([[0, 1, 4], [2, 0, 3]])
    expected = -np.take_along_axis(log_softmax(logits, -1), targets[:, :, None], -1)[:, :, 0] / math.log(2)
    expected += 20.0 * (targets == 0)
    assert bits_of(torch.from_numpy(logits), torch.from_numpy(targets), 20.0).numpy() == pytest.approx(expected, 1e-5)


def test_an_output_of_another_shape_is_refused() -> None:
    with pytest.raises(WrongOutputError, match=r"forward returned \(\d+, 32, 4\)"):
        score_text(nn.Embedding(9, 4), TEXT, FORM, length=32, unknown_bits=0.0)


def sequences(count: int, length: int, *, carry: int = 1) -> Sequences:
    return Sequences(Split({"x": np.arange(count, dtype=np.uint8)}), "cpu", length, carry=carry)


def test_an_epoch_has_every_sequence_once_in_another_order() -> None:
    cut = sequences(100, 10)
    batches = cut.shuffled(5, torch.Generator().manual_seed(0))
    assert cut.steps(5) == 2
    for _ in range(3):
        x = torch.cat([next(batches)["x"] for _ in range(2)])
        assert x.shape == (10, 11)
        assert sorted(x[:, :-1].flatten().tolist()) == list(range(100))
        assert torch.equal((x[:, :-1] + 1) % 100, x[:, 1:])
        assert x[:, 0].tolist() != sorted(x[:, 0].tolist())


def test_carried_sequences_go_on_where_the_batch_before_ended_then_begin_elsewhere() -> None:
    batches = sequences(120, 5, carry=3).shuffled(4, torch.Generator().manual_seed(0))
    read = []
    for _ in range(6):
        stretch = [next(batches)["x"] for _ in range(3)]
        assert torch.equal(stretch[1][:, 0], stretch[0][:, -1])
        assert torch.equal(stretch[2][:, 0], stretch[1][:, -1])
        read.append(torch.cat([x[:, :-1] for x in stretch], 1))
    for epoch in (read[:2], read[2:4], read[4:]):
        assert sorted(torch.cat(epoch).flatten().tolist()) == list(range(120)), "each epoch reads the text once"
    assert not torch.equal(read[0][:, 0], read[2][:, 0])


class Peeking(nn.Module):
    """Moves what it should predict to where it predicts it."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.one_hot(x.roll(-1, 1), SYMBOLS).float()


def test_a_model_that_reads_what_it_should_predict_is_refused() -> None:
    with pytest.raises(IncompatibleError, match="must not read what it predicts"):
        require_causal(Peeking(), TEXT[None, :16], FORM)
    require_causal(nn.Embedding(SYMBOLS, SYMBOLS), TEXT[None, :16], FORM)
    require_causal(Peeking(), TEXT[None, :1], FORM)


def test_a_text_shorter_than_a_sequence_is_read_as_a_circle() -> None:
    x = next(sequences(3, 8).shuffled(2, torch.Generator().manual_seed(0)))["x"]
    assert x.shape == (2, 9)
    assert torch.equal((x[:, :-1] + 1) % 3, x[:, 1:])


def test_a_state_of_any_nesting_loses_its_history() -> None:
    weight = torch.ones(2, requires_grad=True)
    state = (weight * 2, (weight * 3, weight * 4))
    first, (second, third) = detached(state)
    assert not any(part.requires_grad for part in (first, second, third))
    assert third.tolist() == [4, 4]
    assert detached(None) is None

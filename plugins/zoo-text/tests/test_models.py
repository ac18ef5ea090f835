"""The language models: what they return, that they see only the past, and that counts are smoothed as stated."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import nn
from zoo_text.models import recurrent
from zoo_text.models.mixed import lstm_ngram
from zoo_text.models.ngram import NGram, ngram
from zoo_text.models.transformer import rotate, rotation, transformer
from zoo_text.streams import carries_state

from zoo_core import RecipeError, Signature
from zoo_core.weights import load_into

SIGNATURE = Signature(input_shape=(), outputs=7, extra={"train": 500})
TEXT = np.random.default_rng(0).choice(7, 500, p=[0, 0.4, 0.3, 0.1, 0.1, 0.06, 0.04])


def small(name: str) -> nn.Module:
    torch.manual_seed(0)
    if name == "transformer":
        return transformer(SIGNATURE, width=16, layers=2, heads=2, dropout=0.1).eval()
    if name == "ngram":
        return counted(4)
    if name == "lstm-ngram":
        return mixed(share=0.3)
    return getattr(recurrent, name)(SIGNATURE, width=8, layers=2, embedding=4, dropout=0.1).eval()


def counted(order: int, text: Sequence[int] = TEXT) -> NGram:
    model = ngram(SIGNATURE, order=order, most=1000)
    assert isinstance(model, NGram)
    model.count(torch.as_tensor(text))
    return model


def mixed(share: float) -> nn.Module:
    torch.manual_seed(0)
    model = lstm_ngram(SIGNATURE, width=8, layers=2, embedding=4, dropout=0.1, share=share, order=4, most=1000)
    model.count(torch.as_tensor(TEXT))  # type: ignore[operator]
    return model.eval()


NAMES = ("rnn", "gru", "lstm", "transformer", "ngram", "lstm-ngram")


@pytest.mark.parametrize("name", NAMES)
def test_a_prediction_depends_on_the_past_and_not_on_the_future(name: str) -> None:
    model, x = small(name), torch.from_numpy(TEXT[:20])[None]
    other = x.clone()
    other[0, 12] = (other[0, 12] + 1) % 6 + 1
    with torch.no_grad():
        logits, changed = model(x), model(other)
    assert logits.shape == (1, 20, 7)
    assert torch.equal(logits[:, :12], changed[:, :12])
    assert not torch.allclose(logits[:, 12], changed[:, 12])


@pytest.mark.parametrize("name", [name for name in NAMES if name != "transformer"])
def test_a_text_in_parts_gives_what_the_whole_gives(name: str) -> None:
    model, x = small(name), torch.from_numpy(TEXT[:40].reshape(2, 20))
    assert carries_state(model)
    state, parts = None, []
    with torch.no_grad():
        for part in torch.split(x, 7, 1):
            logits, state = model.advance(part, state)  # type: ignore[operator]
            parts.append(logits)
        assert torch.allclose(torch.cat(parts, 1), model(x), atol=1e-5)


def test_a_rotation_makes_products_depend_on_the_distance_alone() -> None:
    query, key = torch.randn(2, 1, 8).expand(2, 30, 8)
    turns = rotation(30, 8, torch.device("cpu"))
    products = rotate(query, turns) @ rotate(key, turns).T
    for distance in (0, 1, 11):
        diagonal = products.diagonal(distance)
        assert torch.allclose(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-4)
    assert products[0, 0] == pytest.approx(float(query[0] @ key[0]), abs=1e-5)


def test_a_width_that_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(RecipeError, match="width 30 cannot be divided into 4 heads"):
        transformer(SIGNATURE, width=30, layers=1, heads=4, dropout=0.0)


def test_the_lstm_remembers_at_first() -> None:
    layer = small("lstm").recurrent
    assert isinstance(layer, nn.LSTM)
    assert torch.equal(layer.bias_ih_l1[8:16], torch.ones(8))


def by_definition(text: Sequence[int], order: int, context: tuple[int, ...], symbols: int) -> list[float]:
    """Interpolated modified Kneser-Ney in loops over dictionaries, by Chen and Goodman's equations."""

    def counts(length: int) -> dict[tuple[int, ...], int]:
        if length == order:
            return Counter(tuple(text[end - length : end]) for end in range(length, len(text) + 1))
        longer = {tuple(text[end - length - 1 : end]) for end in range(length + 1, len(text) + 1)}
        return Counter(gram[1:] for gram in longer)

    chances = [1 / symbols] * symbols
    for length in range(1, order + 1):
        found = counts(length)
        for end in range(length, len(text) + 1):
            found.setdefault(tuple(text[end - length : end]), 0)  # at the begin, with no symbol before it
        of_counts = [sum(count == number for count in found.values()) + 0.5 for number in (1, 2, 3, 4)]
        share = of_counts[0] / (of_counts[0] + 2 * of_counts[1])
        discounts = [0.0]
        for number in (1, 2, 3):
            wanted = number - (number + 1) * share * of_counts[number] / of_counts[number - 1]
            discounts.append(min(max(wanted, 0.05), number))
        after: dict[tuple[int, ...], dict[int, int]] = defaultdict(dict)
        for gram, count in found.items():
            after[gram[:-1]][gram[-1]] = count
        here = tuple(context[len(context) - length + 1 :])
        if len(here) < length - 1 or here not in after or not sum(after[here].values()):
            continue
        total = sum(after[here].values())
        removed = {symbol: min(count, discounts[min(count, 3)]) for symbol, count in after[here].items()}
        rest = sum(removed.values()) / total
        chances = [rest * chance for chance in chances]
        for symbol, count in after[here].items():
            chances[symbol] += (count - removed[symbol]) / total
    return chances


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_counts_are_smoothed_as_chen_and_goodman_define(order: int) -> None:
    model = counted(order)
    for context in ((1, 2, 1, 3), (6, 6, 6, 6), (2,), (1, 1, 2, 1, 1), (0, 1)):
        logits = model(torch.tensor([context]))[0, -1]
        assert logits.exp().tolist() == pytest.approx(by_definition(TEXT.tolist(), order, context, 7), abs=1e-5)


def test_probabilities_add_up_and_none_is_zero() -> None:
    chances = counted(6)(torch.from_numpy(TEXT[:100])[None]).exp()
    assert chances.sum(-1).detach().numpy() == pytest.approx(1, abs=1e-5)
    assert chances.min() > 0


@pytest.mark.parametrize("text", [[1], [1, 1, 1, 1], [1, 2]])
def test_the_shortest_texts_can_be_counted(text: list[int]) -> None:
    chances = counted(5, text)(torch.tensor([[1, 1, 2]])).exp()
    assert chances.sum(-1).numpy() == pytest.approx(1, abs=1e-5)


def test_before_it_has_counted_every_symbol_is_as_likely() -> None:
    assert ngram(SIGNATURE, order=3, most=10)(torch.zeros(1, 2, dtype=torch.int64)).exp().flatten().tolist() == (
        pytest.approx([1 / 7] * 14)
    )


def test_a_checkpoint_holds_the_text_and_gives_the_same_counts() -> None:
    model, other = counted(4), ngram(SIGNATURE, order=4, most=1000)
    x = torch.from_numpy(TEXT[:30])[None]
    other(x)
    load_into(other, model.state_dict())
    assert torch.equal(other(x), model(x))
    assert sum(tensor.nbytes for tensor in model.state_dict().values()) == 500 + 8


def test_of_a_longer_text_the_end_is_counted() -> None:
    model = ngram(Signature(input_shape=(), outputs=7, extra={"train": 500}), order=2, most=3)
    assert isinstance(model, NGram)
    assert model.count(torch.tensor([1, 1, 1, 1, 2, 3, 2])) == 3
    after_two = model(torch.tensor([[2]])).exp()[0, 0]
    assert after_two.argmax() == 3


def test_a_mixture_gives_each_model_its_share_of_every_probability() -> None:
    x = torch.from_numpy(TEXT[:30])[None]
    with torch.no_grad():
        learned, counted_ones = mixed(share=0.0)(x).exp(), counted(4)(x).exp()
        assert torch.allclose(learned, small("lstm")(x).softmax(2), atol=1e-6)
        assert torch.allclose(mixed(share=1.0)(x).exp(), counted_ones, atol=1e-6)
        assert torch.allclose(mixed(share=0.3)(x).exp(), 0.7 * learned + 0.3 * counted_ones, atol=1e-6)


def test_while_it_trains_a_mixture_is_its_lstm_alone() -> None:
    model, x = mixed(share=0.3).train(), torch.from_numpy(TEXT[:30])[None]
    model.net.eval()  # without dropout
    with torch.no_grad():
        assert torch.equal(model(x), small("lstm")(x))

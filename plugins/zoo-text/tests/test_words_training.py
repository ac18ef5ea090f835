"""Skip-gram, CBOW and PMI-SVD: windows, negatives, losses, the optimizer, and counts by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from zoo_text.models.pmi_svd import PmiSvd, count_pairs, positive_pmi, singular_vectors
from zoo_text.models.word_tables import WordTables
from zoo_text.words.tables import RowAdagrad, RowTable
from zoo_text.words.training import (
    BLOCK,
    GROUP,
    Corpus,
    Sampler,
    Windows,
    cbow_loss,
    draw_words,
    keep_probabilities,
    noise_cdf,
    pair_loss,
    skip_gram_loss,
    training_steps,
)

from zoo_core import Context, Recipe
from zoo_core.outputs import OutputForm

SETTINGS: dict[str, Any] = {
    "objective": "skip-gram",
    "window": 3,
    "negatives": 5,
    "shared_negatives": 8,
    "subsample": 0.0,
    "batch_size": 256,
    "lr": 0.1,
    "schedule": "linear",
}


def corpus(words: list[int], sentences: list[int], vocabulary: int) -> Corpus:
    counts = np.bincount(words, minlength=vocabulary)
    arrays = np.array(words, np.int32), np.array(sentences, np.int32), counts
    return Corpus(*map(torch.from_numpy, arrays))


def random_corpus(words: int = 2_000, vocabulary: int = 20) -> Corpus:
    rng = np.random.default_rng(0)
    return corpus(rng.integers(0, vocabulary, words).tolist(), (np.arange(words) // 9).tolist(), vocabulary)


def recipe(**changes: Any) -> Recipe:
    return Recipe({**SETTINGS, **changes})


def first_windows(text: Corpus, settings: Recipe, seed: int = 0) -> tuple[int, Windows]:
    return next(Sampler(text, settings, torch.Generator().manual_seed(seed)).steps())


def pairs_of(windows: Windows) -> list[tuple[int, int]]:
    """Return (centre, context) of all pairs, in order."""
    block, row, column = windows.is_pair.nonzero().unbind(1)
    return list(zip(windows.centres[block, row].tolist(), windows.contexts[block, column].tolist(), strict=True))


def test_a_window_of_one_pairs_exactly_the_neighbours_of_a_sentence() -> None:
    text = corpus([0, 1, 2, 3, 4], [0, 0, 0, 1, 1], vocabulary=5)
    count, windows = first_windows(text, recipe(window=1))
    assert count == 5
    assert pairs_of(windows) == [(0, 1), (1, 0), (1, 2), (2, 1), (3, 4), (4, 3)]


def test_a_word_at_distance_d_is_in_the_window_as_often_as_a_random_width_reaches_it() -> None:
    text = corpus(list(range(200)), [0] * 200, vocabulary=200)
    steps = Sampler(text, recipe(window=4), torch.Generator().manual_seed(0)).steps()
    distances = np.concatenate([[abs(a - b) for a, b in pairs_of(next(steps)[1])] for _ in range(40)])
    expected = np.array([2 * (200 - d) * 40 * (5 - d) / 4 for d in range(1, 5)])
    assert np.bincount(distances)[0] == 0
    assert np.bincount(distances)[1:] == pytest.approx(expected, rel=0.03)


def test_an_epoch_reads_each_word_once_and_pieces_do_not_touch() -> None:
    text = corpus(list(range(1024)), [0] * 1024, vocabulary=1024)
    settings = recipe(window=1, batch_size=128)
    steps = Sampler(text, settings, torch.Generator().manual_seed(3)).steps()
    pairs = [pair for _ in range(text.epoch_steps(128)) for pair in pairs_of(next(steps)[1])]
    inside = {(a, b) for a in range(1024) for b in (a - 1, a + 1) if 0 <= b < 1024 and a // 128 == b // 128}
    assert sorted(pairs) == sorted(inside)


def test_pairs_are_near_and_of_one_sentence_in_whatever_order_pieces_come() -> None:
    sentences = np.repeat(np.arange(60), np.random.default_rng(0).integers(1, 40, 60))
    text = corpus(list(range(len(sentences))), sentences.tolist(), vocabulary=len(sentences))
    steps = Sampler(text, recipe(window=4, batch_size=20), torch.Generator().manual_seed(0)).steps()
    pairs = [pair for _ in range(3 * text.epoch_steps(20)) for pair in pairs_of(next(steps)[1])]
    assert len(pairs) > 1_000
    assert all(abs(a - b) <= 4 and sentences[a] == sentences[b] for a, b in pairs)


def test_two_pieces_of_one_sentence_that_meet_by_chance_are_no_neighbours() -> None:
    text = corpus(list(range(1536)), [0] * 1536, vocabulary=1536)
    _, windows = first_windows(text, recipe(window=5, batch_size=1536))
    assert max(abs(a - b) for a, b in pairs_of(windows)) <= 5


def test_a_frequent_word_is_kept_as_often_as_word2vecs_formula_says() -> None:
    keep = keep_probabilities(torch.tensor([9_900, 99, 1]), subsample=0.001)
    assert keep.tolist() == pytest.approx(
        [(0.001 / 0.99) ** 0.5 + 0.001 / 0.99, (0.001 / 0.0099) ** 0.5 + 0.001 / 0.0099, 1]
    )
    assert keep_probabilities(torch.tensor([5, 1]), subsample=0.0).tolist() == [1, 1]


def test_dropped_words_bring_the_others_nearer_together() -> None:
    text = corpus([0, 1, 0, 0, 2, 0] * 100, [n for n in range(100) for _ in range(6)], vocabulary=3)
    sampler = Sampler(text, recipe(window=1, batch_size=600), torch.Generator().manual_seed(0))
    sampler._keep = torch.tensor([0.0, 1.0, 1.0])
    count, windows = next(sampler.steps())
    pairs = pairs_of(windows)
    assert count > 500
    assert set(pairs) == {(1, 2), (2, 1)}


def test_a_step_has_room_for_nearly_all_words_that_are_kept() -> None:
    text = random_corpus(words=100_000)
    settings = recipe(subsample=0.01, batch_size=4096)
    steps = Sampler(text, settings, torch.Generator().manual_seed(0)).steps()
    expected = float((keep_probabilities(text.counts, 0.01) * text.counts).sum() / text.counts.sum()) * 4096
    for _ in range(20):
        _, windows = next(steps)
        centres = (windows.is_pair.sum(-1) > 0).sum()
        assert expected * 0.9 < float(centres) < windows.centres.numel()


def test_negatives_are_drawn_by_frequency_to_the_power_three_quarters() -> None:
    counts = torch.tensor([1, 16, 81, 0])  # to the power 3/4: 1, 8, 27, 0
    drawn = draw_words(noise_cdf(counts), (200_000,), torch.Generator().manual_seed(0))
    shares = torch.bincount(drawn, minlength=4) / len(drawn)
    assert shares.tolist() == pytest.approx([1 / 36, 8 / 36, 27 / 36, 0], abs=0.005)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_loss_of_pairs_and_its_gradients_are_those_of_torch(sign: float) -> None:
    torch.manual_seed(0)
    one, other, weights = torch.randn(2, 3, 5), torch.randn(2, 4, 5), torch.rand(2, 3, 1)
    ours, theirs = ([part.clone().requires_grad_() for part in (one, other)] for _ in range(2))
    loss = pair_loss(*ours, weights, sign)
    wanted = -(F.logsigmoid(sign * theirs[0] @ theirs[1].transpose(1, 2)) * weights).sum()
    (2 * loss).backward()
    (2 * wanted).backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    for mine, reference in zip(ours, theirs, strict=True):
        assert mine.grad is not None
        assert reference.grad is not None
        assert torch.allclose(mine.grad, reference.grad, atol=1e-5)


def test_a_pair_of_weight_0_adds_nothing_however_wrong_it_is() -> None:
    one, other = torch.tensor([[[100.0], [0.0]]], requires_grad=True), torch.tensor([[[-100.0]]], requires_grad=True)
    loss = pair_loss(one, other, torch.tensor([[[0.0], [1.0]]]))
    loss.backward()
    assert loss.item() == pytest.approx(np.log(2))
    assert one.grad is not None
    assert one.grad.flatten().tolist() == [0, 50]


def negative_sampling_loss(vector: Tensor, context: Tensor, negatives: Tensor, per_pair: int) -> Tensor:
    """Mikolov et al. 2013b, equation 4, with the mean over negatives in place of single draws."""
    noise = F.logsigmoid(-(negatives @ vector)).mean() * per_pair
    return -F.logsigmoid(vector @ context) - noise


def test_the_skip_gram_loss_is_the_papers_formula_summed_over_pairs() -> None:
    torch.manual_seed(0)
    text = random_corpus(vocabulary=7)
    _, windows = first_windows(text, recipe())
    table, others = torch.randn(7, 5), torch.randn(7, 5)
    drawn = torch.randint(7, (windows.centres.numel() // GROUP, 4))
    loss = skip_gram_loss(table[windows.centres], others[windows.contexts], others[drawn], windows.is_pair, 3)
    wanted = sum(negative_sampling_loss(table[a], others[b], others[drawn[0]], 3) for a, b in pairs_of(windows))
    assert len(drawn) == 1
    assert loss.item() == pytest.approx(float(wanted), rel=1e-4)


def test_the_cbow_loss_predicts_each_word_from_the_mean_of_its_window() -> None:
    torch.manual_seed(0)
    text = random_corpus(vocabulary=7)
    _, windows = first_windows(text, recipe())
    table, others = torch.randn(7, 5), torch.randn(7, 5)
    drawn = torch.randint(7, (1, 4))
    loss = cbow_loss(table[windows.contexts], others[windows.centres], others[drawn], windows.is_pair, 3)
    wanted = 0.0
    for block in range(len(windows.centres)):
        for row in range(BLOCK):
            beside = windows.contexts[block][windows.is_pair[block, row].bool()]
            if len(beside):
                word = windows.centres[block, row]
                wanted += float(negative_sampling_loss(table[beside].mean(0), others[word], others[drawn[0]], 3))
    assert loss.item() == pytest.approx(wanted, rel=1e-4)


def test_adagrad_of_a_dense_gradient_has_a_rate_for_each_number() -> None:
    weight = nn.Linear(2, 1, bias=False)
    nn.init.zeros_(weight.weight)
    optimizer = RowAdagrad(weight)
    for _ in range(2):
        weight(torch.tensor([[3.0, -0.5]])).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step(0.1)
    moved = 0.1 * (1 + 1 / 2**0.5)  # Duchi et al. 2011: g / sqrt(g^2), then g / sqrt(2 g^2)
    assert weight.weight.tolist()[0] == pytest.approx([-moved, moved], rel=1e-5)


def test_uses_of_one_word_in_two_calls_count_as_uses_in_one() -> None:
    one, other = RowTable(3, 2), RowTable(3, 2)
    other.load_state_dict(one.state_dict())
    first, second = RowAdagrad(one), RowAdagrad(other)
    (one(torch.tensor([0, 0])).sum() * 2).backward()
    sum(other(torch.tensor([0])).sum() * 2 for _ in range(2)).backward()  # type: ignore[union-attr]
    first.step(0.1)
    second.step(0.1)
    assert torch.equal(one.weight, other.weight)
    assert not torch.equal(one.weight[0], one.weight[1])


def test_a_table_forgets_uses_of_before_the_training_and_of_evaluations() -> None:
    table = RowTable(2, 2)
    table(torch.tensor([0])).sum().backward()
    optimizer, before = RowAdagrad(table), table.weight.detach().clone()
    with torch.no_grad():
        table(torch.tensor([1]))
    optimizer.step(0.1)
    assert torch.equal(table.weight, before)


def test_adagrad_of_a_table_moves_only_the_rows_in_use_each_at_its_own_rate() -> None:
    table = RowTable(3, 2)
    nn.init.zeros_(table.weight)
    optimizer = RowAdagrad(table)
    for _ in range(2):
        (table(torch.tensor([0, 2])) * torch.tensor([[3.0, 4.0], [0.5, 0.5]])).sum().backward()
        optimizer.step(0.1)
    # Row 0: squares have the mean 12.5, then 25 in all; row 2: 0.25, then 0.5.
    moved = 0.1 * np.array([1 / 12.5**0.5 + 1 / 25**0.5, 0, 1 / 0.25**0.5 + 1 / 0.5**0.5])
    gradients = np.array([[3, 4], [0, 0], [0.5, 0.5]])
    assert table.weight.detach().numpy() == pytest.approx(-moved[:, None] * gradients, rel=1e-5)


class Watch(TorchFunctionMode):
    """Notes the calls that make the host wait for the device."""

    WAITS = frozenset(
        {"item", "tolist", "numpy", "cpu", "nonzero", "unique", "masked_select", "multinomial", "equal"}
        | {"__bool__", "__int__", "__float__", "__index__", "__contains__"}
    )

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        by_mask = func.__name__ == "__getitem__" and isinstance(args[1], Tensor) and args[1].dtype == torch.bool
        if by_mask or func.__name__ in self.WAITS:
            self.waited.append(func.__name__)
        return func(*args, **(kwargs or {}))


def test_the_watch_sees_what_waits_for_the_device() -> None:
    with Watch() as watch:
        numbers = torch.ones(2)
        float(numbers[numbers > 0].sum())
    assert watch.waited == ["__getitem__", "__float__"]


def steps_of(objective: str, steps: int, seed: int = 0) -> tuple[WordTables, Iterator[Any]]:
    torch.manual_seed(seed)
    model = WordTables(20, 6)
    done = [0]
    ctx = Context(generator=torch.Generator().manual_seed(seed), progress=lambda: done[0] / steps)
    form = OutputForm(kind="test", shape=lambda words: (*words.shape, 6))
    settings = recipe(objective=objective, steps=steps, subsample=0.02)

    def counted() -> Iterator[Any]:
        for step in training_steps(ctx, model, random_corpus(), settings, form):
            done[0] += 1
            yield step

    return model, counted()


@pytest.mark.parametrize("objective", ["skip-gram", "cbow"])
def test_a_step_never_waits_for_the_device(objective: str) -> None:
    _, steps = steps_of(objective, steps=4)
    next(steps)  # the first one prepares
    with Watch() as watch:
        next(steps)
    assert watch.waited == []


@pytest.mark.parametrize("objective", ["skip-gram", "cbow"])
def test_two_trainings_with_one_seed_are_equal_bit_for_bit_and_learn(objective: str) -> None:
    (one, first), (other, second) = (steps_of(objective, steps=30) for _ in range(2))
    losses = [float(step.logs["loss"]) for step in first]
    assert losses == [float(step.logs["loss"]) for step in second]
    assert all(torch.equal(one.state_dict()[name], tensor) for name, tensor in other.state_dict().items())
    assert losses[0] == pytest.approx(6 * np.log(2), rel=1e-3)  # context vectors begin with zeros
    assert losses[-1] < losses[0]


def test_pairs_are_counted_within_sentences_by_the_share_of_windows_that_hold_them() -> None:
    counts = count_pairs(np.array([0, 1, 2, 0, 1]), np.array([0, 0, 0, 1, 1]), window=2, vocabulary=3)
    # 0-1 stand side by side twice, 1-2 once; 0-2 are two apart once, which half of the windows hold.
    assert counts.toarray().tolist() == [[0, 2, 0.5], [2, 0, 1], [0.5, 1, 0]]


def test_pairs_across_the_border_of_a_chunk_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    words, sentences = rng.integers(0, 5, 100), np.arange(100) // 7
    whole = count_pairs(words, sentences, window=3, vocabulary=5)
    monkeypatch.setattr("zoo_text.models.pmi_svd.CHUNK", 9)
    assert count_pairs(words, sentences, window=3, vocabulary=5).toarray() == pytest.approx(whole.toarray())


def test_positive_pmi_is_as_computed_by_hand() -> None:
    from scipy import sparse

    together = np.array([[0.0, 16.0], [16.0, 0.0]])  # both words have 16, and contexts 8 each to the power 3/4
    information = positive_pmi(sparse.csr_matrix(together), shift=1.0).toarray()
    assert information == pytest.approx(np.array([[0, np.log(2)], [np.log(2), 0]]))
    assert positive_pmi(sparse.csr_matrix(together), shift=4.0).nnz == 0
    uneven = positive_pmi(sparse.csr_matrix(np.array([[1.0, 15.0], [0.0, 66.0]])), shift=1.0).toarray()
    share = 1 / (1 + 81**0.75)  # of the first context, which counts 1, and the second one 81
    assert uneven[0, 0] == pytest.approx(np.log((1 / 16) / share))
    assert uneven[0, 1] == pytest.approx(max(0.0, np.log((15 / 16) / (1 - share))))


@pytest.mark.parametrize("dense", [0, 2048])
def test_singular_vectors_of_both_solvers_give_the_matrix_back(dense: int, monkeypatch: pytest.MonkeyPatch) -> None:
    from scipy import sparse

    monkeypatch.setattr("zoo_text.models.pmi_svd.DENSE", dense)
    factor = np.random.default_rng(0).random((12, 3))
    matrix = factor @ factor.T  # of rank 3
    table = singular_vectors(sparse.csr_matrix(matrix), dimension=5, power=0.5)
    assert table @ table.T == pytest.approx(matrix, abs=1e-4)
    assert np.abs(table[:, 3:]).max() < 1e-2
    assert not singular_vectors(sparse.csr_matrix((4, 4)), dimension=2, power=0.5).any()


def test_pmi_svd_finds_words_with_equal_contexts() -> None:
    words = [0, 2, 1, 2, 0, 2, 1, 2, 3, 4, 3, 4] * 20  # 0 and 1 stand beside 2; 3 beside 4
    text = corpus(words, [n for n in range(120) for _ in range(2)], vocabulary=5)
    model = PmiSvd(5, dimension=4, shift=1.0, eigenvalue_power=0.5)
    model.fit(text, recipe(window=1), seed=0)
    vectors = F.normalize(model(torch.arange(5)))
    assert float(vectors[0] @ vectors[1]) == pytest.approx(1, abs=1e-3)
    assert abs(float(vectors[0] @ vectors[4])) < 1e-3

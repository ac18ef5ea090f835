"""The task of the kind `language-model`: scores, samples, prompts, and trials through the command line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from zoo_text.char_rnn import LANGUAGE, TASKS
from zoo_text.corpora import Corpus
from zoo_text.language import LanguageModel, passages
from zoo_text.models.mixed import lstm_ngram
from zoo_text.models.ngram import NGram
from zoo_text.models.recurrent import gru
from zoo_text.pictures import cost_by_place
from zoo_text.samples import continue_text
from zoo_text.symbols import BYTES, CHARACTERS, Symbols

from zoo_core import Context, DamagedDataError, Param, Recipe, Step, Stop, WeightsError
from zoo_core.data.columns import Split
from zoo_core.errors import DivergedError

QUICK = ("--offline", "--preset", "quick", "--device", "cpu", "--json")
TEXT = "".join(f"{'жили' if number % 3 else 'live'} {number}, " for number in range(400))
RECIPE = Recipe(
    {key: value.default if isinstance(value, Param) else value for key, value in LANGUAGE.items()}
    | {"steps": 3, "batch_size": 4, "length": 16, "sample_length": 20, "holdout": True}
)


class Opened:
    """The part of opened data that the task uses."""

    def __init__(self, corpus: Any) -> None:
        self.signature = corpus.signature
        self._corpus = corpus

    def split(self, name: str, *, holdout: bool = True) -> Split:
        return Split({"x": np.array(self._corpus.load(name)["x"])})


class Even(nn.Module):
    """A model to which every symbol is as likely."""

    def __init__(self, symbols: int) -> None:
        super().__init__()
        self.symbols = symbols

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros(*x.shape, self.symbols)


def prepared(folder: Path, text: str = TEXT, kind: str = CHARACTERS, **changes: Any) -> tuple[LanguageModel, Context]:
    ctx = Context(cache=folder, generator=torch.Generator().manual_seed(0))
    task = LanguageModel(TASKS[0])
    task.prepare(ctx, Opened(Corpus(ctx, lambda: iter([text]), kind)), Recipe({**RECIPE, **changes}))  # type: ignore[arg-type]
    return task, ctx


def symbols_of(task: LanguageModel) -> Symbols:
    return task._symbols


@pytest.mark.parametrize("kind", [CHARACTERS, BYTES])
def test_an_even_guess_costs_the_logarithm_of_the_symbols_for_each_character(kind: str, tmp_path: Path) -> None:
    task, ctx = prepared(tmp_path, kind=kind)
    count = len(symbols_of(task))
    test = TEXT[len(TEXT) * 19 // 20 :]
    expected = math.log2(count) * (len(test.encode()) / len(test) if kind == BYTES else 1)
    assert task.evaluate(ctx, Even(count), "test").scores == {"bits_per_char": pytest.approx(expected)}


def test_the_mean_of_the_passages_is_the_score(tmp_path: Path) -> None:
    task, ctx = prepared(tmp_path, TEXT * 5, BYTES)
    model = gru(task._data.signature, width=4, layers=1, embedding=4, dropout=0.0).eval()
    with torch.no_grad():
        result = task.evaluate(ctx, model, "test")
    assert len(result.per_example["score"]) == 5
    assert result.per_example["score"].mean() == pytest.approx(result.scores["bits_per_char"])
    table = result.tables["symbols"]
    assert table.columns == ["symbol", "count", "mean bits"]
    assert sum(row[1] for row in table.rows) == len(task._data.split("test"))


def test_passages_of_one_length_have_their_own_means() -> None:
    bits, begins = np.repeat([1.0, 3.0], 256), np.ones(512, bool)
    assert passages(bits, begins).tolist() == pytest.approx([1, 3])
    assert passages(bits[:300], begins[:300]).mean() == pytest.approx(bits[:300].mean())


def test_an_unknown_character_of_test_costs_its_choice_among_all_of_unicode(tmp_path: Path) -> None:
    text = "ab" * 1000 + "☃"
    task, ctx = prepared(tmp_path, text)
    even = task.evaluate(ctx, Even(3), "test").scores["bits_per_char"]
    test = len(text) - len(text) * 19 // 20
    assert even == pytest.approx(math.log2(3) + math.log2(0x110000 - 0x800 - 2) / test)


def test_the_distance_to_a_known_entropy_is_a_score_and_a_table(tmp_path: Path) -> None:
    task, ctx = prepared(tmp_path)
    task._data.signature.extra["entropy"] = {"rate": 1.0, "test": 0.5}  # type: ignore[index]
    result = task.evaluate(ctx, Even(len(symbols_of(task))), "test")
    assert result.scores["excess_bits"] == pytest.approx(result.scores["bits_per_char"] - 0.5)
    assert result.tables["entropy"].rows == [["rate", 1.0], ["test", 0.5]]


def test_bits_that_are_not_finite_make_the_trial_diverged(tmp_path: Path) -> None:
    task, ctx = prepared(tmp_path)

    class Broken(Even):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * math.nan

    with pytest.raises(DivergedError, match="symbols of val"):
        task.evaluate(ctx, Broken(len(symbols_of(task))), "val")


@pytest.mark.parametrize("kind", [CHARACTERS, BYTES])
def test_a_step_counts_characters(kind: str, tmp_path: Path) -> None:
    task, ctx = prepared(tmp_path, kind=kind)
    model = gru(task._data.signature, width=4, layers=1, embedding=4, dropout=0.0)
    steps = [step for step in task.train(ctx, model, task._recipe) if isinstance(step, Step)]
    train = TEXT[: len(TEXT) * 18 // 20]
    share = len(train) / len(train.encode()) if kind == BYTES else 1
    assert [step.n for step in steps] == [round(4 * 16 * share)] * 3
    assert task.epoch_steps(task._recipe) == len(task._data.split("train")) // (4 * 16)


def test_a_model_that_counts_takes_all_steps_at_once_and_ends_a_budget(tmp_path: Path) -> None:
    task, ctx = prepared(tmp_path)
    model = NGram(task._data.signature, order=3, most=1000)
    (step,) = task.train(ctx, model, task._recipe)
    assert isinstance(step, Step)
    assert (step.n, step.steps) == (1000, 3)
    ctx.budget_s = 10.0
    assert isinstance([*task.train(ctx, model, task._recipe)][-1], Stop)


def test_a_model_that_counts_and_has_parameters_is_trained_after_it_has_counted(tmp_path: Path) -> None:
    task, ctx = prepared(tmp_path)
    options = {"width": 4, "layers": 1, "embedding": 4, "dropout": 0.0}
    model = lstm_ngram(task._data.signature, share=0.5, order=3, most=1000, **options)
    before = model.net.head.weight.detach().clone()  # type: ignore[union-attr]
    steps = [step for step in task.train(ctx, model, task._recipe) if isinstance(step, Step)]
    assert [step.n for step in steps] == [4 * 16] * 3
    assert int(model.counts.length) == 1000  # type: ignore[union-attr, arg-type]
    assert not torch.equal(model.net.head.weight, before)  # type: ignore[union-attr, arg-type]


def test_the_loss_of_a_learnable_text_falls_and_two_trainings_are_the_same(tmp_path: Path) -> None:
    def losses() -> list[float]:
        task, ctx = prepared(tmp_path, steps=40, lr=0.02, schedule="constant")
        torch.manual_seed(0)
        model = gru(task._data.signature, width=32, layers=1, embedding=8, dropout=0.0)
        return [float(step.logs["score"]) for step in task.train(ctx, model, task._recipe) if isinstance(step, Step)]

    first, second = losses(), losses()
    assert first == second
    assert first[-1] < first[0] - 1.5


class Follows(nn.Module):
    """A model that is certain that symbol n + 1 comes after n, and the first after the last."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.one_hot(x % 5 + 1, 6).float() * 50


@pytest.mark.parametrize("count", [0, 1, 7])
def test_a_certain_model_continues_a_prompt_alike_at_every_temperature(count: int) -> None:
    written = continue_text(
        Follows(),
        torch.tensor([1, 2]),
        temperatures=(0.5, 1.0),
        count=count,
        window=4,
        generator=torch.Generator().manual_seed(0),
    )
    assert written.tolist() == [[3, 4, 5, 1, 2, 3, 4][:count]] * 2


def test_samples_have_the_models_probabilities_at_their_temperature_and_no_unknown_symbol() -> None:
    logits = torch.tensor([5.0, 0.0, 1.0, 2.0])

    class Fixed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return logits.expand(*x.shape, 4)

    written = continue_text(
        Fixed(), torch.tensor([1]), temperatures=(0.5, 1.0), count=3000, window=1, generator=torch.Generator()
    )
    for row, temperature in zip(written, (0.5, 1.0), strict=True):
        shares = torch.bincount(row, minlength=4) / len(row)
        expected = torch.softmax(logits[1:] / temperature, 0)
        assert shares[0] == 0
        assert shares[1:].tolist() == pytest.approx(expected.tolist(), abs=0.03)  # three standard errors


def test_letters_are_counted_from_the_begin_of_their_word() -> None:
    places, means = cost_by_place("ab, ж\n", np.array([4.0, 2.0, 1.0, 1.0, 6.0, 4.0]))
    assert places.tolist() == [0, 1, 2]
    assert means.tolist() == [2.0, 5.0, 2.0]


def test_prompts_are_texts_and_anything_else_is_an_error(tmp_path: Path) -> None:
    task, ctx = prepared(tmp_path / "cache")
    model = gru(task._data.signature, width=4, layers=1, embedding=4, dropout=0.0).eval()
    (tmp_path / "a.txt").write_text("жили ☃")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\xfd")
    with torch.no_grad():
        table = task.predict(ctx, model, task._data.signature, (), RECIPE, [tmp_path / "a.txt"], 2)
        with pytest.raises(DamagedDataError, match=r"b\.txt is not valid UTF-16"):
            task.predict(ctx, model, task._data.signature, (), RECIPE, [tmp_path / "b.txt"], 1)
    odd = replace(task._data.signature, classes=("unknown", "a"))
    with pytest.raises(WeightsError, match=r"names 2 symbols for \d+ outputs"):
        task.predict(ctx, model, odd, (), RECIPE, [tmp_path / "a.txt"], 1)
    assert table.columns == ["file", "temperature", "continuation"]
    assert [row[1] for row in table.rows] == ["0.8", "0.5"]
    assert all(len(row[2]) == 400 and set(row[2]) <= set(TEXT) for row in table.rows)


@pytest.mark.parametrize("model", [pytest.param("lstm", marks=pytest.mark.slow), "ngram"])
def test_a_trial_has_texts_and_pictures_and_its_model_continues_a_prompt(
    zoo: Callable[..., Any], model: str, tmp_path: Path
) -> None:
    settings = ("--set", "sample_length=30", "--max-steps", "5", "--save", "--results", tmp_path / "results")
    finished = zoo("bench", "char-rnn", "--model", model, *QUICK, *settings)
    assert finished.code == 0, finished.err
    (record,) = json.loads(finished.out)
    measured = record["measured"]
    assert measured["scores"]["excess_bits"] > 0
    assert list(measured["texts"]) == ["prompt", "temperature 0.5", "temperature 0.8", "temperature 1"]
    assert "thumbnail" in measured["pictures"]
    assert measured["left_out"] == {}
    (checkpoint,) = (tmp_path / "results").rglob("*.safetensors")
    samples = [(checkpoint.parent / name).read_text("utf-8") for name in measured["texts"].values()]
    assert [len(text) for text in samples] == [60, 30, 30, 30]
    again = json.loads(zoo("eval", checkpoint, "--offline", "--json").out)
    assert again["scores"] == pytest.approx(measured["scores"])
    told = zoo("predict", checkpoint, "--prompt", samples[0], "--device", "cpu").out
    assert told.startswith("file prompt, temperature 0.8:\n")
    assert len(told.partition("\n")[2].removesuffix("\n\n")) == 400


def test_a_state_is_carried_without_its_gradient_and_begins_anew_after_some_sequences(tmp_path: Path) -> None:
    class Carries(nn.Module):
        def __init__(self, symbols: int) -> None:
            super().__init__()
            self.embedding = nn.Embedding(symbols, symbols)
            self.got: list[Any] = []

        def advance(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
            self.got.append(state)
            logits = self.embedding(x)
            return logits, (logits[:, -1], len(self.got))

    task, ctx = prepared(tmp_path, steps=7, carry=3)
    model = Carries(len(symbols_of(task)))
    assert len([*task.train(ctx, model, task._recipe)]) == 7
    assert [state and state[1] for state in model.got] == [None, 1, 2, None, 4, 5, None]
    assert not any(state[0].requires_grad for state in model.got if state)

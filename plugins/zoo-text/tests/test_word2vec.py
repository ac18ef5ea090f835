"""The task word2vec: scores on tables made by hand, its contract with models, and trials by the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from zoo_text.word2vec import MODELS, TASKS
from zoo_text.words.analogies import answered_right, cosines, nearest, plane, spearman
from zoo_text.words.corpus import text_signature
from zoo_text.words.task import WordVectors

from zoo_core import Context, IncompatibleError, Recipe, Signature, Step, Stop
from zoo_core.data.columns import Columns, Ragged, Split

WORDS = ("man", "woman", "king", "queen", "apple")
# The second number is royal, the third one female; an apple is elsewhere.
TABLE = torch.tensor([[1.0, 0, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 0, 1]])
ROYAL = [0, 2, 1, 3]  # man : king :: woman : queen


def test_an_analogy_is_answered_by_the_word_nearest_to_b_minus_a_plus_c() -> None:
    questions = torch.tensor([ROYAL, [0, 2, 1, 4], [0, 1, 2, 3], [3, 2, 1, 0]])
    assert answered_right(TABLE, questions).tolist() == [True, False, True, True]


def test_words_of_the_question_are_no_answer_although_they_are_nearer() -> None:
    table = TABLE.clone()
    table[2] = table[0] + 0.001  # king is nearly man: woman itself is then the nearest to king - man + woman
    question = torch.tensor([ROYAL])
    assert answered_right(table, question).tolist() == [True]


def test_equal_vectors_and_vectors_of_zeros_answer_nothing() -> None:
    questions = torch.tensor([ROYAL, [3, 2, 1, 0]])
    for table in (torch.zeros(5, 3), torch.ones(5, 3)):
        assert not answered_right(table, questions).any()


def test_random_vectors_answer_about_one_question_of_all_words() -> None:
    torch.manual_seed(0)
    questions = torch.stack([torch.randperm(20)[:4] for _ in range(4_000)])
    share = answered_right(torch.randn(20, 50), questions).float().mean()
    assert float(share) == pytest.approx(1 / 17, abs=0.04)


def test_the_answers_are_those_of_gensim() -> None:
    models = pytest.importorskip("gensim.models", reason="gensim is not installed: pip install gensim")
    rng = np.random.default_rng(0)
    table = rng.standard_normal((12, 4)).astype(np.float32)
    vectors = models.KeyedVectors(4)
    vectors.add_vectors([str(word) for word in range(12)], table)
    questions = np.stack([rng.permutation(12)[:4] for _ in range(200)])
    # gensim takes the mean of unit vectors too.
    answers = [
        int(vectors.most_similar(positive=[str(b), str(c)], negative=[str(a)], topn=1)[0][0])
        for a, b, c, _ in questions
    ]
    right = answered_right(torch.from_numpy(table), torch.from_numpy(questions))
    assert right.tolist() == (np.array(answers) == questions[:, 3]).tolist()
    assert 0 < right.sum() < 200


def test_spearman_is_scipys_and_0_for_a_constant() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.random(50), rng.integers(0, 5, 50).astype(float)
    assert spearman(one, other) == pytest.approx(stats.spearmanr(one, other)[0])
    assert spearman(np.array([1.0, 2, 3]), np.array([10.0, 20, 15])) == pytest.approx(0.5)  # 1 - 6 * 2 / (3 * 8)
    assert spearman(np.ones(3), one[:3]) == spearman(one[:3], np.ones(3)) == 0


def test_cosines_and_neighbours_are_as_computed_by_hand() -> None:
    assert cosines(TABLE, torch.tensor([[0, 1], [0, 4], [2, 3]])).tolist() == pytest.approx(
        [0.5**0.5, 0, (2 / 3) ** 0.5]
    )
    words, near = nearest(TABLE, torch.tensor([3]), count=2)
    assert sorted(words[0].tolist()) == [1, 2]
    assert near[0].tolist() == pytest.approx([(2 / 3) ** 0.5] * 2)
    assert nearest(TABLE, torch.tensor([0]), count=9)[0].shape == (1, 4)


def test_the_plane_keeps_distances_of_points_in_a_plane() -> None:
    rng = np.random.default_rng(0)
    flat = rng.standard_normal((9, 2))
    points = plane(flat @ np.linalg.qr(rng.standard_normal((5, 5)))[0][:2])
    assert np.linalg.norm(points[0] - points[1]) == pytest.approx(np.linalg.norm(flat[0] - flat[1]))
    assert plane(np.ones((3, 1))).shape == (3, 2)


class HandMade(nn.Module):
    """A model whose vectors are given, with anything else that a test wants."""

    def __init__(self, table: Tensor = TABLE) -> None:
        super().__init__()
        self.register_buffer("table", table)

    def forward(self, words: Tensor) -> Tensor:
        return nn.functional.embedding(words, self.get_buffer("table"))


@dataclass
class HandData:
    """Two sentences, two questions, and two pairs of known similarity."""

    signature: Signature = text_signature(WORDS, ["royal", "none"], {"unknown word": {"royal": 7}})  # noqa: RUF009
    identity: str = "hand"

    def split(self, name: str, *, holdout: bool = True) -> Split:
        if name == "train":
            return Split({"x": Ragged(np.array([0, 1, 2, 3, 4, 0], np.int32), np.array([0, 4, 6]))})
        columns: Columns = {
            "x": np.array([ROYAL, [0, 2, 1, 4], [0, 4, -1, -1], [2, 3, -1, -1]], np.int32),
            "similarity": np.array([0, 0, 0.1, 0.9], np.float32),
            "section": np.array([0, 0, -1, -1]),
            "group": np.array([5, 6, -1, -1]),
        }
        return Split(columns)


def prepared(**changes: Any) -> tuple[WordVectors, Context, Recipe]:
    task, ctx = WordVectors(TASKS[0]), Context(generator=torch.Generator().manual_seed(0))
    values = {"objective": "skip-gram", "window": 2, "negatives": 2, "shared_negatives": 4, "subsample": 0.0}
    recipe = Recipe({**values, "batch_size": 6, "lr": 0.1, "schedule": "linear", "steps": 3, "dimension": 4, **changes})
    task.prepare(ctx, HandData(), recipe)  # type: ignore[arg-type]
    return task, ctx, recipe


def test_a_table_made_by_hand_has_the_scores_computed_by_hand() -> None:
    task, ctx, _ = prepared()
    found = task.evaluate(ctx, HandMade(), "test")
    assert found.scores == {"analogy_accuracy": 0.5, "similarity": pytest.approx(1)}
    assert found.per_example["score"].tolist() == [1, 0]
    assert found.per_example["truth"].tolist() == [3, 4]
    assert found.per_example["group"].tolist() == [5, 6]
    sections = found.tables["sections"]
    assert sections.columns == ["section", "questions", "right", "accuracy", "left out: unknown word"]
    assert sections.rows == [["royal", 2, 1, 0.5, 7], ["none", 0, 0, None, 0]]
    assert [row[0] for row in found.tables["neighbours"].rows] == ["man", "king", "woman", "queen"]
    assert set(found.tables["neighbours"].rows[3][1:3]) == {"king 0.82", "woman 0.82"}


def test_pictures_are_a_map_with_names_a_small_one_and_the_differences() -> None:
    task, ctx, _ = prepared()
    pictures = task.pictures(ctx, HandMade())
    assert {name: (picture.dtype, picture.shape[2]) for name, picture in pictures.items()} == {
        "thumbnail": (np.uint8, 3),
        "map": (np.uint8, 3),
        "differences": (np.uint8, 3),
    }
    assert all(picture.min() < 100 for picture in pictures.values())
    flat = task.pictures(ctx, HandMade(torch.zeros(5, 4)))
    assert flat["map"].shape == pictures["map"].shape


def test_a_model_without_a_way_of_training_is_refused_with_both_ways() -> None:
    task, ctx, recipe = prepared()
    with pytest.raises(IncompatibleError, match=r"HandMade cannot be trained: .*`contexts\(words\)`.*`fit\("):
        next(iter(task.train(ctx, HandMade(), recipe)))


def test_a_model_without_the_option_dimension_is_told_to_add_it() -> None:
    task, ctx, _ = prepared(dimension=0)
    with pytest.raises(IncompatibleError, match="has an option `dimension`"):
        task.evaluate(ctx, HandMade(), "test")


def test_vectors_of_another_size_are_refused_with_both_shapes() -> None:
    task, ctx, _ = prepared(dimension=3)
    with pytest.raises(Exception, match=r"returned \(5, 4\).*wants \(5, 3\)"):
        task.evaluate(ctx, HandMade(), "test")


def test_vectors_that_are_not_finite_diverge() -> None:
    task, ctx, _ = prepared()
    with pytest.raises(Exception, match="not finite"):
        task.evaluate(ctx, HandMade(TABLE * torch.nan), "test")


class Fitted(HandMade):
    def fit(self, corpus: Any, recipe: Recipe, seed: int) -> None:
        assert corpus.counts.tolist() == [2, 1, 1, 1, 1]
        assert corpus.sentences.tolist() == [0, 0, 0, 0, 1, 1]
        self.get_buffer("table").mul_(2)


def test_a_model_that_is_fitted_reads_the_whole_text_in_one_step() -> None:
    task, ctx, recipe = prepared()
    model = Fitted(TABLE.clone())
    step, stop = task.train(ctx, model, recipe)
    assert isinstance(step, Step)
    assert step.n == 6
    assert isinstance(stop, Stop)
    assert torch.equal(model.get_buffer("table"), TABLE * 2)
    task, ctx, recipe = prepared(steps=1)
    assert len([*task.train(ctx, model, recipe)]) == 1


class SumOfLetters(nn.Module):
    """A model of a user: dense gradients, and a vector that is made of two tables."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.shared, self.beside = nn.Embedding(5, 4), nn.Linear(4, 4), nn.Embedding(5, 4)

    def forward(self, words: Tensor) -> Tensor:
        return self.shared(self.words(words))  # type: ignore[no-any-return]

    def contexts(self, words: Tensor) -> Tensor:
        return self.beside(words)  # type: ignore[no-any-return]


@pytest.mark.parametrize("objective", ["skip-gram", "cbow"])
def test_a_model_of_ones_own_is_trained_in_all_its_parameters(objective: str) -> None:
    torch.manual_seed(0)
    task, ctx, recipe = prepared(objective=objective)
    model = SumOfLetters()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    assert [step.n for step in task.train(ctx, model, recipe)] == [6, 6, 6]  # type: ignore[union-attr]
    assert all(not torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_an_untrained_model_answers_by_chance() -> None:
    assert TASKS[0].chance == pytest.approx(1 / 1021, rel=0.05)
    assert [model.name for model in MODELS] == ["skip-gram", "cbow", "pmi-svd"]


def test_a_trial_is_scored_drawn_saved_evaluated_again_and_exported(zoo: Callable[..., Any], tmp_path: Path) -> None:
    quick = ("--offline", "--preset", "quick", "--device", "cpu", "--json", "--save", "--results", tmp_path / "results")
    finished = zoo("bench", "word2vec", "--model", "skip-gram", *quick, "--set", "epochs=0.3")
    assert finished.code == 0, finished.err
    (record,) = json.loads(finished.out)
    measured = record["measured"]
    assert measured["scores"]["analogy_accuracy"] > 0.05  # fifty times chance level
    assert set(measured["pictures"]) == {"thumbnail", "map", "differences"}
    assert set(measured["tables"]) == {"sections", "neighbours"}
    assert measured["left_out"] == {}
    assert measured["units"] > 250_000
    (checkpoint,) = (tmp_path / "results").rglob("*.safetensors")
    again = json.loads(zoo("eval", checkpoint, "--offline", "--json").out)
    assert again["scores"] == pytest.approx(measured["scores"])
    exported = zoo("export-vectors", checkpoint, tmp_path / "vectors.txt")
    assert exported.code == 0, exported.err
    lines = (tmp_path / "vectors.txt").read_text("utf-8").splitlines()
    assert lines[0] == "1024 64"
    assert len(lines) == 1025
    assert all(len(line.split(" ")) == 65 for line in lines[1:])
    refused = zoo("export-vectors", checkpoint, tmp_path / "vectors.txt")
    assert refused.code == 2
    assert "no file is overwritten" in refused.err

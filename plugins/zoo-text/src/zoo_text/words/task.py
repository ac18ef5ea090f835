"""Kind `zoo-text/word-vectors`, version 1: one vector for each word, learned from what stands around it in a text.

Columns of train: x, ragged integer (sentences; words), numbers of words in a text; the vocabulary is the signature's
`classes`. Columns of val and test: x integer (n, 4), analogy questions `a is to b as c is to d`, or two words whose
similarity is known, and twice -1; similarity float (n,), 0 for a question; section (n,), the number of a question's
name in `extra["sections"]`; group (n,), whose questions belong together.
Val and test are questions on the same text: nothing is held out of it. No pair of words is asked in both.

Model: forward takes numbers of words, int64 of any shape, and returns their vectors, float (*shape, dimension). The
model has an option `dimension`. It is trained in one of two ways.
* A method `contexts` like forward, for the vectors of words in the windows of others: trained by skip-gram or CBOW with
  negative sampling, see `zoo_text.words.training`. `zoo_text.words.tables.RowTable` makes this fast.
* A method `fit(corpus, recipe, seed)`, which computes the vectors from the whole text at once, in one step, see
  `zoo_text.models.pmi_svd`. It takes precedence.
Metric `analogy_accuracy`: share of the questions whose answer is the word nearest to b - a + c, without a, b and c, by
cosine among all words (3CosAdd); a tie is wrong. Score `similarity`: Spearman's rank correlation of cosines with the
known similarities, where the data have such. One unit is one word of the text that a step reads.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from zoo_core import Context, Evaluation, IncompatibleError, Phase, Recipe, Step, Stop, Table, TaskSpec
from zoo_core.data.columns import Array, Ragged, Split
from zoo_core.data.open import Data
from zoo_core.outputs import FiniteOutputs, OutputForm
from zoo_text.words.analogies import answered_right, cosines, nearest, spearman
from zoo_text.words.pictures import word_map
from zoo_text.words.training import Corpus, training_steps

BATCH = 4096  # words whose vectors are computed at once
NEIGHBOURS, LISTED = 5, 4  # in the table of neighbours: words beside each, and words of each section
MAX_LISTED, MAX_MAPPED = 40, 120  # words in the table, and in the map
KIND = "zoo-text/word-vectors"
WANTED = (
    "give it a method `contexts(words)`, which like forward returns vectors (..., dimension), for training by "
    "skip-gram or CBOW; or `fit(corpus, recipe, seed)`, to compute the vectors from the whole text"
)


class WordVectors:
    """The task of this kind."""

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec

    def prepare(self, ctx: Context, data: Data, recipe: Recipe) -> None:
        self._data, self._recipe = data, recipe
        self._corpus = corpus_of(data.split("train"), len(data.signature.classes), ctx.device)

    def output_form(self) -> OutputForm:
        """Return what forward returns for words int64 (...): (..., dimension)."""
        dimension = int(self._recipe["dimension"]) if "dimension" in self._recipe else 0
        if not dimension:
            raise IncompatibleError(f"a model of {KIND} has an option `dimension`, the size of its vectors: add it")
        return OutputForm(kind=KIND, shape=lambda words: (*words.shape, dimension), values="numbers of vectors")

    def epoch_steps(self, recipe: Recipe) -> int:
        return self._corpus.epoch_steps(int(recipe.batch_size))

    def example_input(self, ctx: Context, batch_size: int) -> Tensor:
        return torch.arange(batch_size, device=ctx.device) % len(self._corpus.counts)

    def train(self, ctx: Context, model: nn.Module, recipe: Recipe) -> Iterator[Step | Phase | Stop]:
        original = cast(Any, getattr(model, "_orig_mod", model))  # of a compiled model
        if callable(getattr(original, "fit", None)):
            seed = int(torch.randint(2**31, (1,), generator=ctx.generator, device=ctx.device))
            original.fit(self._corpus, recipe, seed)
            yield Step(len(self._corpus.words))
            if recipe.steps > 1:
                yield Stop("the model is computed from the whole text in one step")
        elif callable(getattr(original, "contexts", None)):
            yield from training_steps(ctx, original, self._corpus, recipe, self.output_form())
        else:
            raise IncompatibleError(f"{type(original).__name__} cannot be trained: {WANTED}")

    def evaluate(self, ctx: Context, model: nn.Module, split: str) -> Evaluation:
        vectors, columns = self._vectors(ctx, model), self._questions(split)
        x = torch.from_numpy(columns["x"].astype(np.int64)).to(ctx.device)
        asked, compared = (torch.from_numpy(rows).to(ctx.device) for rows in _rows(columns))
        right = answered_right(vectors, x[asked]).cpu().numpy()
        scores = {"analogy_accuracy": float(right.mean()) if len(right) else 0.0}
        if len(compared):
            known = columns["similarity"][compared.cpu().numpy()]
            scores["similarity"] = spearman(cosines(vectors, x[compared, :2]).cpu().numpy(), known)
        questions = {name: column[asked.cpu().numpy()] for name, column in columns.items()}
        return Evaluation(
            scores,
            tables={"sections": self._sections(questions, right), "neighbours": self._neighbours(vectors, questions)},
            per_example={"score": right.astype(np.float64), "truth": questions["x"][:, 3], "group": questions["group"]},
        )

    def pictures(self, ctx: Context, model: nn.Module) -> Mapping[str, np.ndarray[Any, Any]]:
        """Draw the pairs of the test questions on the plane of their vectors' principal components."""
        columns = self._questions("test")
        questions = {name: column[_rows(columns)[0]] for name, column in columns.items()}
        vectors = self._vectors(ctx, model).cpu().numpy()
        sections = tuple(self._data.signature.extra["sections"])
        return word_map(vectors, self._data.signature.classes, questions, sections, MAX_MAPPED)

    def _vectors(self, ctx: Context, model: nn.Module) -> Tensor:
        """Return the vectors of all words, float32 (words, dimension). Raises WrongOutputError, DivergedError."""
        form, finite, found = self.output_form(), FiniteOutputs(), []
        for words in torch.split(torch.arange(len(self._corpus.counts), device=ctx.device), BATCH):
            vectors = model(words)
            form.require(vectors, words)
            finite.add(vectors)
            found.append(vectors.float())
        finite.require("words")
        return torch.cat(found)

    def _questions(self, split: str) -> dict[str, Array]:
        found = self._data.split(split)
        rows = slice(None) if found.rows is None else found.rows
        return {name: np.asarray(cast(Array, column)[rows]) for name, column in found.columns.items()}

    def _sections(self, questions: Mapping[str, Array], right: Array) -> Table:
        """List the accuracy of each section, and how many of its questions were left out, for each reason."""
        extra = self._data.signature.extra
        reasons: Mapping[str, Mapping[str, int]] = extra.get("not_asked", {})
        rows: list[list[Any]] = []
        for number, name in enumerate(extra["sections"]):
            mine = right[questions["section"] == number]
            left_out = [counts.get(name, 0) for counts in reasons.values()]
            rows.append([name, len(mine), int(mine.sum()), float(mine.mean()) if len(mine) else None, *left_out])
        return Table(
            ["section", "questions", "right", "accuracy", *(f"left out: {reason}" for reason in reasons)], rows
        )

    def _neighbours(self, vectors: Tensor, questions: Mapping[str, Array]) -> Table:
        """List the nearest words of a few words of each section."""
        names, listed = self._data.signature.classes, _few_words(questions)
        found, near = (
            values.tolist() for values in nearest(vectors, torch.from_numpy(listed).to(vectors.device), NEIGHBOURS)
        )
        rows = [
            [names[word], *(f"{names[other]} {cosine:.2f}" for other, cosine in zip(others, values, strict=True))]
            for word, others, values in zip(listed.tolist(), found, near, strict=True)
        ]
        columns = [str(number + 1) for number in range(len(rows[0]) - 1)] if rows else []
        return Table(["word", *columns], rows)


def corpus_of(split: Split, vocabulary: int, device: str) -> Corpus:
    """Return the text of a split on the device."""
    column = cast(Ragged, split.columns["x"])
    if split.rows is None:
        words, lengths = column.values, np.diff(column.offsets)
    else:
        sentences = [column[int(row)] for row in split.rows]
        words, lengths = np.concatenate(sentences), np.array([len(sentence) for sentence in sentences])
    numbers = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    counts = np.bincount(words, minlength=vocabulary)
    words = np.array(words, np.int32)  # a copy: torch takes no array of a read-only file
    return Corpus(*(torch.from_numpy(values).to(device) for values in (words, numbers, counts)))


def _rows(columns: Mapping[str, Array]) -> tuple[Array, Array]:
    """Return the rows of questions, and those of pairs with a known similarity."""
    is_question = columns["x"][:, 2] >= 0
    return np.flatnonzero(is_question), np.flatnonzero(~is_question)


def _few_words(questions: Mapping[str, Array]) -> Array:
    """Return the words of the first questions of each section, without repetitions, int64 (n,)."""
    firsts = [np.flatnonzero(questions["section"] == section)[:1] for section in np.unique(questions["section"])]
    words = [questions["x"][rows].ravel()[:LISTED] for rows in firsts]
    listed = dict.fromkeys(int(word) for part in words for word in part)
    return np.array([*listed][:MAX_LISTED], np.int64)

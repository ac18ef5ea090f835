"""Word vectors on one thread: the zoo's training beside gensim's, on the same text and with the same settings.

    .venv/bin/pip install gensim
    taskset -c 0 .venv/bin/python benchmarks/word2vec.py

Interleaved repeats of both, for skip-gram and CBOW; medians. Words a second count all words of the text, also those
that are dropped because they are frequent. gensim reads the text from a file, which is its fastest way. Bounds: at
least gensim's speed for skip-gram, and analogies of both at most three points below gensim's.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch and numpy are imported

import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from zoo_text.models.word_tables import WordTables
from zoo_text.words.analogies import answered_right
from zoo_text.words.corpus import PlantedAnalogies
from zoo_text.words.task import corpus_of
from zoo_text.words.training import training_steps

from zoo_core import Context, Recipe
from zoo_core.data.columns import Split
from zoo_core.outputs import OutputForm

REPEATS, EPOCHS, DIMENSION = 3, 3, 64
SETTINGS = {"window": 5, "negatives": 5, "subsample": 1e-3}
RECIPE = {"shared_negatives": 32, "batch_size": 8192, "lr": 0.1, "schedule": "linear"}
LEAST_SPEED, MOST_BELOW = 1.0, 0.03


@dataclass(frozen=True, slots=True)
class Result:
    """Words a second, and the share of the test questions that are answered right."""

    speed: float
    accuracy: float


class Subject:
    """The text and the questions of the zoo's offline data set."""

    def __init__(self, folder: str) -> None:
        data = PlantedAnalogies(Context())
        train, self.words = data.load("train"), len(data.signature.classes)
        self.corpus = corpus_of(Split(train), self.words, "cpu")
        test = data.load("test")
        self.questions = torch.from_numpy(test["x"][test["x"][:, 2] >= 0].astype(np.int64))
        self.file = Path(folder) / "text.txt"
        sentences = (train["x"][row] for row in range(len(train["x"])))
        self.file.write_text("".join(" ".join(map(str, sentence.tolist())) + "\n" for sentence in sentences))

    def accuracy(self, vectors: torch.Tensor) -> float:
        return float(answered_right(vectors, self.questions).float().mean())

    def zoo(self, objective: str, seed: int) -> Result:
        steps = EPOCHS * self.corpus.epoch_steps(RECIPE["batch_size"])
        recipe = Recipe({**SETTINGS, **RECIPE, "objective": objective, "steps": steps})
        torch.manual_seed(seed)
        model, done = WordTables(self.words, DIMENSION), 0
        ctx = Context(seed=seed, generator=torch.Generator().manual_seed(seed), progress=lambda: done / steps)
        form = OutputForm(kind="benchmark", shape=lambda words: (*words.shape, DIMENSION))
        words, began = 0, time.perf_counter()
        for step in training_steps(ctx, model, self.corpus, recipe, form):
            done += 1
            words += step.n
        return Result(words / (time.perf_counter() - began), self.accuracy(model.vectors.weight.detach()))

    def gensim(self, objective: str, seed: int) -> Result:
        from gensim.models import Word2Vec

        model = Word2Vec(
            vector_size=DIMENSION,
            window=SETTINGS["window"],
            negative=SETTINGS["negatives"],
            sample=SETTINGS["subsample"],
            sg=int(objective == "skip-gram"),
            min_count=1,
            workers=1,
            seed=seed,
        )
        model.build_vocab(corpus_file=str(self.file))
        total = model.corpus_total_words
        began = time.perf_counter()
        model.train(corpus_file=str(self.file), total_examples=model.corpus_count, total_words=total, epochs=EPOCHS)
        speed = total * EPOCHS / (time.perf_counter() - began)
        vectors = np.stack([model.wv[str(word)] for word in range(self.words)])
        return Result(speed, self.accuracy(torch.from_numpy(vectors)))


def measure(subject: Subject, objective: str) -> Iterator[tuple[str, Result]]:
    """Yield the medians of both sides."""
    runs: dict[str, list[Result]] = {"zoo": [], "gensim": []}
    for seed in range(REPEATS):
        for side, found in runs.items():
            found.append(getattr(subject, side)(objective, seed))
    for side, found in runs.items():
        speed, accuracy = (statistics.median(getattr(run, name) for run in found) for name in ("speed", "accuracy"))
        yield side, Result(speed, accuracy)


def main() -> int:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        import gensim
    except ImportError:
        print("gensim is not installed, so there is nothing to compare with: pip install gensim")
        return 0
    failures: list[Any] = []
    with tempfile.TemporaryDirectory() as folder:
        subject = Subject(folder)
        print(f"{len(subject.corpus.words):,} words, {EPOCHS} epochs, {DIMENSION} numbers; gensim {gensim.__version__}")
        for objective in ("skip-gram", "cbow"):
            results = dict(measure(subject, objective))
            for side, result in results.items():
                print(f"{objective:10} {side:7} {result.speed:10,.0f} words/s, analogies {result.accuracy:.3f}")
            ratio = results["zoo"].speed / results["gensim"].speed
            below = results["gensim"].accuracy - results["zoo"].accuracy
            print(f"{objective:10} zoo / gensim: {ratio:.2f}")
            if below > MOST_BELOW or (objective == "skip-gram" and ratio < LEAST_SPEED):
                failures.append(objective)
    print(f"below a bound: {', '.join(failures)}" if failures else "all bounds hold")
    return len(failures)


if __name__ == "__main__":
    sys.exit(main())

"""Kind `zoo-text/language-model`, version 1: predict the next symbol of a text, a character or a byte.

Data: column x (n,), uint8 or int16, the symbols of a text in order. Symbol 0 is `unknown`: characters that train has
not, or only once, and what stands before a text starts. The signature's `classes` name the symbols; see
`zoo_text.symbols`.
Model: forward takes int64 (batch, time) and returns logits (batch, time, symbols); those at time t predict the symbol
at t + 1 and may depend only on symbols up to t. Any number of symbols may come, up to the recipe's `length`.
A model may also carry a state from one sequence to the next. It then has a method `advance(x, state)`, which returns
(logits, state). `state` is None at first, else what the last call returned: a tensor, or tuples of tensors. Forward
then returns the logits from the first state. The task detaches the state between two steps of training, and begins
with None again after `carry` sequences, because a state that is never new in training differs from all in evaluation.
A model may count. It then has a method `count(text)`, which gets all of train as it is stored, uint8 or int16 (n,) on
the CPU, before the first step, and returns how many of these symbols it counted. Without parameters it is not trained.
Loss: the cross-entropy of all positions of a sequence.
Scores, lower is better: the metric `bits_per_char`, the bits that a text costs divided by its characters, also where
symbols are bytes, so that models of both compare. Every symbol is predicted exactly once; see `score_text`. An
`unknown` symbol also costs the bits that name it among all other characters of Unicode. So the score is the length of a
code for the whole text (Shannon 1948). `excess_bits`, for data with a known entropy: bits_per_char above it.
One unit is one character; val is scored on its first 500,000 symbols, test on its first 5,000,000.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from zoo_core import (
    Context,
    Evaluation,
    Phase,
    Recipe,
    RecipeError,
    Signature,
    Step,
    Stop,
    Table,
    TaskSpec,
    WeightsError,
)
from zoo_core.data.batches import Batch
from zoo_core.data.columns import Array, Split
from zoo_core.data.open import Data
from zoo_core.metrics import ratio_by_example
from zoo_core.outputs import FiniteOutputs, OutputForm
from zoo_core.train import epoch_steps, supervised_steps
from zoo_text.pictures import text_pictures
from zoo_text.reading import read_text
from zoo_text.samples import continue_text
from zoo_text.streams import BITS_PER_NAT, Sequences, State, carries_state, detached, require_causal, score_text
from zoo_text.symbols import Symbols

MAX_SCORED = {"val": 500_000, "test": 5_000_000}  # symbols
PASSAGE, MAX_PASSAGES = 256, 20_000  # symbols of a passage, which is an example; and passages of a split
MAX_ROWS = 40  # of the table of symbols
TEMPERATURES = (0.5, 0.8, 1.0)
PROMPT = 60  # symbols of test that the samples continue
MAX_PROMPT_BYTES = 1 << 20
SAMPLE_SEED = 3_000_003  # added to the trial's seed
PREDICTED = 400  # symbols that `zoo predict` writes


class LanguageModel:
    """The `Task` of this kind."""

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec

    def prepare(self, ctx: Context, data: Data, recipe: Recipe) -> None:
        self._data, self._recipe = data, recipe
        self._symbols = Symbols.of(data.signature)
        self._form = _form(self.spec, len(self._symbols))
        train = data.split("train", holdout=recipe.holdout)
        self._characters_per_symbol = self._characters(train) / len(train)
        self._train = Sequences(train, ctx.device, recipe.length)

    def output_form(self) -> OutputForm:
        """Return what forward returns for symbols (batch, time)."""
        return self._form

    def epoch_steps(self, recipe: Recipe) -> int:
        """Return the steps of one pass over train."""
        return epoch_steps(self._train, recipe)

    def example_input(self, ctx: Context, batch_size: int) -> Tensor:
        """Return sequences from the start of train, int64 (batch, length)."""
        length = int(self._recipe.length)
        return self._train.first(batch_size * length)["x"].view(batch_size, length).long()

    def train(self, ctx: Context, model: nn.Module, recipe: Recipe) -> Iterator[Step | Phase | Stop]:
        """Let a model that counts count all of train, and take `recipe.steps` steps with one that has parameters."""
        if hasattr(model, "count"):
            counted = self._count(cast(Any, model), recipe)
            if not list(model.parameters()):
                yield from self._at_once(ctx, counted, recipe)
                return
        carries = carries_state(model)
        self._train.carry = int(recipe.carry) if carries else 1
        if carries and recipe.optimizer == "lbfgs":
            raise RecipeError("optimizer=lbfgs reads a batch several times, and a carried state moves on: take another")
        state: State = None
        sequences = 0

        def loss_and_score(model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
            nonlocal state, sequences
            x, targets = batch["x"][:, :-1], batch["x"][:, 1:]
            if carries:
                old = detached(state) if sequences % recipe.carry else None
                logits, state = cast(Any, model).advance(x, old)
                sequences += 1
            else:
                logits = model(x)
            self._form.require(logits, x)
            loss = nn.functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten())
            return loss, loss.detach() * (BITS_PER_NAT / self._characters_per_symbol)

        for step in supervised_steps(ctx, model, self._train, loss_and_score, recipe):
            step.n = round(step.n * recipe.length * self._characters_per_symbol)
            yield step

    def _count(self, model: Any, recipe: Recipe) -> int:
        """Let the model count train. Return how many symbols it counted."""
        split = self._data.split("train", holdout=recipe.holdout)
        x = cast(Array, split.columns["x"])
        counted: int = model.count(torch.from_numpy(x if split.rows is None else x[split.rows]))
        return counted

    def _at_once(self, ctx: Context, counted: int, recipe: Recipe) -> Iterator[Step | Stop]:
        """Yield the only step of a model that has counted, and the end of its budget."""
        steps = 1 if ctx.budget_s is not None else recipe.steps
        yield Step(round(counted * self._characters_per_symbol), steps=steps)
        if ctx.budget_s is not None:
            yield Stop("all of train is counted")

    def evaluate(self, ctx: Context, model: nn.Module, split: str) -> Evaluation:
        text = _text(self._data.split(split, holdout=self._recipe.holdout), MAX_SCORED[split])
        bits = self._bits(ctx, model, text, split)
        begins = self._symbols.begins_character(text.numpy())
        score = float(bits.sum(dtype=np.float64) / begins.sum())
        scores = {self.spec.metric: score}
        known: Mapping[str, float] = self._data.signature.extra.get("entropy", {})
        if split in known:
            scores["excess_bits"] = score - known[split]
        return Evaluation(scores, self._tables(text.numpy(), bits, known), {"score": passages(bits, begins)})

    def _bits(self, ctx: Context, model: nn.Module, text: Tensor, split: str) -> Array:
        """Return the bits of each symbol, float32 (n,). Raises DivergedError if one is not finite."""
        unknown_bits, finite = self._symbols.unknown_bits, FiniteOutputs()
        text = text.to(ctx.device)
        require_causal(model, text[None, : self._recipe.length], self._form)
        bits = score_text(model, text, self._form, length=self._recipe.length, unknown_bits=unknown_bits)
        finite.add(bits)
        finite.require(f"symbols of {split}")
        return bits.cpu().numpy()

    def _tables(self, text: Array, bits: Array, known: Mapping[str, float]) -> dict[str, Table]:
        """Return the most frequent symbols with their cost, and what the entropy of the data is if it is known."""
        names = self._symbols.names
        counts = np.bincount(text, minlength=len(names))
        costs = np.bincount(text, bits, len(names))
        order = np.argsort(-counts, kind="stable")[:MAX_ROWS]
        rows = [[names[row], int(counts[row]), float(costs[row] / counts[row])] for row in order if counts[row]]
        tables = {"symbols": Table(["symbol", "count", "mean bits"], rows)}
        if known:
            tables["entropy"] = Table(["text", "bits per character"], [[name, known[name]] for name in known])
        return tables

    def pictures(self, ctx: Context, model: nn.Module) -> dict[str, np.ndarray[Any, Any]]:
        """Draw the bits of the first characters of test, and the mean bits by place in a word."""
        text = _text(self._data.split("test", holdout=self._recipe.holdout), 20_000)
        return text_pictures(self._symbols.decode_each(text.numpy()), self._bits(ctx, model, text, "test"))

    def texts(self, ctx: Context, model: nn.Module) -> dict[str, str]:
        """Continue the first characters of test at several temperatures."""
        count = int(self._recipe.sample_length)
        if not count:
            return {}
        prompt = _text(self._data.split("test", holdout=self._recipe.holdout), PROMPT)
        found = {"prompt": self._symbols.decode(prompt.numpy())}
        for temperature, text in self._samples(ctx, model, prompt, TEMPERATURES, count):
            found[f"temperature {temperature:g}"] = text
        return found

    def predict(
        self,
        ctx: Context,
        model: nn.Module,
        signature: Signature,
        shape: tuple[int | None, ...],
        recipe: Recipe,
        files: Sequence[Path],
        top: int,
    ) -> Table:
        """Continue the text of each file at `top` temperatures, by default one."""
        self._symbols, self._recipe = Symbols.of(signature), recipe
        if len(self._symbols) != signature.outputs:
            raise WeightsError(f"the checkpoint names {len(self._symbols)} symbols for {signature.outputs} outputs")
        self._form = _form(self.spec, len(self._symbols))
        temperatures = (0.8, 0.5, 1.0)[: top or 1]
        rows = []
        for path in files:
            prompt = torch.from_numpy(self._symbols.encode(read_text(path, MAX_PROMPT_BYTES)))
            for temperature, text in self._samples(ctx, model, prompt, temperatures, PREDICTED):
                rows.append([str(path), f"{temperature:g}", text])
        return Table(["file", "temperature", "continuation"], rows)

    def _samples(
        self, ctx: Context, model: nn.Module, prompt: Tensor, temperatures: Sequence[float], count: int
    ) -> Iterator[tuple[float, str]]:
        generator = torch.Generator(ctx.device).manual_seed(ctx.seed + SAMPLE_SEED)
        window = int(self._recipe.length)
        written = continue_text(
            model,
            prompt.to(ctx.device),
            temperatures=temperatures,
            count=count,
            window=window,
            generator=generator,
        )
        for temperature, numbers in zip(temperatures, written.cpu().numpy(), strict=True):
            yield temperature, self._symbols.decode(numbers)

    def _characters(self, split: Split) -> int:
        """Count the characters of a split, in blocks."""
        x = np.asarray(split.columns["x"])
        if self._symbols.characters or split.rows is not None:
            return len(split)
        blocks = range(0, len(x), 1 << 24)
        return max(1, sum(int(self._symbols.begins_character(x[start : start + (1 << 24)]).sum()) for start in blocks))


def _form(spec: TaskSpec, symbols: int) -> OutputForm:
    return OutputForm(kind=spec.kind, shape=lambda x: (*x.shape, symbols), values="logits")


def _text(split: Split, most: int | None = None) -> Tensor:
    """Return the symbols of a split, or the first of them, on the CPU: int64 (n,)."""
    x = cast(Array, split.columns["x"])
    chosen = x[:most] if split.rows is None else x[split.rows[:most]]
    return torch.from_numpy(chosen.astype(np.int64))


def passages(bits: Array, begins: Array) -> Array:
    """Return a value for each passage of a text whose mean is the bits per character: float64 (passages,).

    A passage has 256 symbols, or more in a text of over 20,000 passages. Shapes: bits, begins (n,).
    """
    size = max(PASSAGE, -(-len(bits) // MAX_PASSAGES))
    starts = np.arange(0, len(bits), size)
    costs, characters = (np.add.reduceat(values.astype(np.float64), starts) for values in (bits, begins))
    return ratio_by_example(costs[:, None], characters[:, None])

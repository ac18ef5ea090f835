"""Skip-gram and CBOW with negative sampling (Mikolov et al. 2013, arXiv:1301.3781 and arXiv:1310.4546), in batches.

A step takes pieces of the corpus, drops frequent words at random, and pairs the words that remain. Words that are
neighbours share their context words, and `GROUP` neighbours share their negatives. So all dot products of a step are
products of small matrices (the idea of Ji et al. 2016, arXiv:1604.04661), and no pair is ever a Python object. All
random numbers come from the context's generator, and nothing in a step waits for the device.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, cast

import torch
from torch import Tensor, nn

from zoo_core import Context, Recipe, Step
from zoo_core.outputs import OutputForm
from zoo_core.train import rate_factor
from zoo_text.words.tables import RowAdagrad

PIECE = 512  # words that are read in a row; pieces come in a random order
BLOCK = 16  # neighbouring words whose windows are one matrix
GROUP = 256  # neighbouring words that share their negatives; a multiple of BLOCK
SLACK = 1.1  # room for words that remain after the frequent ones were dropped, as a multiple of the expected number
NOISE_POWER = 0.75  # of the words' frequencies, for negatives
NO_WORD = -1  # also of no sentence
MIN_PROBABILITY = 1e-30  # in logs, so that a product with a weight of 0 is 0


class WordModel(Protocol):
    """A model that this training can train: `contexts`, like forward, maps words (...) to vectors (..., dimension)."""

    def __call__(self, words: Tensor) -> Tensor: ...

    def contexts(self, words: Tensor) -> Tensor: ...


@dataclass(frozen=True, slots=True)
class Corpus:
    """The text on the device. words int32 (n,); sentences int32 (n,), ascending numbers; counts int64 (vocabulary,)."""

    words: Tensor
    sentences: Tensor
    counts: Tensor

    def pieces(self, batch_size: int) -> tuple[int, int]:
        """Return the words of a piece, and the number of whole pieces in the corpus."""
        size = max(1, min(PIECE, batch_size, len(self.words)))
        return size, len(self.words) // size

    def epoch_steps(self, batch_size: int) -> int:
        """Return the steps of one pass: `batch_size` words a step, rounded down to whole pieces."""
        size, count = self.pieces(batch_size)
        return -(-count // max(1, batch_size // size))


@dataclass(frozen=True, kw_only=True, slots=True)
class Windows:
    """Words of one step with their contexts.

    centres int64 (blocks, BLOCK); contexts int64 (blocks, BLOCK + 2 * window), the centres and what is beside them;
    is_pair float (blocks, BLOCK, BLOCK + 2 * window), 1 where a context is in the window of a centre.
    """

    centres: Tensor
    contexts: Tensor
    is_pair: Tensor


def keep_probabilities(counts: Tensor, subsample: float) -> Tensor:
    """Return the probability with which each word is kept: sqrt(t / f) + t / f, at most 1, as in word2vec's code.

    counts: (vocabulary,); f is a word's share of the corpus and t is `subsample`; with 0 all words are kept.
    """
    if not subsample:
        return torch.ones(len(counts), device=counts.device)
    here = counts.cpu()  # some accelerators have no float64
    ratio = subsample * here.sum() / here.clamp(min=1).double()
    return (ratio.sqrt() + ratio).clamp(max=1).float().to(counts.device)


def noise_cdf(counts: Tensor) -> Tensor:
    """Return the cumulative distribution of negatives, float32 (vocabulary,): frequencies to the power 0.75."""
    weights = counts.cpu().double() ** NOISE_POWER  # some accelerators have no float64
    return (weights.cumsum(0) / weights.sum()).float().to(counts.device)


def draw_words(cdf: Tensor, shape: tuple[int, ...], generator: torch.Generator | None) -> Tensor:
    """Draw words int64 (shape) from a cumulative distribution."""
    points = torch.rand(shape, generator=generator, device=cdf.device)
    return torch.searchsorted(cdf, points, right=True).clamp_(max=len(cdf) - 1)


class Sampler:
    """Draws the windows of each step from a corpus, without end."""

    def __init__(self, corpus: Corpus, recipe: Recipe, generator: torch.Generator | None) -> None:
        self._corpus, self._generator = corpus, generator
        self._window: int = recipe.window
        self._keep = keep_probabilities(corpus.counts, recipe.subsample)
        self._piece, self._pieces = corpus.pieces(recipe.batch_size)
        self._per_step = max(1, recipe.batch_size // self._piece)
        share = float((self._keep * corpus.counts).sum() / corpus.counts.sum())
        words = self._per_step * self._piece
        room = min(words, math.ceil(SLACK * share * words + 4 * math.sqrt(words)))
        self._room = -(-room // GROUP) * GROUP  # words that remain in a step, at most
        places = torch.arange(BLOCK + 2 * self._window, dtype=torch.int32, device=corpus.words.device)
        self._distance = (places[None] - self._window - places[:BLOCK, None]).abs()  # of a context from a centre

    def steps(self) -> Iterator[tuple[int, Windows]]:
        """Yield the number of words that a step read, and the windows of those that remain."""
        corpus, device = self._corpus, self._corpus.words.device
        inside, spare = torch.arange(self._piece, device=device), len(corpus.words) - self._pieces * self._piece
        while True:
            shift = torch.randint(spare + 1, (1,), generator=self._generator, device=device)
            order = torch.randperm(self._pieces, generator=self._generator, device=device)
            for chosen in torch.split(order, self._per_step):
                places = chosen[:, None] * self._piece + inside + shift  # (pieces, words of a piece)
                # Different for each part of a sentence in a piece: later pieces have no earlier sentences.
                segments = corpus.sentences[places] + chosen[:, None].int()
                yield places.numel(), self._windows(corpus.words[places].flatten(), segments.flatten())

    def _windows(self, words: Tensor, segments: Tensor) -> Windows:
        """Drop frequent words and return the windows of the others. Shapes: both (n,)."""
        words, segments = self._subsample(words, segments)
        centres, centre_segments = words.view(-1, BLOCK), segments.view(-1, BLOCK)
        beside, beside_segments = self._with_neighbours(words), self._with_neighbours(segments)
        # The window of each word is as wide as chance has it, so that near words count more.
        reach = torch.randint(
            1, self._window + 1, centres.shape, generator=self._generator, device=words.device, dtype=torch.int32
        )
        is_pair = (self._distance <= reach[..., None]) & (self._distance > 0) & (centres >= 0)[..., None]
        is_pair &= centre_segments[..., None] == beside_segments[:, None]
        return Windows(
            centres=centres.clamp(min=0).long(), contexts=beside.clamp(min=0).long(), is_pair=is_pair.float()
        )

    def _subsample(self, words: Tensor, segments: Tensor) -> tuple[Tensor, Tensor]:
        """Keep some of the words (n,), in order, and fill up with NO_WORD to the room of a step.

        A selection by a mask would wait for the device to learn how many words remain.
        """
        kept = torch.rand(len(words), generator=self._generator, device=words.device) < self._keep[words]
        last = self._room  # a place for the dropped words, and for those beyond the room
        place = torch.where(kept, kept.cumsum(0) - 1, last).clamp_(max=last)
        return self._packed(words, place), self._packed(segments, place)

    def _packed(self, values: Tensor, place: Tensor) -> Tensor:
        packed = torch.full((self._room + 1,), NO_WORD, dtype=values.dtype, device=values.device)
        return packed.scatter_(0, place, values)[:-1]

    def _with_neighbours(self, values: Tensor) -> Tensor:
        """Cut values (room,) into blocks with `window` more on each side: (blocks, BLOCK + 2 * window)."""
        padded = nn.functional.pad(values, (self._window, self._window), value=NO_WORD)
        return padded.unfold(0, BLOCK + 2 * self._window, BLOCK)


class _PairLoss(torch.autograd.Function):
    """The loss of `pair_loss`: one exponential for each pair, and gradients that need no copies, unlike autograd's."""

    @staticmethod
    def forward(ctx: Any, one: Tensor, other: Tensor, weights: Tensor, sign: float) -> Tensor:
        probability = (one @ other.transpose(1, 2)).float().mul_(sign).sigmoid_()
        slope = (probability - 1).mul_(weights).mul_(sign)
        ctx.save_for_backward(one, other, slope.to(one.dtype))
        return -(probability.clamp_(min=MIN_PROBABILITY).log_().mul_(weights)).sum()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        one, other, slope = ctx.saved_tensors
        slope = slope * gradients[0]
        return slope @ other, slope.transpose(1, 2) @ one, None, None


def pair_loss(one: Tensor, other: Tensor, weights: Tensor, sign: float = 1.0) -> Tensor:
    """Compute the sum of weights * -log sigmoid(sign * a.b) over all pairs of a vector a and a vector b of one batch.

    Shapes: one (batch, n, d); other (batch, m, d); weights broadcasts to (batch, n, m); the sum is a scalar.
    """
    return cast(Tensor, _PairLoss.apply(one, other, weights, sign))


def skip_gram_loss(vectors: Tensor, contexts: Tensor, negatives: Tensor, is_pair: Tensor, per_pair: int) -> Tensor:
    """Each word predicts each word in its window.

    Shapes: vectors (blocks, BLOCK, d) of the centres; contexts (blocks, BLOCK + 2 * window, d); negatives (groups, m,
    d); is_pair as in `Windows`. Each pair has `per_pair` negatives: m shared ones count `per_pair` / m each.
    """
    pairs = is_pair.sum(-1)  # of each centre
    positive = pair_loss(vectors, contexts, is_pair)
    return positive + _negative_loss(vectors, negatives, pairs * (per_pair / negatives.shape[1]))


def cbow_loss(vectors: Tensor, contexts: Tensor, negatives: Tensor, is_pair: Tensor, per_pair: int) -> Tensor:
    """The mean vector of the words in a window predicts the word in its middle.

    Shapes: vectors (blocks, BLOCK + 2 * window, d) of the words beside; contexts (blocks, BLOCK, d) of the centres;
    the others as in `skip_gram_loss`.
    """
    pairs = is_pair.sum(-1)
    means = (is_pair / pairs.clamp(min=1)[..., None]) @ vectors.to(is_pair.dtype)
    has_window = (pairs > 0).float()
    scores = (means * contexts).sum(-1)
    positive = -(nn.functional.logsigmoid(scores.float()) * has_window).sum()
    return positive + _negative_loss(means, negatives, has_window * (per_pair / negatives.shape[1]))


def _negative_loss(vectors: Tensor, negatives: Tensor, weights: Tensor) -> Tensor:
    grouped = vectors.reshape(len(negatives), -1, vectors.shape[-1])
    return pair_loss(grouped, negatives, weights.view(*grouped.shape[:2], 1), sign=-1.0)


def training_steps(ctx: Context, model: nn.Module, corpus: Corpus, recipe: Recipe, form: OutputForm) -> Iterator[Step]:
    """Yield `recipe.steps` steps of skip-gram or CBOW, as `recipe.objective` says.

    form: of what forward and `contexts` must return. Logs: `loss`, for each prediction: of a context word with its
    negatives (skip-gram), or of a word (CBOW).
    """
    trained = cast(WordModel, getattr(model, "_orig_mod", model))  # a compiled model is trained as it is
    optimizer, cdf = RowAdagrad(cast(nn.Module, trained)), noise_cdf(corpus.counts)
    windows = Sampler(corpus, recipe, ctx.generator).steps()
    skip_gram = recipe.objective == "skip-gram"
    for _ in range(recipe.steps):
        count, step = next(windows)
        groups = -(-step.centres.numel() // GROUP)
        negatives = draw_words(cdf, (groups, recipe.shared_negatives), ctx.generator)
        inputs, targets = (step.centres, step.contexts) if skip_gram else (step.contexts, step.centres)
        vectors = trained(inputs)
        form.require(vectors, inputs)
        contexts, noise = trained.contexts(targets), trained.contexts(negatives)
        form.require(contexts, targets)
        loss_of = skip_gram_loss if skip_gram else cbow_loss
        loss = loss_of(vectors, contexts, noise, step.is_pair, recipe.negatives)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step(recipe.lr * rate_factor(recipe.schedule, 0.0, ctx.progress()))
        predictions = step.is_pair.sum() if skip_gram else (step.is_pair.sum(-1) > 0).sum()
        yield Step(count, {"loss": loss.detach() / predictions.clamp(min=1)})

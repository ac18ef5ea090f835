"""A synthetic language with planted analogies, drawn by a seeded generator.

Six relations have 24 pairs of words each, such as a noun and its plural. What stands around a word depends on two
things: on the *topics* of its pair, which both words of the pair share, and on its *role*, which all first words, or
all second words, of a relation share. So `b - a` is the change from the first role to the second one, whatever the
topics are, and `a : b :: c : d` holds in distribution. Everything else makes this hard to see: function words are a
third of the text, words of all kinds follow Zipf's law, pairs share topics, and words of other pairs stand between.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from zoo_core.data.columns import Array

RELATIONS = ("plural", "past", "feminine", "capital", "comparative", "demonym")
ENDINGS = ("n", "t", "ra", "polis", "sso", "ki")
PAIRS = 24  # of each relation
VAL_PAIRS = 6  # of each relation, whose questions are val; the others are test
TOPICS, TOPIC_WORDS = 36, 16
ROLE_WORDS = 10  # of each of the two roles of a relation
FUNCTION_WORDS = 40
SENTENCES = 100_000
LENGTHS = (6, 14)  # words of a sentence, both included
SHARES = {"function": 0.36, "topic": 0.32, "role": 0.22, "other": 0.1}  # of the words around a pair's word
MAIN_TOPIC = (0.5, 0.85)  # range of the share of a pair's first topic in its topic words; the second one has the rest
SEED = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Text:
    """Sentences as numbers of words: words int32 (n,), sentence i is `words[offsets[i]:offsets[i + 1]]`."""

    words: Array
    offsets: Array


class Language:
    """The words, their planted distributions, and the text.

    words: their names; the 2 x 24 x 6 words of the pairs come first: number (relation * PAIRS + pair) * 2 + side.
    topics: int64 (pairs of all relations, 2), the first and the second topic of each. main: float64, the share of the
    first one.
    """

    def __init__(self, seed: int = SEED) -> None:
        self._rng = np.random.default_rng(seed)
        self.words = self._names()
        self.topics = np.stack([self._rng.permutation(TOPICS)[:2] for _ in range(self.pairs)])
        self.main = self._rng.uniform(*MAIN_TOPIC, self.pairs)

    @property
    def pairs(self) -> int:
        return len(RELATIONS) * PAIRS

    @property
    def relations(self) -> tuple[str, ...]:
        return RELATIONS

    def questions(self, split: str) -> tuple[Array, Array, Array]:
        """Return the questions of val or test: all ordered pairs of two pairs of one relation.

        Shapes: words int64 (n, 4): a is to b as c is to d; relations (n,); the number of the pair (c, d), (n,).
        """
        chosen = np.arange(VAL_PAIRS) if split == "val" else np.arange(VAL_PAIRS, PAIRS)
        first, second = (part.ravel() for part in np.meshgrid(chosen, chosen, indexing="ij"))
        first, second = first[first != second], second[first != second]
        relation = np.repeat(np.arange(len(RELATIONS)), len(first))
        ab, cd = (relation * PAIRS + np.tile(pair, len(RELATIONS)) for pair in (first, second))
        return np.column_stack([2 * ab, 2 * ab + 1, 2 * cd, 2 * cd + 1]), relation, cd

    def _names(self) -> tuple[str, ...]:
        count = self.pairs + TOPICS * TOPIC_WORDS + 2 * len(RELATIONS) * ROLE_WORDS + FUNCTION_WORDS
        syllables = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
        stems: dict[str, None] = {}  # in order, without repetitions
        while len(stems) < count:
            stems["".join(self._rng.choice(syllables, 3))] = None
        names = iter(stems)
        pair_words = [word for ending in ENDINGS for _ in range(PAIRS) for word in _with_ending(next(names), ending)]
        return (*pair_words, *names)

    @cached_property
    def contexts(self) -> Array:
        """The planted distribution of the words around each pair's word, float64 (pair words, words); rows sum to 1.

        Words of other pairs are left out: they depend on the topics too.
        """
        table = np.zeros((2 * self.pairs, len(self.words)))
        topic_zipf, role_zipf, function_zipf = map(zipf, (TOPIC_WORDS, ROLE_WORDS, FUNCTION_WORDS))
        word = np.arange(2 * self.pairs)[:, None]
        main = self.main[word // 2]
        for place, share in enumerate((main, 1 - main)):
            topic = self.topics[word // 2, place]
            table[word, self._topic_word(topic, np.arange(TOPIC_WORDS))] += SHARES["topic"] * share * topic_zipf
        table[word, self._role_word(_role(word), np.arange(ROLE_WORDS))] += SHARES["role"] * role_zipf
        table[word, self._function_word(np.arange(FUNCTION_WORDS))] += SHARES["function"] * function_zipf
        distributions: Array = table / table.sum(axis=1, keepdims=True)
        return distributions

    def similarity(self, one: Array, other: Array) -> Array:
        """Compute the Bhattacharyya coefficient of the contexts of words (n,): 1 for equal distributions."""
        roots = np.sqrt(self.contexts)
        coefficients: Array = (roots[one] * roots[other]).sum(axis=1)
        return coefficients

    def text(self, sentences: int = SENTENCES) -> Text:
        """Draw sentences. Each is about one word of a pair, which stands at a random place in it."""
        rng = self._rng
        lengths = rng.integers(LENGTHS[0], LENGTHS[1] + 1, sentences)
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        # Rank 1 of Zipf's law is a random pair of a random relation, so that relations are equally frequent.
        ranks = rng.choice(self.pairs, sentences, p=zipf(self.pairs))
        subject = 2 * rng.permutation(self.pairs)[ranks] + rng.integers(0, 2, sentences)
        around = np.repeat(subject, lengths)
        words = self._draw_around(around)
        words[offsets[:-1] + rng.integers(0, lengths)] = subject
        return Text(words=words.astype(np.int32), offsets=offsets.astype(np.int64))

    def _draw_around(self, subject: Array) -> Array:
        """Draw one word of the surroundings of each of these words (n,)."""
        rng, count = self._rng, len(subject)
        sort = rng.choice(len(SHARES), count, p=list(SHARES.values()))
        topic = self.topics[subject // 2, (rng.random(count) >= self.main[subject // 2]).astype(np.int64)]
        choices = (
            self._function_word(rng.choice(FUNCTION_WORDS, count, p=zipf(FUNCTION_WORDS))),
            self._topic_word(topic, rng.choice(TOPIC_WORDS, count, p=zipf(TOPIC_WORDS))),
            self._role_word(_role(subject), rng.choice(ROLE_WORDS, count, p=zipf(ROLE_WORDS))),
            self._other_word(topic),
        )
        words: Array = np.choose(sort, choices)
        return words

    def _other_word(self, topic: Array) -> Array:
        """Draw a word of any pair with this main topic, or of any pair if the topic is no pair's (n,)."""
        order = np.argsort(self.topics[:, 0], kind="stable")
        first = np.searchsorted(self.topics[order, 0], topic)
        count = np.searchsorted(self.topics[order, 0], topic, side="right") - first
        place = np.where(count > 0, first + (self._rng.random(len(topic)) * count).astype(np.int64), 0)
        anyone = self._rng.integers(0, self.pairs, len(topic))
        pair = np.where(count > 0, order[place], anyone)
        words: Array = 2 * pair + self._rng.integers(0, 2, len(topic))
        return words

    def _topic_word(self, topic: Array, rank: Array) -> Array:
        return 2 * self.pairs + topic * TOPIC_WORDS + rank

    def _role_word(self, role: Array, rank: Array) -> Array:
        return 2 * self.pairs + TOPICS * TOPIC_WORDS + role * ROLE_WORDS + rank

    def _function_word(self, rank: Array) -> Array:
        return 2 * self.pairs + TOPICS * TOPIC_WORDS + 2 * len(RELATIONS) * ROLE_WORDS + rank


def _role(word: Array) -> Array:
    """Return the role of each of these words, from 0: two for each relation."""
    role: Array = 2 * (word // (2 * PAIRS)) + word % 2
    return role


def _with_ending(stem: str, ending: str) -> tuple[str, str]:
    return stem, stem + ending


def zipf(count: int) -> Array:
    """Return Zipf's law for ranks from 1 to `count`: probabilities (count,) in proportion to 1 / rank.

    >>> zipf(2).round(3).tolist()
    [0.667, 0.333]
    """
    weights = 1 / np.arange(1, count + 1)
    shares: Array = weights / weights.sum()
    return shares

"""A language whose entropy is known exactly: sentences of a probabilistic grammar with agreement between words.

    sentence = subject verb object [", " subject's noun verb] ".\\n"
    subject, object = adjective* noun; each with a gender, which the endings of its adjectives show
    verb = stem with an ending for the gender of the subject

After each adjective stands another one with a probability of 0.4. Words are drawn by Zipf's law. Endings and the
repeated noun are no choice, so a model that remembers the subject predicts them for nothing, and one that sees a few
characters cannot. No form belongs to two words, and words stand between spaces, so every text has exactly one
derivation: its information is that of the choices. By the law of large numbers the entropy rate is the expected
information of a sentence divided by its expected length (Cover and Thomas 2006, Elements of Information Theory,
section 4.2, for a process that starts anew with each sentence).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from zoo_core.data.columns import Array

SEED = 16
GENDERS = np.array([0.5, 0.3, 0.2])
NOUNS, ADJECTIVES, VERBS = 60, 40, 60  # nouns of each gender; stems of adjectives and verbs
MORE, TAG = 0.4, 0.5  # the probabilities of another adjective, and of the second clause
ADJECTIVE_ENDINGS, VERB_ENDINGS = ("an", "el", "ir"), ("os", "ut", "em")
CHARACTERS = 500_000
CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"


def zipf(count: int) -> Array:
    """Return probabilities in proportion to 1, 1/2, 1/3, ...: float64 (count,)."""
    weights = 1 / np.arange(1, count + 1)
    probabilities: Array = weights / weights.sum()
    return probabilities


def entropy(probabilities: Array) -> float:
    """Return the entropy in bits.

    >>> entropy(np.array([0.5, 0.25, 0.25]))
    1.5
    """
    return float(-(probabilities * np.log2(probabilities)).sum())


@dataclass(frozen=True, kw_only=True, slots=True)
class Grammar:
    """The words: nouns by gender, and the stems of adjectives and verbs; each list in the order of Zipf's law."""

    nouns: tuple[tuple[str, ...], ...]
    adjectives: tuple[str, ...]
    verbs: tuple[str, ...]

    @classmethod
    def standard(cls, seed: int = SEED) -> Grammar:
        """Draw words of two to five syllables until no two words share a form."""
        drawn: dict[str, None] = {}
        rng = np.random.default_rng(seed)
        forms: set[str] = set()
        while len(drawn) < 3 * NOUNS + ADJECTIVES + VERBS:
            stem = _stem(rng.random(7))
            own = {stem, *(stem + ending for ending in (*ADJECTIVE_ENDINGS, *VERB_ENDINGS))}
            if not own & forms:
                drawn[stem] = None
                forms |= own
        stems = iter(drawn)
        nouns = tuple(tuple(itertools.islice(stems, NOUNS)) for _ in GENDERS)
        adjectives = tuple(itertools.islice(stems, ADJECTIVES))
        return cls(nouns=nouns, adjectives=adjectives, verbs=tuple(stems))

    @property
    def sentence_bits(self) -> float:
        """The expected information of a sentence."""
        verb = entropy(zipf(VERBS))
        adjectives = (_decision(MORE) + MORE * entropy(zipf(ADJECTIVES))) / (1 - MORE)
        phrase = entropy(GENDERS) + adjectives + entropy(zipf(NOUNS))
        return 2 * phrase + verb + _decision(TAG) + TAG * verb

    @property
    def sentence_characters(self) -> float:
        """The expected length of a sentence."""
        noun = float(GENDERS @ np.array([_mean_length(nouns) for nouns in self.nouns]))
        adjectives = MORE / (1 - MORE) * (_mean_length(self.adjectives) + len("an") + len(" "))
        verb = _mean_length(self.verbs) + len("os")
        tag = len(", ") + noun + len(" ") + verb
        return 2 * (adjectives + noun) + len(" ") + verb + len(" ") + TAG * tag + len(".\n")

    @property
    def bits_per_character(self) -> float:
        """The entropy rate."""
        return self.sentence_bits / self.sentence_characters


def _decision(probability: float) -> float:
    return entropy(np.array([probability, 1 - probability]))


def _mean_length(words: tuple[str, ...]) -> float:
    return float(zipf(len(words)) @ np.array([len(word) for word in words]))


def _stem(draws: Array) -> str:
    """Make a word of one or two syllables and a last consonant from seven numbers in [0, 1)."""
    consonants = [CONSONANTS[int(draw * len(CONSONANTS))] for draw in draws[:3]]
    vowels = [VOWELS[int(draw * len(VOWELS))] for draw in draws[3:5]]
    both = consonants[0] + vowels[0] + consonants[1]
    return both if draws[5] < 0.3 else both + vowels[1] + consonants[2]


@dataclass(frozen=True, slots=True)
class Written:
    """A text, the ends of its sentences in characters, int64 (sentences,), and their bits, float64 (sentences,)."""

    text: str
    ends: Array
    bits: Array

    def bits_per_character(self, start: int, stop: int) -> float:
        """Return the information of a part of the text by its length; a sentence that it cuts counts in proportion."""
        edges = np.concatenate([[0], self.ends])
        total = np.concatenate([[0.0], np.cumsum(self.bits)])
        first, last = np.interp([start, stop], edges, total)
        return float(last - first) / (stop - start)


def write_text(grammar: Grammar, characters: int = CHARACTERS, seed: int = SEED) -> Written:
    """Draw sentences until the text has this many characters, and cut the last one."""
    count = int(characters / grammar.sentence_characters * 1.1) + 100
    writer = _Writer(grammar, count, seed)
    sentences, bits = zip(*map(writer.sentence, range(count)), strict=True)
    ends = np.cumsum([len(sentence) for sentence in sentences])
    return Written("".join(sentences)[:characters], ends, np.array(bits))


class _Writer:
    """Makes sentences from choices that are drawn at once, as lists, with the bits of each."""

    def __init__(self, grammar: Grammar, count: int, seed: int) -> None:
        self._grammar, rng = grammar, np.random.default_rng(seed)
        self._genders = rng.choice(len(GENDERS), (count, 2), p=GENDERS).tolist()
        self._nouns = rng.choice(NOUNS, (count, 2), p=zipf(NOUNS)).tolist()
        self._verbs = rng.choice(VERBS, (count, 2), p=zipf(VERBS)).tolist()
        counts = rng.geometric(1 - MORE, (count, 2)) - 1
        self._counts = counts.tolist()
        self._stems = iter(rng.choice(ADJECTIVES, int(counts.sum()), p=zipf(ADJECTIVES)).tolist())
        self._tags = (rng.random(count) < TAG).tolist()
        self._gender_bits, self._noun_bits = _bits(GENDERS), _bits(zipf(NOUNS))
        self._verb_bits, self._adjective_bits = _bits(zipf(VERBS)), _bits(zipf(ADJECTIVES))
        self._stop_bits, self._more_bits = _bits(np.array([1 - MORE, MORE]))
        self._tag_bits = _bits(np.array([1 - TAG, TAG]))

    def sentence(self, row: int) -> tuple[str, float]:
        """Return a sentence and its information in bits."""
        gender, verbs = self._genders[row][0], self._verbs[row]
        subject, bits = self._phrase(row, 0)
        thing, more = self._phrase(row, 1)
        forms = [self._grammar.verbs[number] + VERB_ENDINGS[gender] for number in verbs]
        bits += more + self._verb_bits[verbs[0]] + self._tag_bits[self._tags[row]]
        if not self._tags[row]:
            return f"{subject} {forms[0]} {thing}.\n", bits
        again = self._grammar.nouns[gender][self._nouns[row][0]]
        return f"{subject} {forms[0]} {thing}, {again} {forms[1]}.\n", bits + self._verb_bits[verbs[1]]

    def _phrase(self, row: int, place: int) -> tuple[str, float]:
        gender, noun, count = self._genders[row][place], self._nouns[row][place], self._counts[row][place]
        stems = [next(self._stems) for _ in range(count)]
        words = [self._grammar.adjectives[stem] + ADJECTIVE_ENDINGS[gender] for stem in stems]
        bits = self._gender_bits[gender] + self._noun_bits[noun] + count * self._more_bits + self._stop_bits
        bits += sum(self._adjective_bits[stem] for stem in stems)
        return " ".join([*words, self._grammar.nouns[gender][noun]]), bits


def _bits(probabilities: Array) -> list[float]:
    bits: list[float] = (-np.log2(probabilities)).tolist()
    return bits

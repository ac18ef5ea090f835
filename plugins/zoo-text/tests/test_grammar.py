"""The grammar: its texts have one derivation, and its entropy is that of the choices."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from zoo_text.char_rnn import ENTROPY
from zoo_text.grammar import (
    ADJECTIVE_ENDINGS,
    GENDERS,
    MORE,
    TAG,
    VERB_ENDINGS,
    Grammar,
    Written,
    write_text,
    zipf,
)


@pytest.fixture(scope="module")
def grammar() -> Grammar:
    return Grammar.standard()


@pytest.fixture(scope="module")
def written(grammar: Grammar) -> Written:
    return write_text(grammar, 150_000)


def parsed_bits(sentence: str, grammar: Grammar) -> float:
    """The information of a sentence, from its words alone: every word tells which choice it was."""
    nouns = {noun: (gender, row) for gender, words in enumerate(grammar.nouns) for row, noun in enumerate(words)}
    adjectives = {
        stem + ending: (gender, row)
        for row, stem in enumerate(grammar.adjectives)
        for gender, ending in enumerate(ADJECTIVE_ENDINGS)
    }
    verbs = {
        stem + ending: (gender, row)
        for row, stem in enumerate(grammar.verbs)
        for gender, ending in enumerate(VERB_ENDINGS)
    }
    assert (
        len(nouns) + len(adjectives) + len(verbs) == len({**nouns, **adjectives, **verbs}) == 3 * 60 + 3 * 40 + 3 * 60
    )
    main, _, tag = sentence.removesuffix(".\n").partition(", ")
    probability, subject, phrase_gender, seen = 1.0, None, None, 0
    for word in main.split(" "):
        if word in adjectives:
            gender, row = adjectives[word]
            assert phrase_gender in (None, gender)
            phrase_gender, probability = gender, probability * MORE * zipf(40)[row]
        elif word in nouns:
            gender, row = nouns[word]
            assert phrase_gender in (None, gender)
            probability *= (1 - MORE) * GENDERS[gender] * zipf(60)[row]
            subject, phrase_gender, seen = subject or (word, gender), None, seen + 1
        else:
            assert subject is not None
            assert (verbs[word][0], seen) == (subject[1], 1)
            probability *= zipf(60)[verbs[word][1]]
    assert seen == 2
    assert subject is not None
    if not tag:
        return -math.log2(probability * (1 - TAG))
    noun, verb = tag.split(" ")
    assert noun == subject[0]
    assert verbs[verb][0] == subject[1]
    return -math.log2(probability * TAG * zipf(60)[verbs[verb][1]])


def test_the_bits_of_a_sentence_are_those_of_its_only_derivation(grammar: Grammar, written: Written) -> None:
    sentences = re.findall(r"[^\n]*\n", written.text)[:500]
    assert [parsed_bits(sentence, grammar) for sentence in sentences] == pytest.approx(written.bits[:500].tolist())


def test_bits_and_lengths_of_sentences_have_the_expected_means(grammar: Grammar, written: Written) -> None:
    lengths = np.diff(written.ends, prepend=0)
    for values, mean in ((written.bits, grammar.sentence_bits), (lengths, grammar.sentence_characters)):
        error = values.std() / math.sqrt(len(values))
        assert abs(values.mean() - mean) < 4 * error
        assert error < 0.01 * mean


def test_the_entropy_rate_is_the_one_in_the_title(grammar: Grammar) -> None:
    assert grammar.bits_per_character == pytest.approx(ENTROPY, abs=1e-5)


def test_the_bits_of_a_part_add_up_to_those_of_the_whole(written: Written) -> None:
    halves = [written.bits_per_character(0, 60_000), written.bits_per_character(60_000, 150_000)]
    assert np.average(halves, weights=[60_000, 90_000]) == pytest.approx(written.bits_per_character(0, 150_000))
    first, second = written.ends[:2]
    assert written.bits_per_character(0, first) == pytest.approx(written.bits[0] / first)
    assert written.bits_per_character(first, second) == pytest.approx(written.bits[1] / (second - first))


def test_the_same_seed_writes_the_same_text(grammar: Grammar) -> None:
    assert write_text(grammar, 3000).text == write_text(grammar, 3000).text != write_text(grammar, 3000, seed=1).text

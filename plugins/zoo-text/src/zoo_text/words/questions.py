"""Analogy questions in the format of word2vec's `questions-words.txt`, and their division into val and test.

Lines `: NAME` begin a section; every other line is a question of four words, `athens greece oslo norway`: athens is to
greece as oslo is to norway. Lines that begin with `//` or `#` are comments. Words are compared in lower case.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np

from zoo_core import DamagedDataError
from zoo_core.data.columns import Array
from zoo_core.data.reading import shorten

COMMENTS = ("//", "#")
MAX_QUESTIONS = 100_000
MAX_NAME_CHARS = 60  # of a section
UNNAMED = "questions"  # the section of questions before the first name
VAL_DIVISOR, MIN_VAL_PAIRS = 5, 2  # a fifth of a section's pairs are val, and at least two
NO_WORD = -1
EXAMPLE = "`: capital` and below it `athens greece oslo norway`"

Question = tuple[str, str, str, str]
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Asked:
    """Questions as numbers of words.

    words int64 (n, 4): a is to b as c is to d. sections int64 (n,). pairs int64 (n,): the number of (c, d).
    names: of the sections. left_out: questions of each section with a word that the text lacks, or that ask for one
    of their own words; mixed: questions of each section with one pair of val and one of test, by section.
    """

    words: dict[str, Array]
    sections: dict[str, Array]
    pairs: dict[str, Array]
    names: tuple[str, ...]
    left_out: dict[str, int] = field(default_factory=dict)
    mixed: dict[str, int] = field(default_factory=dict)


def normal(word: str) -> str:
    """Return the form in which words are compared: lower case, in Unicode's composed form.

    >>> normal("Cafe\\u0301") == "caf\\u00e9"
    True
    """
    return unicodedata.normalize("NFC", word.lower())


def parse_questions(text: str, source: str) -> dict[str, list[Question]]:
    """Return the questions of each section that has any. `source` names the file, for errors.

    Raises DamagedDataError for a line that is not four words, with its number, for no question and for too many.

    >>> parse_questions(": capital\\nAthens Greece Oslo Norway\\n: empty\\n", "q.txt")
    {'capital': [('athens', 'greece', 'oslo', 'norway')]}
    """
    sections: dict[str, list[Question]] = {}
    name, count = UNNAMED, 0
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split()
        if not words or line.lstrip().startswith(COMMENTS):
            continue
        if words[0].startswith(":"):
            name = _section_name(line)
            continue
        if len(words) != 4:
            raise DamagedDataError(
                f"{source}, line {number}: {shorten(line.strip())!r} has {len(words)} "
                f"word{'' if len(words) == 1 else 's'}: a question has four, and a section begins with `: NAME`"
            )
        a, b, c, d = map(normal, words)
        sections.setdefault(name, []).append((a, b, c, d))
        count += 1
        if count > MAX_QUESTIONS:
            raise DamagedDataError(f"{source} has more than {MAX_QUESTIONS:,} questions: keep a part of them")
    if not sections:
        raise DamagedDataError(f"{source} holds no question: write for instance {EXAMPLE}")
    return sections


def _section_name(line: str) -> str:
    printable = "".join(character for character in line.strip()[1:] if character.isprintable()).strip()
    return printable[:MAX_NAME_CHARS] or UNNAMED


def divide(sections: Mapping[str, list[Question]], words: Mapping[str, int], source: str) -> Asked:
    """Translate the questions to numbers of `words`, and divide them into val and test by their pairs of words.

    A fifth of each section's pairs, chosen by their hash, is val. Questions with one pair of each are left out, so that
    no pair is in both splits. Raises DamagedDataError if a split is left without a question.
    """
    known = {name: [question for question in asked if _usable(question, words)] for name, asked in sections.items()}
    places: dict[Pair, int] = {}
    rows: dict[str, list[tuple[int, ...]]] = {"val": [], "test": []}
    mixed = dict.fromkeys(sections, 0)
    for section, (name, asked) in enumerate(known.items()):
        val = _val_pairs({pair for a, b, c, d in asked for pair in ((a, b), (c, d))})
        for a, b, c, d in asked:
            in_val = ((a, b) in val) + ((c, d) in val)
            if in_val == 1:
                mixed[name] += 1
                continue
            pair = places.setdefault((c, d), len(places))
            rows["val" if in_val else "test"].append((*(words[word] for word in (a, b, c, d)), section, pair))
    for split, found in rows.items():
        if not found:
            raise DamagedDataError(_too_few(split, sections, known, source))
    arrays = {split: np.array(found, np.int64) for split, found in rows.items()}
    return Asked(
        words={split: array[:, :4] for split, array in arrays.items()},
        sections={split: array[:, 4] for split, array in arrays.items()},
        pairs={split: array[:, 5] for split, array in arrays.items()},
        names=tuple(known),
        left_out={name: len(asked) - len(known[name]) for name, asked in sections.items()},
        mixed=mixed,
    )


def _usable(question: Question, words: Mapping[str, int]) -> bool:
    """Whether the text has all words, and the answer is not one of the words that the question excludes."""
    return all(word in words for word in question) and question[3] not in question[:3]


def _val_pairs(pairs: Iterable[Pair]) -> set[Pair]:
    in_order = sorted(pairs, key=lambda pair: blake2b("\0".join(pair).encode(), digest_size=16).digest())
    count = max(MIN_VAL_PAIRS, len(in_order) // VAL_DIVISOR)
    return set(in_order[:count]) if len(in_order) >= 2 * MIN_VAL_PAIRS else set()


def _too_few(split: str, sections: Mapping[str, list[Question]], known: Mapping[str, list[Question]], path: str) -> str:
    asked, usable = sum(map(len, sections.values())), sum(map(len, known.values()))
    if not usable:
        return f"{path}: none of its {asked} questions has four words that are frequent enough in the text"
    return (
        f"{path}: its {usable} questions with known words leave none for {split}, because val and test share no pair: "
        f"write sections of {2 * MIN_VAL_PAIRS} pairs or more, with questions for all pairs of pairs"
    )

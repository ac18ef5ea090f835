"""Targets: texts in several encodings, questions of analogies, and points in CSV."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from zoo_basics.two_classes.data import MAX_COORDINATE, read_points
from zoo_text.reading import read_blocks
from zoo_text.words.corpus import find_parts
from zoo_text.words.questions import parse_questions

TEXT = "Мой дядя самых честных правил,\r\nи так далее...\n\nTo be, or not to be: that's the question.\r"
QUESTIONS = ": capital-common\nAthens Greece Oslo Norway\n# a comment\n: gram1\nhe she king queen\ncat cats dog dogs\n"
POINTS = 'x,y,label\n0.5,-1e-3,red\n" 2",3.25,"blue, dark"\n-7,+8,red\n'


def text(path: Path) -> None:
    """Blocks of any size join to one text, which has no NUL, no mark and no carriage return."""
    whole = "".join(read_blocks(path))
    assert not set(whole) & {"\0", "\r"}
    assert "".join(read_blocks(path, 7)) == whole


def words(path: Path) -> None:
    """Words hold no space; an empty one marks the end of a sentence."""
    for part in find_parts(read_blocks(path, 16)):
        assert not any(character.isspace() for word in part for character in word)


def questions(path: Path) -> None:
    sections = parse_questions("".join(read_blocks(path)), str(path))
    assert all(len(words) == 4 for asked in sections.values() for words in asked)
    assert all(name.isprintable() for name in sections)


def points(path: Path) -> None:
    for x, y, label in read_points(path):
        assert max(abs(x), abs(y)) <= MAX_COORDINATE
        assert label.isprintable()


TARGETS: dict[str, tuple[Callable[[Path], Any], list[bytes]]] = {
    "text": (text, [TEXT.encode(), TEXT.encode("utf-8-sig"), TEXT.encode("utf-16"), TEXT.encode("utf-32")]),
    "words of a text": (words, [TEXT.encode(), TEXT.encode("utf-16")]),
    "questions of analogies": (questions, [QUESTIONS.encode(), QUESTIONS.encode("utf-16"), b"a b c d\n"]),
    "points in CSV": (points, [POINTS.encode(), POINTS.encode("utf-8-sig"), POINTS.replace(",", ", ").encode()]),
}

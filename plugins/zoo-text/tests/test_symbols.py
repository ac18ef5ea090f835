"""Characters and bytes as numbers, and back."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo_text.symbols import BYTES, CHARACTERS, UNICODE, Symbols, character_of, class_name

from zoo_core import Signature

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)


@settings(max_examples=40)
@given(character=st.characters(exclude_categories=["Cs"]))
def test_every_character_has_a_name_that_prints_and_leads_back(character: str) -> None:
    assert class_name(character).isprintable()
    assert character_of(class_name(character)) == character


@settings(max_examples=40)
@given(text=TEXT, others=TEXT)
def test_a_text_comes_back_from_its_symbols_with_a_mark_for_each_unknown_character(text: str, others: str) -> None:
    symbols = Symbols(tuple(sorted(set(others) | {"a"})))
    decoded = symbols.decode(symbols.encode(text))
    assert decoded == "".join(character if character in symbols.characters else "\ufffd" for character in text)
    assert symbols.encode(text).max(initial=0) < len(symbols)


@settings(max_examples=40)
@given(text=TEXT)
def test_the_bytes_of_a_text_begin_as_many_characters_as_it_has(text: str) -> None:
    symbols = Symbols()
    numbers = symbols.encode(text)
    assert symbols.decode(numbers) == text
    assert symbols.begins_character(numbers).sum() == len(text)
    assert len(numbers) == len(text.encode())


def test_the_symbols_of_a_signature_are_those_that_it_names() -> None:
    characters, of_bytes = Symbols(("\n", "ж", "U")), Symbols()
    for symbols, kind in ((characters, CHARACTERS), (of_bytes, BYTES)):
        signature = Signature(input_shape=(), classes=symbols.names, extra={"symbols": kind})
        assert Symbols.of(signature) == symbols
        assert len(symbols.names) == len(symbols)


@pytest.mark.parametrize("name", ["", "word", "U+", "U+110000", "U+-1", "U+99999999999999999999"])
def test_a_name_that_is_of_no_character_is_never_encoded_and_shown_as_unknown(name: str) -> None:
    symbols = Symbols.of(Signature(input_shape=(), classes=("unknown", name, "b"), extra={}))
    assert symbols.encode("ab").tolist() == [0, 2]
    assert symbols.decode([1, 2]) == "\ufffdb"


def test_an_unknown_character_costs_its_choice_among_the_others_of_unicode() -> None:
    assert 0x110000 - len(range(0xD800, 0xE000)) == UNICODE
    assert Symbols(("a", "b")).unknown_bits == pytest.approx(math.log2(UNICODE - 2))
    assert Symbols().unknown_bits == 0


def test_of_bytes_only_those_of_ascii_are_characters_alone() -> None:
    assert Symbols().decode_each(Symbols().encode("aж")) == ["a", "\ufffd", "\ufffd"]
    assert Symbols(("ж",)).decode_each(np.array([1, 0])) == ["ж", "\ufffd"]

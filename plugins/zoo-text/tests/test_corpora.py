"""The data sets: how a text is split, what its symbols are, and the errors for texts that do not serve."""

from __future__ import annotations

import tarfile
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from zoo_text import corpora, reading
from zoo_text.char_rnn import DATASETS
from zoo_text.corpora import Corpus, frequent_characters, gathered, joined_blocks
from zoo_text.symbols import Symbols

from zoo_core import Context, DamagedDataError, DataUnavailableError, UnknownSplitError
from zoo_core.data.open import data_context

SPECS = {spec.name: spec for spec in DATASETS}


def opened(name: str, root: Path, cache: Path) -> Any:
    spec = SPECS[name]
    maker = getattr(corpora, spec.entry.partition(":")[2])
    return maker(data_context(spec, Context(data_root=root, cache=cache)))


def text_of(corpus: Any, split: str) -> str:
    return Symbols.of(corpus.signature).decode(corpus.load(split)["x"])


@pytest.fixture(scope="module")
def texts(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("texts")
    with tarfile.open(test_data / "text.tar") as archive:
        archive.extractall(folder, filter="data")
    return folder / "text"


def test_the_last_twentieth_is_test_and_the_one_before_it_val(tmp_path: Path) -> None:
    text = "".join(f"{number:04}\n" for number in range(1000))
    (tmp_path / "a.txt").write_text(text)
    corpus = opened("own-text", tmp_path, tmp_path / "cache")
    assert [text_of(corpus, split) for split in ("train", "val", "test")] == [text[:4500], text[4500:4750], text[4750:]]
    assert corpus.signature.classes == ("unknown", "U+000A", *"0123456789")
    assert corpus.signature.outputs == 12
    assert corpus.load("train")["x"].dtype == np.uint8
    with pytest.raises(UnknownSplitError, match="train, val, test"):
        corpus.load("all")


def test_a_real_text_comes_back_but_for_characters_that_train_has_once(texts: Path, tmp_path: Path) -> None:
    text = (texts / "onegin.txt").read_text("utf-8")
    corpus = opened("own-text", texts / "onegin.txt", tmp_path)
    joined = "".join(text_of(corpus, split) for split in ("train", "val", "test"))
    assert len(joined) == len(text)
    train = text[: len(text) * 18 // 20]
    assert {before for before, now in zip(text, joined, strict=True) if before != now} == {
        character for character in set(text) if train.count(character) < 2
    }


@pytest.mark.parametrize("root", ["text.tar", "tinyshakespeare.txt", "folder"])
def test_tiny_shakespeare_is_found_in_an_archive_a_folder_or_alone(
    root: str, test_data: Path, texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    path = {"text.tar": test_data / "text.tar", "folder": texts}.get(root, texts / root)
    corpus = opened("tiny-shakespeare", path, tmp_path)
    assert text_of(corpus, "train").startswith("First Citizen:\nBefore we proceed any further")
    assert {split: len(corpus.load(split)["x"]) for split in ("train", "val", "test")} == {
        "train": 803_054,
        "val": 44_614,
        "test": 44_615,
    }
    assert corpus.signature.outputs == 65  # 64 characters and `unknown`: the dollar is there once


def test_bytes_are_split_at_the_same_characters(texts: Path, tmp_path: Path) -> None:
    characters = opened("own-text", texts / "onegin.txt", tmp_path)
    in_bytes = opened("own-bytes", texts / "onegin.txt", tmp_path)
    text = (texts / "onegin.txt").read_text("utf-8")
    assert "".join(text_of(in_bytes, split) for split in ("train", "val", "test")) == text
    for split in ("train", "val", "test"):
        x = in_bytes.load(split)["x"]
        assert Symbols().begins_character(x).sum() == len(characters.load(split)["x"])
    assert in_bytes.load("train")["x"].dtype == np.int16
    assert in_bytes.signature.extra["chance"]["bits_per_char"] == pytest.approx(
        np.log2(257) * len(text.encode()) / len(text)
    )


def test_several_texts_are_one_stream_with_a_line_end_between_them(tmp_path: Path) -> None:
    for number, text in enumerate(("ab", "cd\n", "ef"), 9):
        (tmp_path / f"{number}.txt").write_text(text)
    paths = [tmp_path / f"{number}.txt" for number in (9, 10, 11)]
    assert "".join(joined_blocks(paths)) == "ab\ncd\nef"


def test_short_blocks_are_joined_until_they_are_long_enough() -> None:
    assert list(gathered(iter(["a", "bc", "", "defg", "h"]), least=3)) == ["abc", "defg", "h"]
    assert list(gathered(iter([]), least=3)) == []


FAULTS = {
    "empty": (b"", DamagedDataError, "is empty"),
    "too short": (b"word " * 199, DataUnavailableError, "has 995 characters: at least 1,000 are needed"),
    "NUL bytes": (b"words\0" * 500, DamagedDataError, "NUL character near byte 5"),
    "latin-1": ("caf\xe9 ".encode("latin-1") * 500, DamagedDataError, "not text in UTF-8 at byte 3"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", ["own-text", "own-bytes", "tiny-shakespeare"])
def test_a_file_that_does_not_serve_is_one_line(fault: str, name: str, tmp_path: Path) -> None:
    content, kind, words = FAULTS[fault]
    path = tmp_path / "input.txt"
    path.write_bytes(content)
    with pytest.raises(kind, match=words) as caught:
        opened(name, path, tmp_path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["word " * 400, "a" * 2000, "\n" * 2000])
def test_a_text_of_one_line_or_of_one_character_is_a_text(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(text)
    corpus = opened("own-text", tmp_path / "a.txt", tmp_path)
    assert sum(len(corpus.load(split)["x"]) for split in ("train", "val", "test")) == 2000
    assert corpus.signature.outputs == len(set(text)) + 1


def test_utf_16_with_a_mark_is_the_same_text(tmp_path: Path) -> None:
    for name, encoding in (("a", "utf-8"), ("b", "utf-16")):
        (tmp_path / f"{name}.txt").write_bytes(("жили\r\nшли\n" * 200).encode(encoding))
    first, second = (opened("own-text", tmp_path / f"{name}.txt", tmp_path) for name in "ab")
    assert first.signature == second.signature
    assert np.array_equal(first.load("train")["x"], second.load("train")["x"])


def test_of_very_many_characters_the_most_frequent_are_symbols(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(corpora, "MAX_SYMBOLS", 4)
    assert frequent_characters(iter(["bbbbccc", "ddaaaae"])) == ("a", "b", "c")


def test_a_large_text_is_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BLOCK_BYTES", 1 << 16)
    size = 8 << 20
    (tmp_path / "a.txt").write_bytes(b"a line of text\n" * (size // 15))
    tracemalloc.start()
    try:
        corpus = Corpus(Context(cache=tmp_path), lambda: reading.read_blocks(tmp_path / "a.txt", reading.BLOCK_BYTES))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(corpus.load("train")["x"]) > 7_000_000
    assert isinstance(corpus.load("train")["x"], np.memmap)
    assert peak < 24 << 20  # counts and numbers of all code points; the symbols as int64 would be 64 MiB

"""Reading texts: encodings, blocks, and the errors for files that are no text."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from zoo_text.reading import find_text, find_texts, read_blocks, read_text

from zoo_core import Context, DamagedDataError, DatasetSpec, DataUnavailableError, Signature
from zoo_core.data.open import data_context

SPEC = DatasetSpec(
    name="texts", title="", origin="real", licence="", signature=Signature(input_shape=()), entry="m:n", plugin="p"
)


def context(root: Path) -> Context:
    return data_context(SPEC, Context(data_root=root))


def written(folder: Path, content: bytes) -> Path:
    path = folder / "a.txt"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("block_bytes", [1, 2, 3, 7, 1000])
def test_a_text_is_the_same_in_every_encoding_and_in_blocks_of_any_size(
    tmp_path: Path, encoding: str, block_bytes: int
) -> None:
    if encoding != "utf-8" and block_bytes < 4:
        block_bytes += 4  # a mark is looked for in the first block
    path = written(tmp_path, "Жили,\r\nшли\rпили 𝄞\n".encode(encoding))
    assert "".join(read_blocks(path, block_bytes)) == "Жили,\nшли\nпили 𝄞\n"


@settings(max_examples=40)
@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\ufeff"), min_size=1))
def test_every_text_in_utf_8_is_read_as_it_was_written(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = written(tmp_path_factory.mktemp("texts"), text.encode())
    assert "".join(read_blocks(path, 5)) == text


@settings(max_examples=40)
@given(content=st.binary(min_size=1))
def test_any_bytes_are_either_a_text_or_one_clear_line(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = written(tmp_path_factory.mktemp("texts"), content)
    try:
        text = "".join(read_blocks(path, 5))
    except DamagedDataError as error:
        text = str(error)
    assert "\0" not in text
    assert not text.startswith(f"{path} ") or text.isprintable()


FAULTS = {
    "latin-1": (
        "Le cœur a ses raisons".replace("œ", "oe").encode() + "é".encode("latin-1") + b" x",
        "UTF-8 at byte 22",
    ),
    "cut in a character": ("пили".encode()[:-1], "UTF-8 at byte 6"),
    "UTF-16 without a mark": ("a text".encode("utf-16-le"), "NUL character near byte 1"),
    "a NUL": (b"abc\0def", "NUL character near byte 3"),
    "half a character of UTF-16": ("ab".encode("utf-16")[:-1], "not valid UTF-16 at byte 4"),
    "empty": (b"", "is empty"),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("block_bytes", [4, 1000])
def test_a_file_that_is_no_text_is_one_line_with_the_place(tmp_path: Path, fault: str, block_bytes: int) -> None:
    content, words = FAULTS[fault]
    path = written(tmp_path, content)
    with pytest.raises(DamagedDataError, match=words) as caught:
        list(read_blocks(path, block_bytes))
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_place_of_a_fault_counts_the_blocks_before(tmp_path: Path) -> None:
    path = written(tmp_path, "ж".encode() * 5000 + b"\xff")
    with pytest.raises(DamagedDataError, match=r"at byte 10,000: convert it, as with `iconv -f LATIN1"):
        list(read_blocks(path, 333))


def test_a_whole_text_has_a_limit(tmp_path: Path) -> None:
    path = written(tmp_path, b"four")
    assert read_text(path, 4) == "four"
    with pytest.raises(DamagedDataError, match="4 bytes, over the limit of 3"):
        read_text(path, 3)


def test_a_data_root_is_a_file_a_folder_or_an_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "texts"
    (folder / "part").mkdir(parents=True)
    for name in ("part10.txt", "part9.TXT", "README.txt", "notes.md", "part/x.txt", ".hidden.txt"):
        (folder / name).write_text(name)
    (folder / "empty.txt").write_text("")
    with tarfile.open(tmp_path / "texts.tar", "w") as archive:
        archive.add(folder, "texts")
    names = ["part9.TXT", "part10.txt", "part/x.txt"]
    ctx = context(folder)
    assert [path.relative_to(folder).as_posix() for path in find_texts(ctx)] == names
    assert ctx.files is not None
    assert {path.name: why for path, why in ctx.files.left_out.items()} == {  # type: ignore[attr-defined]
        "README.txt": "about the data, by its name",
        "empty.txt": "empty file",
    }
    assert [path.name for path in find_texts(context(tmp_path / "texts.tar"))] == ["part9.TXT", "part10.txt", "x.txt"]
    assert find_texts(context(folder / "part9.TXT")) == [folder / "part9.TXT"]


def test_a_text_is_found_by_the_first_of_its_names(tmp_path: Path) -> None:
    for name in ("input.txt", "other.txt"):
        (tmp_path / name).write_text(name)
    assert find_text(context(tmp_path), ["absent.txt", "input.txt"]) == tmp_path / "input.txt"
    assert find_text(context(tmp_path / "other.txt"), ["input.txt"]) == tmp_path / "other.txt"
    with pytest.raises(DataUnavailableError, match=r"holds no x\.txt and no y\.txt: give --data-root a text file"):
        find_text(context(tmp_path), ["x.txt", "y.txt"])


def test_a_folder_without_texts_says_what_it_must_hold(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    with pytest.raises(DataUnavailableError, match=r"holds no text: give --data-root a text file, or a folder"):
        find_texts(context(tmp_path))

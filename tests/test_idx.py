"""IDX files: read by their definition, refused by name when damaged."""

from __future__ import annotations

import gzip
import os
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo_core import DamagedDataError, DataUnavailableError
from zoo_core.data.idx import read_idx


def idx(values: Any) -> bytes:
    """An IDX file of bytes, written by its definition."""
    array = np.asarray(values, np.uint8)
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.mark.parametrize("shape", [(5,), (0,), (2, 3), (4, 2, 3)])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_file_packed_or_not_is_an_array_of_its_sizes(tmp_path: Path, shape: tuple[int, ...], suffix: str) -> None:
    expected = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    path = tmp_path / f"values{suffix}"
    path.write_bytes(gzip.compress(idx(expected), mtime=0) if suffix else idx(expected))
    found = read_idx(path)
    assert found.dtype == np.uint8
    assert np.array_equal(found, expected)


IMAGES = np.zeros((2, 28, 28))
DAMAGED = {
    "a cut file": (idx(IMAGES)[:-1], "it is cut"),
    "sizes that overflow": (b"\0\0\x08\3" + b"\xff" * 12 + bytes(100), "it is cut"),
    "sizes that overflow beside one of 0": (b"\0\0\x08\3" + b"\xff" * 8 + bytes(4), "no array has"),
    "an empty file": (b"", "not an IDX file"),
    "another kind of file": (b"<html>not found</html>", "not an IDX file"),
    "a header alone": (idx(IMAGES)[:7], "not an IDX file"),
    "a wrong magic number": (b"\1" + idx(IMAGES)[1:], "not an IDX file"),
    "values that are no bytes": (b"\0\0\x0b" + idx(IMAGES)[3:], "not an IDX file"),
    "no dimensions": (b"\0\0\x08\0\1", "not an IDX file"),
    "four dimensions": (idx(np.zeros((1, 1, 1, 1))), "not an IDX file"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_an_error_of_one_line_that_names_it(tmp_path: Path, damage: str) -> None:
    content, words = DAMAGED[damage]
    path = tmp_path / "t10k-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(DamagedDataError, match=re.escape(words)) as caught:
        read_idx(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [gzip.compress(idx(IMAGES), mtime=0)[:-12], b"not packed at all", b""])
def test_a_damaged_gzip_file_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "images.gz"
    path.write_bytes(content)
    with pytest.raises(DamagedDataError, match=r"images\.gz"):
        read_idx(path)


def test_a_file_that_may_not_be_read_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, *_: object) -> int:
        raise PermissionError(13, "Permission denied", path)

    (tmp_path / "images").touch()
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(DataUnavailableError, match=r"images may not be read: change its permissions"):
        read_idx(tmp_path / "images")

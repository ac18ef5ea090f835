"""The artifacts of a record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo_core.runner import artifacts
from zoo_core.runner.artifacts import Artifacts


def test_pictures_are_numbered_files_whatever_their_names(tmp_path: Path) -> None:
    kept = Artifacts(tmp_path)
    kept.keep_pictures({"../../x": np.zeros((2, 2, 3), np.uint8), "<b>": np.zeros((2, 2, 3), np.uint8)})
    assert kept.pictures == {"../../x": "picture-0.png", "<b>": "picture-1.png"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["picture-0.png", "picture-1.png"]


def test_an_artifact_over_the_limit_is_left_out_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "MAX_ARTIFACT_BYTES", 10)
    kept = Artifacts(tmp_path)
    kept.keep_per_example({"score": np.zeros(11, np.uint8)})
    kept.keep_pictures({"big": np.zeros((9, 9, 3), np.uint8)})
    assert set(kept.left_out) == {"per-example results", "picture big"}
    assert not list(tmp_path.iterdir())
    kept.keep_per_example({"score": np.zeros(10, np.uint8)})
    assert kept.per_example == "per_example.npz"


def test_results_that_only_pickle_could_keep_are_left_out_and_the_others_kept(tmp_path: Path) -> None:
    kept = Artifacts(tmp_path)
    kept.keep_per_example({"score": np.array([{}], dtype=object), "loss": np.zeros(3)})
    assert "holds objects" in kept.left_out["per-example results score"]
    assert list(np.load(tmp_path / kept.per_example)) == ["loss"]


def test_texts_are_numbered_files_in_utf_8_whatever_their_names_and_characters(tmp_path: Path) -> None:
    kept = Artifacts(tmp_path)
    kept.keep_texts({"../../x": "é\x00\x1b[31m\u202e<b>\r\n", "empty": ""})
    assert kept.texts == {"../../x": "text-0.txt", "empty": "text-1.txt"}
    assert (tmp_path / "text-0.txt").read_bytes() == "é\x00\x1b[31m\u202e<b>\r\n".encode()
    assert kept.left_out == {}


BAD_TEXTS: dict[str, tuple[Any, str]] = {
    "bytes": (b"raw", "it is bytes, not a text"),
    "nothing": (None, "it is NoneType, not a text"),
    "half a surrogate pair": ("ab\ud800", "its character 2 is half of a surrogate pair"),
    "too long": ("x" * (artifacts.MAX_TEXT_BYTES + 1), "65,537 characters, over the limit of 65,536"),
    "too many bytes": ("é" * artifacts.MAX_TEXT_BYTES, "131,072 bytes, over the limit of 65,536"),
}


@pytest.mark.parametrize("case", BAD_TEXTS)
def test_a_text_that_cannot_be_kept_costs_only_itself(case: str, tmp_path: Path) -> None:
    kept, (text, reason) = Artifacts(tmp_path), BAD_TEXTS[case]
    kept.keep_texts({"before": "a", case: text, "a\nb": "c", "after": "b"})
    assert list(kept.texts) == ["before", "after"]
    assert kept.left_out[f"text {case}"] == reason
    assert len(kept.left_out) == 2


def test_too_many_texts_and_too_many_bytes_are_left_out_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Artifacts(tmp_path)
    kept.keep_texts({str(number): "" for number in range(artifacts.MAX_TEXTS + 1)})
    assert kept.left_out == {"text 100": "101 texts, over the limit of 100"}
    monkeypatch.setattr(artifacts, "MAX_ALL_TEXTS_BYTES", 5)
    less = Artifacts(tmp_path)
    less.keep_texts({"one": "abc", "two": "def", "three": "g"})
    assert list(less.texts) == ["one", "three"]
    assert less.left_out == {"text two": "6 bytes with the texts before, over the limit of 5"}

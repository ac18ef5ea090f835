"""`zoo predict` with a prompt, and the texts that it prints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo_core.cli.reuse import _inputs, _print_predictions
from zoo_core.errors import UsageError


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("model.safetensors",), "give files, or a text with --prompt"),
        (("model.safetensors", "a.txt", "--prompt", "b"), "give files or --prompt, not both"),
    ],
)
def test_either_files_or_a_prompt_are_needed(arguments: tuple[str, ...], words: str, zoo: Callable[..., Any]) -> None:
    told = zoo("predict", *arguments)
    assert told.code == 2
    assert words in told.err


def test_a_prompt_is_a_file_for_the_time_of_the_prediction() -> None:
    with _inputs([], "жили\r\n") as (path,):
        assert path.read_bytes() == "жили\r\n".encode()
    assert not path.exists()


def test_half_of_a_surrogate_pair_on_the_command_line_is_replaced() -> None:
    with _inputs([], "a\udcff") as (path,):
        assert path.read_text("utf-8") == "a?"


def test_files_are_taken_as_they_are() -> None:
    with _inputs([Path("a.txt")], None) as paths:
        assert paths == [Path("a.txt")]
    with pytest.raises(UsageError, match="not both"), _inputs([Path("a.txt")], ""):
        pass


def test_texts_of_several_lines_are_printed_below_their_row_without_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    _print_predictions(["file", "temperature", "text"], [["a", "0.5", "x\n\x1b[31my[b]"], ["b", "1", "z\u202e\n"]])
    assert capsys.readouterr().out == "file a, temperature 0.5:\nx\ny[b]\n\nfile b, temperature 1:\nz?\n\n\n"


def test_texts_of_one_line_are_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    _print_predictions(["file", "text"], [["a", "x y"]])
    assert capsys.readouterr().out.splitlines() == ["file  text", "a     x y"]

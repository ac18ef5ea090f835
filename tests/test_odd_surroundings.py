"""Commands work where the output has another encoding, is closed or is cut, and print names as they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.text import Text

from zoo_core.ui.console import complain, messages, output, print_table, say

NAME = "кот \N{PARTY POPPER} [red]:bug:[/x]\x1b[31m"
SHOWN = "кот \N{PARTY POPPER} [red]:bug:[/x]"


def run(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=cwd, env={**os.environ, **environment}, capture_output=True, check=False)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1251", "utf-8"])
def test_names_that_the_outputs_encoding_lacks_are_written_as_escapes(tmp_path: Path, encoding: str) -> None:
    words = ("-m", "zoo_core", "results", "list", "--results", NAME)
    ended = run(*words, cwd=tmp_path, PYTHONIOENCODING=encoding)
    assert (ended.returncode, ended.stderr) == (0, b"")
    shown = SHOWN.encode(encoding, "backslashreplace")
    assert ended.stdout.startswith(b"no records in " + shown + b";")


@pytest.mark.parametrize("encoding", ["ascii", "cp1251", "utf-8"])
def test_json_is_the_same_in_every_encoding(tmp_path: Path, encoding: str) -> None:
    code = f"from zoo_core.ui.console import print_json; print_json({ {NAME: NAME}!r})"
    ended = run("-c", code, cwd=tmp_path, PYTHONIOENCODING=encoding)
    assert json.loads(ended.stdout.decode(encoding)) == {NAME: NAME}


@pytest.mark.skipif(os.name != "posix", reason="closes file descriptors in a shell")
@pytest.mark.parametrize("closing", [">&-", "2>&-", ">&- 2>&-", "<&-"])
def test_a_closed_stream_is_no_error(tmp_path: Path, closing: str) -> None:
    shell = f'"{sys.executable}" -m zoo_core list {closing}'
    ended = subprocess.run(["sh", "-c", shell], cwd=tmp_path, capture_output=True, check=False)
    assert ended.returncode == 0
    assert b"Traceback" not in ended.stderr


@pytest.mark.skipif(os.name != "posix", reason="needs a shell's pipe")
def test_a_reader_that_leaves_early_gets_no_traceback(tmp_path: Path) -> None:
    shell = f'"{sys.executable}" -m zoo_core show cosine | head -c 4'
    ended = subprocess.run(["sh", "-c", shell], cwd=tmp_path, capture_output=True, check=False)
    assert (ended.stdout, ended.stderr) == (b"task", b"")


def test_names_are_printed_without_markup_emoji_codes_and_escape_sequences(capsys: pytest.CaptureFixture[str]) -> None:
    output().print(NAME)
    say(NAME)
    print_table(["name"], [[NAME]])
    messages().print(NAME)
    complain(NAME)
    say(NAME, err=True)
    printed = capsys.readouterr()
    assert printed.out.split("\n") == [SHOWN, SHOWN, "name", SHOWN, ""]
    assert printed.err.split("\n") == [SHOWN, f"error: {SHOWN}", SHOWN, ""]


def test_texts_that_come_to_the_console_with_a_style_lose_their_escape_sequences_too(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output().print(Text("a\x1b[2Jb", "bold"), Text.assemble("c\x9b31md", ("e\x1b", "red")))
    assert capsys.readouterr().out == "ab cde\n"

"""After a failure the terminal shows the reason, the end of what the trial printed, its log and what to try."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from zoo_core.results.records import Record, decode
from zoo_core.results.store import Store
from zoo_core.ui.advice import check_command, next_step
from zoo_core.ui.failures import MAX_DETAILED, MAX_PRINTED_LINES, failure_report, log_file, reason_text
from zoo_core.ui.formats import bare_name
from zoo_core.ui.harmless import final_lines, harmless, harmless_json

NETS = """
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(7, 1)

    def forward(self, x):
        for number in range(30):
            print("line", number)
        print("\\x1b[2J\\x1b]0;title\\x07", end="half a line")
        return self.layer(x)
"""


@pytest.fixture
def failed(zoo: Callable[..., Any]) -> tuple[Any, Record]:
    """A run of two seeds whose model does not fit the data; the record of one."""
    Path("nets.py").write_text(NETS)
    words = ("--model", "./nets.py:Net", "--max-steps", "2", "--device", "cpu", "--seeds", "2")
    done = zoo("bench", "cosine", *words)
    paths = sorted(Path("results").glob("*/*.json"))
    assert len(paths) == 2
    return done, decode(paths[0].read_bytes())


def test_a_failed_trial_shows_its_reason_its_last_lines_its_log_and_the_command_to_try(
    failed: tuple[Any, Record], zoo: Callable[..., Any]
) -> None:
    done, record = failed
    assert done.code == 1
    assert record.reason.endswith("(nets.py, line 14, in forward: x is (1, 1))")
    assert record.traceback.startswith("Traceback")
    shown = done.out.splitlines()
    (first,) = [number for number, line in enumerate(shown) if line.startswith("error  ")]
    told = "RuntimeError: mat1 and mat2 shapes cannot be multiplied (1x1 and 7x1)"
    assert f"cosine {bare_name(record.model.name)} seeds 0, 1: {told}" in shown[first]
    assert f"printed (the last {MAX_PRINTED_LINES} of 31 lines): results" in shown[first + 1]
    assert shown[first + 2] == "    | line 23"
    assert shown[first + 1 + MAX_PRINTED_LINES] == "    | half a line"
    assert "try `zoo check ./nets.py:Net --task cosine`" in shown[first + 2 + MAX_PRINTED_LINES]
    assert "\x1b" not in done.out
    result = zoo("results", "show", record.id)
    assert result.out.splitlines()[1] == record.reason
    assert str(Store(Path("results")).artifacts(record) / "log.txt") in result.out


def test_the_log_of_a_good_trial_is_named_too_and_one_that_printed_nothing_has_none(zoo: Callable[..., Any]) -> None:
    Path("nets.py").write_text(NETS.replace("Linear(7, 1)", "Linear(1, 1)"))
    zoo("bench", "cosine", "--model", "./nets.py:Net", "--model", "mlp", "--max-steps", "1", "--device", "cpu")
    shown = [zoo("results", "show", path.stem).out for path in sorted(Path("results").glob("*/*.json"))]
    assert sorted("printed: results" in text for text in shown) == [False, True]


def test_names_of_a_record_cannot_control_the_terminal(failed: tuple[Any, Record]) -> None:
    _, record = failed
    evil = replace(
        record,
        model=replace(record.model, name="unpackaged:net\x1b]0;title\x07"),
        command="zoo bench --model ./n\x1b[31m.py:Net",
        reason="RuntimeError: shape \x1b[2J",
    )
    Store(Path("results")).save(replace(evil, id="evil-record-1"))
    lines = list(failure_report([evil], Store(Path("results"))))
    assert any("zoo check" in line.text for line in lines)
    assert not any("\x1b" in line.text for line in lines)


def record_like(record: Record, **changes: Any) -> Record:
    return replace(record, **changes)


def test_a_sweep_with_many_failures_names_every_log_and_shows_the_first_in_full(
    failed: tuple[Any, Record], tmp_path: Path
) -> None:
    _, record = failed
    store = Store(tmp_path / "many")
    many = [record_like(record, id=f"id-{number}", reason=f"ValueError: {number}") for number in range(40)]
    for item in many:
        store.artifacts(item).mkdir(parents=True)
        (store.artifacts(item) / "log.txt").write_text(f"words {item.id}\n")
    lines = list(failure_report(many, store))
    assert sum(line.label == "error" for line in lines) == 40
    assert sum(line.text.startswith("| words") for line in lines) == MAX_DETAILED
    assert all(any(str(log_file(item, store)) in line.text for line in lines) for item in many)


@pytest.mark.parametrize(
    ("changes", "step"),
    [
        ({"status": "diverged", "recipe": {"lr": 0.1}}, "--set lr=0.01 (it was 0.1)"),
        ({"status": "out_of_memory", "recipe": {"batch_size": 64}}, "--set batch_size=32 (it was 64)"),
        ({"status": "timeout"}, "--timeout"),
        ({"reason": "ModuleNotFoundError: No module named 'einops'"}, "the module einops"),
        ({"reason": "RuntimeError: CUDA error: device-side assert triggered"}, "--device cpu"),
        (
            {"reason": "AttributeError: 'tuple' object has no attribute 'float'"},
            "`zoo check ./nets.py:Net --task cosine`",
        ),
        ({"reason": "AttributeError: 'tuple' object has no attribute 'float'"}, "forward seems to return a tuple"),
        ({"reason": "IndexError: Target 4 is out of bounds."}, "`zoo check"),
        ({"reason": "ValueError: Expected more than 1 value per channel", "recipe": {"batch_size": 1}}, "batch_size=2"),
    ],
)
def test_the_next_step_names_the_option_and_the_value(
    failed: tuple[Any, Record], changes: dict[str, Any], step: str
) -> None:
    assert step in next_step(record_like(failed[1], **changes))
    assert next_step(record_like(failed[1], reason="ValueError: none of these")) == ""


@pytest.mark.parametrize(
    ("model", "command", "name"),
    [
        ("zoo-mnist:cnn", "zoo bench mnist", "zoo-mnist:cnn"),
        ("unpackaged:b.net", "zoo bench mnist --model=./a.py:Net -m './my nets/b.py:Net'", "'./my nets/b.py:Net'"),
        (
            "zoo-mnist:cnn",
            "zoo bench mnist --data-root '/my data'",
            "zoo-mnist:cnn --task cosine --data-root '/my data'",
        ),
        ("unpackaged:notebook.net", "zoo.bench('mnist', model=Net)", "FILE.py:NAME"),
    ],
)
def test_the_check_is_of_the_model_as_the_command_named_it(
    failed: tuple[Any, Record], model: str, command: str, name: str
) -> None:
    record = record_like(failed[1], model=replace(failed[1].model, name=model), command=command)
    assert check_command(record).removesuffix(" --task cosine") == f"zoo check {name}"


def test_the_reason_of_an_older_record_is_the_line_that_tells(failed: tuple[Any, Record]) -> None:
    trace = 'Traceback (most recent call last):\n  File "/a/b.py", line 1, in f\n    x\nValueError: y\x1b[31m\n'
    assert reason_text(record_like(failed[1], reason=trace)) == "ValueError: y (b.py, line 1, in f)"
    assert reason_text(record_like(failed[1], reason="")) == "reason unknown"


@given(st.text())
def test_harmless_text_has_only_characters_that_print(text: str) -> None:
    kept = "\n\t\u200c\u200d"  # the last two are inside words of some languages
    assert all(char.isprintable() or char in kept or unicodedata.category(char) == "Zs" for char in harmless(text))
    assert harmless(harmless(text)) == harmless(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain words\n\ttab", "plain words\n\ttab"),
        ("می\u200cشود 12\u00a0% 七\u3000层", "می\u200cشود 12\u00a0% 七\u3000层"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;a title\x07after", "after"),
        ("\x1b]8;;http://a.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jwiped \x9d0;title\x9cend", "wiped end"),
        ("bell\a, override \u202e", "bell?, override ?"),
        ("\x1b]0;never ended\nnext line stays", "\nnext line stays"),
    ],
)
def test_escape_sequences_vanish_and_other_control_characters_become_question_marks(text: str, shown: str) -> None:
    assert harmless(text) == shown


@given(st.text())
def test_json_for_a_terminal_has_the_same_value_and_no_control_characters(text: str) -> None:
    shown = harmless_json(json.dumps([text], indent=1, ensure_ascii=False))
    assert json.loads(shown) == [text]
    assert not set(shown) & set("\x1b\x7f\x9b\u202e\x07")


def test_a_progress_bar_is_shown_as_it_ended_and_the_dump_of_a_crash_is_left_out() -> None:
    assert final_lines("10 %\r100 %\r\n\n  \nhalf\x1b[K\n") == ["100 %", "half"]
    assert final_lines("words\nFatal Python error: Aborted\n  File 'x', line 1 in f\n") == ["words"]

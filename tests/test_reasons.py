"""The reason of a failure is the line that tells: the error, its shapes, and the author's file and line."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo_core.reasons import MAX_CHARS, add_output, line_that_tells, reason_of

Fails = Callable[[str], BaseException]


@pytest.fixture
def fails(tmp_path: Path) -> Fails:
    """Run source as the file `net.py` of an author, and return the exception that it raises."""

    def run(source: str) -> BaseException:
        path = tmp_path / "net.py"
        path.write_text(textwrap.dedent(source).lstrip())
        try:
            exec(compile(path.read_text(), str(path), "exec"), {"__name__": "net"})
        except BaseException as error:
            return error
        raise AssertionError("it raised nothing")

    return run


def test_the_position_is_the_last_one_in_the_authors_code_and_not_the_librarys(fails: Fails) -> None:
    error = fails(
        """
        import json
        def forward():
            return json.loads("{")
        forward()
        """
    )
    assert reason_of(error).endswith("(net.py, line 3, in forward)")
    assert reason_of(error).startswith("JSONDecodeError: Expecting property name")


def test_the_shapes_of_tensors_and_arrays_that_the_line_names_are_stated(fails: Fails) -> None:
    error = fails(
        """
        import torch
        def forward(x, other, factor):
            return factor * (x @ other)
        forward(torch.ones(4, 28), torch.ones(784, 10), 2)
        """
    )
    assert reason_of(error) == (
        "RuntimeError: mat1 and mat2 shapes cannot be multiplied (4x28 and 784x10) "
        "(net.py, line 3, in forward: x is (4, 28), other is (784, 10))"
    )


def test_a_tensor_without_a_shape_does_not_hide_the_error(fails: Fails) -> None:
    error = fails(
        """
        import torch
        def forward(x, weight=torch.nn.LazyLinear(3).weight):
            return x @ weight
        forward(torch.zeros(2, 3))
        """
    )
    assert reason_of(error).startswith("ValueError: Attempted to use an uninitialized parameter")
    assert reason_of(error).endswith("(net.py, line 3, in forward: x is (2, 3))")


def test_an_error_that_was_raised_from_another_names_both(fails: Fails) -> None:
    error = fails(
        """
        try:
            int("ten")
        except ValueError as cause:
            raise RuntimeError("the width is wrong") from cause
        """
    )
    assert reason_of(error) == (
        "RuntimeError: the width is wrong (net.py, line 4); caused by "
        "ValueError: invalid literal for int() with base 10: 'ten' (net.py, line 2)"
    )


def test_an_error_while_another_is_handled_does_not_hide_the_first_one(fails: Fails) -> None:
    error = fails(
        """
        try:
            {}["width"]
        except KeyError:
            undefined
        """
    )
    assert reason_of(error) == (
        "NameError: name 'undefined' is not defined (net.py, line 4); while handling "
        """KeyError: 'width' in `{}["width"]` (net.py, line 2)"""
    )


def test_a_message_that_repeats_its_cause_is_stated_once_with_the_position_of_the_cause(fails: Fails) -> None:
    error = fails(
        """
        def widen():
            raise ValueError("too narrow")
        try:
            widen()
        except ValueError as cause:
            raise RuntimeError(f"net: {cause}") from cause
        """
    )
    assert reason_of(error) == "RuntimeError: net: too narrow (net.py, line 2, in widen)"


def test_a_cause_that_says_nothing_is_left_out(fails: Fails) -> None:
    error = fails("import queue\nerror = RuntimeError('a worker died')\nerror.__cause__ = queue.Empty()\nraise error\n")
    assert reason_of(error) == "RuntimeError: a worker died (net.py, line 4)"


def test_an_error_of_the_zoo_says_everything_itself(fails: Fails) -> None:
    error = fails(
        """
        from zoo_core import DamagedDataError
        try:
            {}["a"]
        except KeyError:
            raise DamagedDataError("cut")
        """
    )
    assert reason_of(error) == "DamagedDataError: cut (net.py, line 5)"


def test_raise_from_none_hides_the_first_error(fails: Fails) -> None:
    error = fails("try:\n    {}['a']\nexcept KeyError:\n    raise ValueError('no a') from None\n")
    assert reason_of(error) == "ValueError: no a (net.py, line 4)"


def test_a_group_states_its_errors_once_each_and_counts_the_rest(fails: Fails) -> None:
    error = fails(
        """
        inner = ExceptionGroup("inner", [TypeError("b"), TypeError("b")])
        raise ExceptionGroup("layers failed", [ValueError("a"), inner, KeyError("c"), OSError("d"), OSError("e")])
        """
    )
    assert reason_of(error) == ("ExceptionGroup: layers failed: ValueError: a; TypeError: b; KeyError: 'c'; and 2 more")


def test_an_error_without_a_message_and_a_key_error_show_the_source_line(fails: Fails) -> None:
    assert reason_of(fails("x = 3\nassert x == 2\n")) == "AssertionError in `assert x == 2` (net.py, line 2)"
    assert reason_of(fails("{}['x']\n")) == "KeyError: 'x' in `{}['x']` (net.py, line 1)"
    assert reason_of(fails("raise NotImplementedError\n")) == (
        "NotImplementedError in `raise NotImplementedError` (net.py, line 1)"
    )


def test_a_syntax_error_names_the_file_with_the_error_not_the_one_that_imports_it(
    fails: Fails, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "layers_of_a_student.py").write_text("def forward(x)\n    return x\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert reason_of(fails("import layers_of_a_student\n")) == (
        "SyntaxError: expected ':': `def forward(x)` (layers_of_a_student.py, line 1)"
    )


CUDA = (
    "CUDA error: device-side assert triggered\nSearch for `cudaErrorAssert' in https://docs.nvidia.com\n"
    "CUDA kernel errors might be asynchronously reported at some other API call, so the stacktrace might be wrong.\n"
    "For debugging consider passing CUDA_LAUNCH_BLOCKING=1\n"
    "Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.\n"
)


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (CUDA, "CUDA error: device-side assert triggered"),
        ("no memory\nException raised from malloc at a.cpp:1\nframe #0: f\n\nof torch", "no memory"),
        ("\n\nError(s) in loading:\n\tsize mismatch for fc", "Error(s) in loading: size mismatch for fc"),
        (" pattern 'b c'.\n Input shape: (8, 784)", "pattern 'b c'. Input shape: (8, 784)"),
    ],
)
def test_noise_of_libraries_is_left_out_and_lines_are_joined(message: str, told: str) -> None:
    assert reason_of(RuntimeError(message)) == f"RuntimeError: {told}"


def test_a_traceback_inside_a_message_gives_its_own_error_and_position(fails: Fails, tmp_path: Path) -> None:
    inner = (
        "Caught ValueError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\n"
        f'  File "/lib/site-packages/torch/fetch.py", line 54, in fetch\n    data = [0]\n'
        f'  File "{tmp_path}/data.py", line 7, in __getitem__\n    raise ValueError("row 3 is empty")\n'
        "           ^^^^^\nValueError: row 3 is empty\n"
    )
    assert reason_of(ValueError(inner)) == "ValueError: row 3 is empty (data.py, line 7, in __getitem__)"
    assert line_that_tells(inner) == "ValueError: row 3 is empty (data.py, line 7, in __getitem__)"


def test_an_error_from_another_process_has_the_position_of_that_process() -> None:
    from multiprocessing.pool import RemoteTraceback

    error = ZeroDivisionError("division by zero")
    error.__cause__ = RemoteTraceback('Traceback:\n  File "/home/a/work.py", line 9, in step\n    1 / 0\n')
    assert reason_of(error) == "ZeroDivisionError: division by zero (work.py, line 9, in step)"


def test_a_plugins_error_class_that_cannot_be_printed_still_gives_a_reason(fails: Fails) -> None:
    error = fails(
        """
        class Odd(Exception):
            def __str__(self):
                raise RuntimeError("never")
        raise Odd
        """
    )
    assert reason_of(error) == "Odd: its message cannot be shown (RuntimeError) (net.py, line 4)"


def test_a_long_message_is_cut_at_a_word() -> None:
    reason = reason_of(ValueError("word " * 1000))
    assert reason.endswith("word ...")
    assert len(reason) <= MAX_CHARS + 20


def test_notes_belong_to_the_message() -> None:
    error = ValueError("bad")
    error.add_note("the batch was (4, 3)")
    assert reason_of(error) == "ValueError: bad the batch was (4, 3)"


def test_an_installed_library_is_not_the_authors_code_but_an_installed_plugin_is(monkeypatch: Any) -> None:
    from zoo_core import reasons

    monkeypatch.setattr(reasons, "_plugin_packages", lambda: {"zoo_mine"})
    folder = "/venv/lib/python3.12/site-packages"
    assert reasons._is_authors(f"{folder}/zoo_mine/net.py")
    assert reasons._is_authors(f"{folder}/zoo_mine.py")
    assert not reasons._is_authors(f"{folder}/einops/einops.py")
    assert not reasons._is_authors("<string>")
    assert not reasons._is_authors(reasons.__file__)
    assert reasons._is_authors("/tmp/ipykernel_12/345.py")
    assert reasons._place("/tmp/ipykernel_12/345.py", 3, "forward") == "notebook cell, line 3, in forward"


CRASH = """some words
terminate called after throwing an instance of 'c10::Error'
  what():  index 7 is out of range
Exception raised from at (most recent call first):
Fatal Python error: Aborted

Current thread 0x1 (most recent call first):
  File "/venv/lib/python3.12/site-packages/torch/nn/module.py", line 5 in _call
  File "/home/a/net.py", line 12 in forward
  File "/home/a/net.py", line 30 in outer
"""


def test_a_crash_is_explained_by_its_cpp_message_and_the_innermost_line_of_the_author() -> None:
    reason = "the process died in phase train: signal SIGABRT"
    assert add_output(reason, CRASH, crashed=True) == f"{reason}: index 7 is out of range (net.py, line 12, in forward)"
    assert add_output(reason, "some words", crashed=True) == reason


def test_an_assertion_on_a_gpu_is_taken_from_the_output() -> None:
    output = "Loss.cu:250: block: [0,0,0], thread: [5,0,0] Assertion `t >= 0 && t < n_classes` failed.\n"
    reason = "RuntimeError: CUDA error: device-side assert triggered"
    assert add_output(reason, output, crashed=False) == f"{reason}: assertion `t >= 0 && t < n_classes` failed"
    assert add_output("ValueError: x", output, crashed=False) == "ValueError: x"

"""The short form of `nox -s fuzz`: some inputs for every parser, and that the harness notices what it looks for."""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import pytest

from zoo_core.errors import DamagedDataError

if sys.platform != "linux":
    pytest.skip("the harness needs the limits of Linux", allow_module_level=True)


def import_harness() -> Any:
    """Import the file beside this one; a test is not part of a package."""
    spec = importlib.util.spec_from_file_location("zoo_fuzz_harness", Path(__file__).with_name("harness.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


harness = import_harness()
TARGETS = harness.load_targets()
INPUTS = 40


@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_neither_crashes_nor_hangs_on_mutated_inputs(name: str) -> None:
    report = harness.run_target(name, TARGETS[name], inputs=INPUTS)
    assert report.findings == []
    assert report.inputs == INPUTS


@pytest.mark.parametrize("name", TARGETS)
def test_the_seeds_of_a_target_are_inputs_that_differ(name: str) -> None:
    _, seeds = TARGETS[name]
    assert seeds
    made = {harness.make_input(seeds, number, name) for number in range(len(seeds) + 50)}
    assert len(made) > 20
    assert harness.make_input(seeds, len(seeds) + 7, name) == harness.make_input(seeds, len(seeds) + 7, name)


def raises_in_c(path: Path) -> None:
    os.abort()


def hangs(path: Path) -> None:
    if path.read_bytes() == b"second":
        time.sleep(60)


def takes_memory(path: Path) -> None:
    bytearray(2 << 30)


def writes_outside(path: Path) -> None:
    (path.parent.parent / "evil").write_bytes(b"1")


def starts_a_process(path: Path) -> None:
    os.system("true")


def has_a_defect(path: Path) -> None:
    raise KeyError("a")


def has_a_long_message(path: Path) -> None:
    raise DamagedDataError("a" * 5000)


@pytest.mark.parametrize(
    ("parse", "kind", "words"),
    [
        (raises_in_c, "crash", "the process ended"),
        (hangs, "hang", "more than 1 s"),
        (takes_memory, "memory", "more than 1024 MiB"),
        (writes_outside, "write outside", "evil"),
        (starts_a_process, "write outside", "os.system"),
        (has_a_defect, "crash", "KeyError: 'a'"),
        (has_a_long_message, "long message", "aaa"),
    ],
)
def test_the_harness_finds_what_it_looks_for(
    parse: Any, kind: str, words: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(harness, "LIMIT_S", 1.0)
    report = harness.run_target("planted", (parse, [b"first", b"second"]), inputs=2, keep=tmp_path / "kept")
    assert report.findings[-1][0] == kind
    assert words in report.findings[-1][1]
    assert list((tmp_path / "kept").iterdir())


def test_errors_on_purpose_are_counted_and_are_no_finding() -> None:
    def parse(path: Path) -> None:
        raise DamagedDataError(f"{path} is cut")

    report = harness.run_target("planted", (parse, [b"1", b"2"]), inputs=20)
    assert (report.inputs, report.errors, report.crashes, report.hangs, report.findings) == (20, 20, 0, 0, [])


def test_the_files_of_a_killed_run_are_removed_by_the_next_one_but_not_those_of_a_running_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(harness, "SCRATCH", tmp_path)
    quick = (lambda path: None, [b"first"])
    with warnings.catch_warnings(action="ignore"):  # of threads, which the other process does not use
        pid = os.fork()
    if pid == 0:
        harness.run_target("hangs", (hangs, [b"second"]), inputs=1)
        os._exit(0)
    try:
        deadline = time.monotonic() + 30
        while not list(tmp_path.glob(f"{harness.PREFIX}*/work/input")) and time.monotonic() < deadline:
            time.sleep(0.01)
        harness.run_target("quick", quick, inputs=1)
        assert len(list(tmp_path.iterdir())) == 1
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    while list(tmp_path.iterdir()) and time.monotonic() < deadline:  # its child ends a moment later
        harness.run_target("quick", quick, inputs=1)
    assert list(tmp_path.iterdir()) == []

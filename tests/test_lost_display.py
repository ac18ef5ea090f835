"""A display that is lost, or a signal, never loses the running trial or a finished one, and leaves no process."""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from zoo_core.errors import UsageError
from zoo_core.results.records import Record, decode
from zoo_core.runner import processes
from zoo_core.runner.interrupts import Interrupts, deferred_interrupts
from zoo_core.runner.lost_output import start_process
from zoo_core.ui import console, progress
from zoo_core.ui.progress import LosableDisplay, PlainDisplay

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals, terminals and /dev/full as on Linux")

SLOW = """
    import pathlib, time
    from zoo_core import ModelSpec, hookimpl

    @hookimpl
    def zoo_models():
        names = ("slow", "endless", "quick")
        return [ModelSpec(name=name, tasks=("cosine",), entry=f"zoo_slow:{name}") for name in names]

    def _net(name, seconds):
        from torch import nn

        class Net(nn.Linear):
            def forward(self, x):
                if self.training:
                    pathlib.Path(f"training-{name}").touch()
                    time.sleep(seconds)
                return super().forward(x)

        return lambda signature: Net(1, 1)

    slow, endless, quick = _net("slow", 1.0), _net("endless", 600), _net("quick", 0)
"""


def start_zoo(folder: Path, plugin: Path, *models: str, **options: Any) -> subprocess.Popen[str]:
    words = [word for model in models for word in ("--model", model)]
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "zoo_core", "bench", "cosine", *words, "--max-steps", "1", "--device", "cpu"],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
            "PYTHONPATH": os.pathsep.join([str(plugin), os.environ.get("PYTHONPATH", "")]),
        },
        text=True,
        **options,
    )


def hear_ctrl_c() -> None:
    """A shell starts what runs in the background deaf to Ctrl-C, and its children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_until(condition: Callable[[], Any], seconds: float = 180) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.02)


def by_model(folder: Path) -> dict[str, Record]:
    found = [decode(path.read_bytes()) for path in (folder / "results").glob("*/*.json")]
    return {record.model.name.partition(":")[2]: record for record in found}


def assert_nothing_is_left(pid: int, folder: Path) -> None:
    assert [found for found, mark in processes.marks() if mark.startswith(f"{pid}-")] == []
    assert list((folder / "results").glob(".staging/*")) == []
    assert list((folder / "results").rglob("*.tmp")) == []


def test_when_the_reader_of_all_output_goes_the_run_goes_on(tmp_path: Path, make_plugin: Callable[..., Path]) -> None:
    plugin = make_plugin("zoo-slow", SLOW)
    process = start_zoo(tmp_path, plugin, "slow", "quick", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("[1/2] cosine ")
    process.stdout.close()  # as `2>&1 | head -1` does
    assert process.wait(180) == 0
    assert {name: record.status for name, record in by_model(tmp_path).items()} == {"slow": "ok", "quick": "ok"}
    assert_nothing_is_left(process.pid, tmp_path)


def test_output_on_a_full_disk_is_the_machines_fault_and_the_records_are_there(
    tmp_path: Path, make_plugin: Callable[..., Path]
) -> None:
    plugin = make_plugin("zoo-slow", SLOW)
    with Path("/dev/full").open("w") as full:
        process = start_zoo(tmp_path, plugin, "quick", stdout=full, stderr=full)
        assert process.wait(180) == 2
    assert {name: record.status for name, record in by_model(tmp_path).items()} == {"quick": "ok"}


@pytest.mark.parametrize("error", [BrokenPipeError, OSError], ids=["reader gone", "full disk"])
def test_a_worker_starts_although_its_start_is_the_first_to_meet_the_lost_output(
    error: type[OSError], monkeypatch: pytest.MonkeyPatch
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    if error is OSError:
        os.close(writer)
        writer = os.open("/dev/full", os.O_WRONLY)
    stream = os.fdopen(writer, "w")
    monkeypatch.setattr(sys, "stderr", stream)
    stream.write("a line that the display has not flushed yet")
    process: Any = multiprocessing.get_context("spawn").Process(target=print)
    with pytest.raises(error):
        process.start()
    start_process(process)
    process.join(60)
    assert process.exitcode == 0
    stream.write("the next line")
    with pytest.raises(error):
        stream.flush()
    console.drop_output(stream)
    stream.close()


def test_closed_output_is_no_error_and_gives_its_number_to_no_other_file(
    tmp_path: Path, make_plugin: Callable[..., Path]
) -> None:
    plugin = make_plugin("zoo-slow", SLOW)

    def close() -> None:
        os.close(1)
        os.close(2)

    process = start_zoo(tmp_path, plugin, "quick", preexec_fn=close)
    assert process.wait(180) == 0
    assert {name: record.status for name, record in by_model(tmp_path).items()} == {"quick": "ok"}


@pytest.mark.parametrize(
    "signals",
    [
        pytest.param([signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGHUP], id="ctrl-c and again"),
        pytest.param([signal.SIGTERM], id="kill", marks=pytest.mark.slow),
        pytest.param([signal.SIGHUP], id="terminal closed", marks=pytest.mark.slow),
    ],
)
def test_a_signal_records_the_running_trial_as_interrupted_also_if_it_comes_again(
    tmp_path: Path, make_plugin: Callable[..., Path], signals: list[signal.Signals]
) -> None:
    plugin = make_plugin("zoo-slow", SLOW)
    process = start_zoo(
        tmp_path, plugin, "quick", "endless", stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=hear_ctrl_c
    )
    wait_until((tmp_path / "training-endless").exists)
    assert "quick" in by_model(tmp_path)
    for number in signals:
        process.send_signal(number)
        time.sleep(0.02)
    process.communicate(timeout=180)
    assert process.returncode == 130
    found = by_model(tmp_path)
    assert {name: record.status for name, record in found.items()} == {"quick": "ok", "endless": "interrupted"}
    assert found["endless"].reason.startswith("stopped in phase")
    assert_nothing_is_left(process.pid, tmp_path)


def test_when_the_terminal_goes_the_running_trial_is_recorded(tmp_path: Path, make_plugin: Callable[..., Path]) -> None:
    plugin = make_plugin("zoo-slow", SLOW)
    terminal, inside = os.openpty()

    def own_terminal() -> None:
        import fcntl
        import termios

        os.setsid()
        fcntl.ioctl(inside, termios.TIOCSCTTY, 0)

    process = start_zoo(
        tmp_path, plugin, "endless", stdin=inside, stdout=inside, stderr=inside, preexec_fn=own_terminal
    )
    os.close(inside)
    wait_until((tmp_path / "training-endless").exists)
    os.close(terminal)  # SIGHUP, and all that is written is an I/O error
    assert process.wait(180) == 130
    assert {name: record.status for name, record in by_model(tmp_path).items()} == {"endless": "interrupted"}
    assert_nothing_is_left(process.pid, tmp_path)


def test_under_nohup_the_end_of_the_terminal_stops_nothing() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with deferred_interrupts() as interrupts:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not interrupts.requested
            os.kill(os.getpid(), signal.SIGTERM)
            assert interrupts.requested
    finally:
        signal.signal(signal.SIGHUP, before)


def test_inside_another_block_a_signal_is_noted_for_both_and_handlers_return_afterwards() -> None:
    found = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background process ignores it
    try:
        with deferred_interrupts() as outer:
            with deferred_interrupts() as inner:
                os.kill(os.getpid(), signal.SIGINT)
            assert inner is outer
            assert outer.requested
            assert isinstance(signal.getsignal(signal.SIGINT), Interrupts)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, found)


class Broken:
    """A file that shows nothing any more."""

    encoding = "utf-8"

    def __init__(self, error: OSError) -> None:
        self.error, self.writes = error, 0

    def isatty(self) -> bool:
        return False

    def write(self, text: str) -> int:
        self.writes += 1
        raise self.error

    def flush(self) -> None: ...


@pytest.mark.parametrize("error", [BrokenPipeError(32, "Broken pipe"), OSError(28, "No space left"), OSError(5, "I/O")])
def test_a_display_that_cannot_be_written_is_given_up_after_the_first_try(
    monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    broken = Broken(error)
    monkeypatch.setattr(sys, "stderr", broken)
    shown = PlainDisplay(console.messages())
    with LosableDisplay(shown) as display:
        for _ in range(3):
            display._put(lambda: shown._console.print("text"))
    assert display.lost is error
    assert broken.writes == 1
    console.complain("nobody reads this")


def test_a_display_that_takes_no_output_does_not_hold_up_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "CLOSE_LIMIT_S", 0.2)
    goes_on = threading.Event()
    began = time.monotonic()
    with LosableDisplay(PlainDisplay(console.messages())) as display:
        for _ in range(progress.MAX_WAITING + 10):
            display._put(lambda: goes_on.wait(60) and None)  # as after Ctrl-S
    assert time.monotonic() - began < 10
    goes_on.set()


def test_a_mistake_in_a_display_is_not_taken_for_a_lost_one() -> None:
    def wrong() -> None:
        raise ValueError("a mistake")

    with (
        pytest.raises(ValueError, match="a mistake"),
        LosableDisplay(PlainDisplay(console.messages())) as display,
    ):
        display._put(wrong)


def test_a_full_disk_cuts_the_output_and_is_said_but_a_closed_pipe_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    with pytest.raises(UsageError, match="No space left"), console.printing_at_the_end():
        raise OSError(28, "No space left on device")
    with console.printing_at_the_end():
        raise BrokenPipeError(32, "Broken pipe")

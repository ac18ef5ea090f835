"""The time limit of a trial holds whatever its worker, its messages or the fork server do, and the run goes on."""

from __future__ import annotations

import os
import signal
import struct
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo_core.errors import DeviceError
from zoo_core.results.records import Record, decode
from zoo_core.runner import inbox, start
from zoo_core.runner.devices import find_devices
from zoo_core.runner.events import DevicesJob
from zoo_core.runner.executor import LocalExecutor, exit_reason
from zoo_core.runner.inbox import Inbox, MessageError
from zoo_core.runner.interrupts import Interrupts

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals, pipes and the fork server as on Linux")

PIPES = """
    import gc, os, signal, struct, time
    from multiprocessing.connection import Connection
    from zoo_core import ModelSpec, hookimpl

    @hookimpl
    def zoo_models():
        names = ("half", "huge", "closes", "floods", "chatters", "stops", "ends_server", "stops_server", "fine")
        return [ModelSpec(name=name, tasks=("cosine",), entry=f"zoo_pipes:{name}") for name in names]

    def _with(action):
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = nn.Linear(1, 1)

            def forward(self, x):
                if self.training:
                    action()
                return self.inner(x)

        return lambda signature: Net()

    def _pipe():
        return next(o for o in gc.get_objects() if isinstance(o, Connection) and not o.closed and o.writable)

    def _write(content):
        os.write(_pipe().fileno(), content)
        time.sleep(600)

    def _close():
        _pipe().close()
        time.sleep(600)

    def _send_for_ever(event):
        from zoo_core.runner.events import encode
        pipe, message = _pipe(), encode(event())
        while True:
            pipe.send_bytes(message)

    def _point():
        from zoo_core.results.records import CurvePoint
        from zoo_core.runner.events import Evaluated
        return Evaluated(point=CurvePoint(step=1, seconds=0.1, val_score=0.5))

    def _progress():
        from zoo_core.runner.events import Progress
        return Progress(step=1, share=0.5, rate=1.0)

    half = _with(lambda: _write(struct.pack("!i", 1000) + b'{"type":'))
    huge = _with(lambda: _write(struct.pack("!iQ", -1, 2**60)))
    closes = _with(_close)
    floods = _with(lambda: _send_for_ever(_point))
    chatters = _with(lambda: _send_for_ever(_progress))
    stops = _with(lambda: os.kill(os.getpid(), signal.SIGSTOP))
    ends_server = _with(lambda: os.kill(os.getppid(), signal.SIGKILL))
    stops_server = _with(lambda: os.kill(os.getppid(), signal.SIGSTOP))
    fine = _with(lambda: None)
"""


def bench(*models: str) -> list[str]:
    words = [word for model in models for word in ("--model", model)]
    return ["bench", "cosine", *words, "--max-steps", "1", "--device", "cpu"]


def by_model(folder: Path = Path("results")) -> dict[str, Record]:
    found = [decode(path.read_bytes()) for path in folder.glob("*/*.json")]
    return {record.model.name.partition(":")[2]: record for record in found}


def test_whatever_a_worker_does_with_its_pipe_its_trial_ends_in_time_with_a_reason_and_the_others_run(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_plugin("zoo-pipes", PIPES)
    monkeypatch.setattr(start, "EXIT_TIMEOUT_S", 1.0)
    monkeypatch.setattr("zoo_core.runner.executor.MAX_EVENTS_MIB", 1)
    LocalExecutor().ask(DevicesJob())  # starts the fork server
    began = time.monotonic()
    done = zoo(*bench("half", "huge", "closes", "floods", "chatters", "stops", "fine"), "--timeout", "3s")
    assert done.code == 1
    assert time.monotonic() - began < 60
    found = by_model()
    assert {name: record.status for name, record in found.items()} == {
        "half": "timeout",
        "huge": "error",
        "closes": "error",
        "floods": "error",
        "chatters": "timeout",
        "stops": "timeout",
        "fine": "ok",
    }
    assert "announces 1,152,921,504,606,846,976 bytes" in found["huge"].reason
    assert found["closes"].reason.startswith("the worker closed its connection to the zoo in phase")
    assert found["floods"].reason == "the worker sent more than 1 MiB of events"
    assert found["stops"].reason.startswith("not done after 3 s, in phase")


def test_a_fork_server_that_dies_or_is_stopped_costs_no_trial(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path]
) -> None:
    make_plugin("zoo-pipes", PIPES)
    done = zoo(*bench("ends_server", "stops_server", "fine"))
    assert {name: record.status for name, record in by_model().items()} == {
        "ends_server": "ok",
        "stops_server": "ok",
        "fine": "ok",
    }, done.err
    assert done.code == 0


def test_a_start_that_hangs_in_the_fork_server_is_given_up_and_done_without_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    executor = LocalExecutor()
    if executor.start != "fork":
        pytest.skip("there is no fork server")
    executor.ask(DevicesJob())
    assert executor._fork is not None
    server = executor._fork.server
    assert server is not None
    monkeypatch.setattr(start, "FORK_LIMIT_S", 0.5)
    monkeypatch.setattr(start.Fork, "is_ready", lambda *_: True)  # it stops after this look at it
    server.send_signal(signal.SIGSTOP)
    assert isinstance(executor.ask(DevicesJob()), list)
    assert not server.is_running() or server.status() == "zombie"


def test_a_job_is_stopped_while_it_waits_for_a_fork_server_that_hangs() -> None:
    ended, interrupts = threading.Event(), Interrupts(requested=True)
    with start.ending(ended.set, 600.0, interrupts):
        assert ended.wait(10)


# The alarm may ring in a callback of the garbage collector, which hypothesis has set; it rings again a second later.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_plugin_that_hangs_on_import_is_named_and_the_others_are_listed(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_plugin(
        "zoo-stuck",
        """
        import time
        while True:
            try:
                time.sleep(600)
            except Exception:
                pass
        """,
    )
    monkeypatch.setenv("ZOO_IMPORT_LIMIT", "0.3")
    listed = zoo("list", "tasks")
    assert listed.code == 0
    assert "cosine" in listed.out
    assert "zoo-stuck 1.0: PluginError: its module did not load within 0.3 s" in listed.err
    assert "or set ZOO_IMPORT_LIMIT to more seconds" in listed.err


def test_a_plugin_that_hangs_on_import_in_workers_only_costs_no_more_than_the_time_limit(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path]
) -> None:
    make_plugin(
        "zoo-late",
        """
        import os, time
        from zoo_core import ModelSpec, hookimpl

        if "ZOO_JOB" in os.environ:
            time.sleep(600)

        @hookimpl
        def zoo_models():
            return [ModelSpec(name="late", tasks=("cosine",), entry="zoo_late:net")]
        """,
    )
    began = time.monotonic()
    assert zoo(*bench("late"), "--timeout", "1s").code == 1
    assert time.monotonic() - began < 30
    (record,) = by_model().values()
    assert record.status == "timeout"
    assert record.reason == "not done after 1 s, in phase prepare"


def test_a_driver_that_hangs_while_devices_are_listed_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    executor = LocalExecutor()
    monkeypatch.setattr(executor, "ask", lambda job, timeout_s: _never(timeout_s))
    with pytest.raises(DeviceError, match=r"cannot be listed .*not done after 120 s.*--device cpu needs none"):
        find_devices(["auto"], executor)


def _never(timeout_s: float) -> object:
    raise RuntimeError(f"a worker process was not done after {timeout_s:g} s")


def received(content: bytes, *, close: bool) -> tuple[list[bytes], Inbox]:
    """What an inbox makes of these bytes on its pipe."""
    receiver, sender = Pipe(duplex=False)
    box = Inbox(receiver)
    writer = threading.Thread(target=_write_all, args=(sender, content, close))
    writer.start()
    messages: list[bytes] = []
    try:
        while not box.closed and (new := box.receive(0.5 if close else 0.05)) is not None:
            messages += new
            if not close and not new:
                break
    finally:
        box.close()
        writer.join()
        sender.close()
    return messages, box


def _write_all(sender: Connection, content: bytes, close: bool) -> None:
    try:
        while content:
            content = content[os.write(sender.fileno(), content) :]
    except BrokenPipeError:  # the inbox refused what came before
        pass
    if close:
        sender.close()


@given(st.lists(st.binary(max_size=100_000), max_size=4), st.binary(max_size=20))
def test_an_inbox_returns_whole_messages_in_order_and_drops_half_of_one_at_the_end(
    messages: list[bytes], rest: bytes
) -> None:
    content = b"".join(struct.pack("!i", len(message)) + message for message in messages)
    half = struct.pack("!i", 1000) + rest
    assert received(content + half, close=True)[0] == messages


def test_an_inbox_waits_no_longer_than_it_may_for_the_rest_of_a_message() -> None:
    receiver, sender = Pipe(duplex=False)
    box = Inbox(receiver)
    os.write(sender.fileno(), struct.pack("!i", 1000) + b"half")
    began = time.monotonic()
    assert box.receive(0.2) == []
    assert box.receive(0.2) == []
    assert 0.1 < time.monotonic() - began < 5
    assert not box.closed
    box.close()
    sender.close()


@pytest.mark.parametrize(
    "header", [struct.pack("!i", -7), struct.pack("!iQ", -1, 2**60), struct.pack("!i", inbox.MAX_MESSAGE_BYTES + 1)]
)
def test_an_inbox_refuses_a_size_that_no_message_has_without_allocating_it(header: bytes) -> None:
    with pytest.raises(MessageError, match="announces"):
        received(header, close=False)


def test_an_inbox_reads_what_a_connection_sends_also_a_long_message() -> None:
    receiver, sender = Pipe(duplex=False)
    box, long = Inbox(receiver), bytes(300_000)
    thread = threading.Thread(target=lambda: (sender.send_bytes(b"short"), sender.send_bytes(long)))
    thread.start()
    messages: list[bytes] = []
    while len(messages) < 2:
        messages += box.receive(10)
    assert messages == [b"short", long]
    thread.join()
    box.close()
    sender.close()


def test_the_exit_code_of_a_worker_whose_server_is_gone_is_said_to_be_unknown() -> None:
    assert exit_reason(None) == "exit code unknown, because the fork server was killed or stopped"
    assert exit_reason(-11) == "signal SIGSEGV"

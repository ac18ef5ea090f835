"""Whatever a plugin does, its trial becomes a record, the others run, and nothing is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from zoo_core.records import Record, decode

FAULTS = """
    import os, subprocess, sys, time
    from zoo_core import ModelSpec, hookimpl

    @hookimpl
    def zoo_models():
        names = ("abort", "segfault", "sleep", "nan", "raises", "leaves", "hungry", "talks", "fine")
        return [ModelSpec(name=name, tasks=("cosine",), entry=f"zoo_faults:{name}") for name in names]

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

        return Net()

    def _sleep():
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "of-the-zoo-tests"])
        time.sleep(600)

    def _segfault():
        import ctypes
        ctypes.string_at(0)

    def _raise():
        raise ValueError("the plugin's own words")

    def _hungry():
        raise MemoryError("too large")

    abort = lambda signature: _with(os.abort)
    segfault = lambda signature: _with(_segfault)
    sleep = lambda signature: _with(_sleep)
    raises = lambda signature: _with(_raise)
    leaves = lambda signature: _with(lambda: sys.exit(0))
    hungry = lambda signature: _with(_hungry)
    talks = lambda signature: _with(lambda: print("words of the trial"))
    fine = lambda signature: _with(lambda: None)

    def nan(signature):
        net = _with(lambda: None)
        net.inner.weight.data.fill_(float("nan"))
        return net
"""


def by_model(folder: Path = Path("results")) -> dict[str, Record]:
    found = [decode(path.read_bytes()) for path in folder.glob("*/*.json")]
    return {record.model.name.partition(":")[2]: record for record in found}


def bench(*models: str) -> list[str]:
    words = [word for model in models for word in ("--model", model)]
    return ["bench", "cosine", *words, "--max-steps", "3", "--device", "cpu"]


def test_each_fault_is_a_record_with_its_status_and_the_others_finish(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path]
) -> None:
    make_plugin("zoo-faults", FAULTS)
    done = zoo(*bench("abort", "segfault", "nan", "raises", "leaves", "hungry", "fine"))
    assert done.code == 1
    found = by_model()
    assert {name: record.status for name, record in found.items()} == {
        "abort": "crashed",
        "segfault": "crashed",
        "nan": "diverged",
        "raises": "error",
        "leaves": "error",
        "hungry": "out_of_memory",
        "fine": "ok",
    }
    assert "SIGABRT" in found["abort"].reason
    assert "SIGSEGV" in found["segfault"].reason
    assert "Fatal Python error: Aborted" in found["abort"].traceback
    assert "loss is nan" in found["nan"].reason
    assert found["raises"].reason == "ValueError: the plugin's own words"
    assert 'raise ValueError("the plugin\'s own words")' in found["raises"].traceback
    assert "6 failed" in done.out
    assert "recorded already" in zoo(*bench("abort", "fine")).out
    assert zoo(*bench("abort", "fine")).code == 1, "a failure that is recorded already still counts"
    assert "1 new" in zoo(*bench("abort", "fine"), "--retry-failed").out


def test_a_trial_that_hangs_is_ended_with_its_children_and_gets_more_time_only_when_it_is_given_more(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path]
) -> None:
    make_plugin("zoo-faults", FAULTS)
    assert zoo(*bench("sleep", "fine"), "--timeout", "3s").code == 1
    found = by_model()
    assert (found["sleep"].status, found["sleep"].timeout_s) == ("timeout", 3.0)
    assert found["fine"].status == "ok"
    assert not sleepers()
    assert "0 new" in zoo(*bench("sleep"), "--timeout", "2s").out
    assert "1 new" in zoo(*bench("sleep"), "--timeout", "4s").out


def test_what_a_trial_prints_is_kept_beside_its_record_and_not_mixed_into_the_output(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path]
) -> None:
    make_plugin("zoo-faults", FAULTS)
    done = zoo(*bench("talks"))
    assert "words of the trial" not in done.out + done.err
    (log,) = Path("results").glob("*/*/log.txt")
    assert "words of the trial" in log.read_text()


def test_a_plugin_that_does_not_load_is_named_while_the_others_run(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path]
) -> None:
    make_plugin("zoo-broken", "raise RuntimeError('no luck')")
    done = zoo("bench", "cosine", "--model", "mlp", "--max-steps", "1", "--device", "cpu")
    assert done.code == 0
    assert "zoo-broken 1.0: RuntimeError: no luck" in done.err
    doctor = zoo("doctor", "--json")
    (failed,) = json.loads(doctor.out)["failed_plugins"]
    assert failed["name"] == "zoo-broken"
    assert "raise RuntimeError('no luck')" in failed["traceback"]


def test_offline_a_trial_that_calls_out_fails_and_says_so(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path]
) -> None:
    make_plugin(
        "zoo-caller",
        """
        from zoo_core import ModelSpec, hookimpl

        @hookimpl
        def zoo_models():
            return [ModelSpec(name="caller", tasks=("cosine",), entry="zoo_caller:build")]

        def build(signature):
            import socket
            socket.create_connection(("127.0.0.1", 9))
        """,
    )
    assert zoo(*bench("caller"), "--offline").code == 1
    assert by_model()["caller"].reason.startswith("OfflineError: --offline: something")


# The rest ends the parent itself, so it runs in processes of its own.


def start(folder: Path, plugin: Path, *words: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(plugin)}
    command = [sys.executable, "-m", "zoo_core", *words]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_until(condition: Callable[[], Any], seconds: float = 60) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.05)


def sleepers() -> list[psutil.Process]:
    return [
        process for process in psutil.process_iter(["cmdline"]) if "of-the-zoo-tests" in (process.info["cmdline"] or [])
    ]


def family(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def test_ctrl_c_keeps_what_is_finished_records_the_running_trial_and_goes_on_later(
    tmp_path: Path, make_plugin: Callable[..., Path]
) -> None:
    plugin = make_plugin("zoo-faults", FAULTS)
    process = start(tmp_path, plugin, *bench("fine", "sleep"))
    wait_until(sleepers)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "2 trials" in out
    assert {name: record.status for name, record in by_model(tmp_path / "results").items()} == {
        "fine": "ok",
        "sleep": "interrupted",
    }
    assert not sleepers()
    again = start(tmp_path, plugin, *bench("fine", "sleep"), "--timeout", "2s")
    out, _ = again.communicate(timeout=60)
    assert "1 new, 1 recorded already" in out


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX's")
def test_when_the_parent_is_killed_everything_is_gone_in_two_seconds_and_only_what_was_missing_runs_again(
    tmp_path: Path, make_plugin: Callable[..., Path]
) -> None:
    plugin = make_plugin("zoo-faults", FAULTS)
    process = start(tmp_path, plugin, *bench("fine", "sleep", "raises"))
    wait_until(sleepers)
    children = family(process.pid)
    assert len(children) >= 3, "the server, the worker and what the trial started"
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(children, timeout=2)
    assert not alive
    assert not sleepers()
    assert set(by_model(tmp_path / "results")) == {"fine"}
    again = start(tmp_path, plugin, *bench("fine", "sleep", "raises"), "--timeout", "2s")
    out, _ = again.communicate(timeout=60)
    assert "2 new, 1 recorded already" in out
    assert not list((tmp_path / "results").rglob("*.tmp"))
    assert not (tmp_path / "results" / ".staging").exists()

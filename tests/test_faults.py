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

from zoo_core.results.records import Record, decode
from zoo_core.runner.processes import is_alive

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
    assert found["raises"].reason == "ValueError: the plugin's own words (zoo_faults.py, line 34, in _raise)"
    assert found["segfault"].reason.endswith("signal SIGSEGV (zoo_faults.py, line 31, in _segfault)")
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


def test_the_output_of_a_trial_is_kept_next_to_its_record_and_not_mixed_into_the_display(
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
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(plugin), os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, "-m", "zoo_core", *words]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_ctrl_c,
    )


def _hear_ctrl_c() -> None:
    """A shell starts what runs in the background deaf to Ctrl-C, and its children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


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
    zoo: Callable[..., Any], tmp_path: Path, make_plugin: Callable[..., Path]
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
    assert "1 new, 1 recorded already" in zoo(*bench("fine", "sleep"), "--timeout", "2s").out


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX's")
def test_when_the_parent_is_killed_everything_is_gone_in_two_seconds_and_only_what_was_missing_runs_again(
    zoo: Callable[..., Any], tmp_path: Path, make_plugin: Callable[..., Path]
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
    assert "2 new, 1 recorded already" in zoo(*bench("fine", "sleep", "raises"), "--timeout", "2s").out
    assert not list((tmp_path / "results").rglob("*.tmp"))
    assert not (tmp_path / "results" / ".staging").exists()


# What a fresh pair of eyes found


ODD = """
    import os, subprocess, sys, time
    from zoo_core import DamagedDataError
    from zoo_core import DatasetSpec, Evaluation, ModelSpec, Signature, Step, Table, TaskSpec, hookimpl

    @hookimpl
    def zoo_tasks():
        common = dict(title="T", summary="S", kind="zoo-odd/own", metric="m", higher_is_better=True)
        return [
            TaskSpec(name="odd", datasets=("points",), entry="zoo_odd:Body", **common),
            TaskSpec(name="stuck", datasets=("sleeps",), entry="zoo_odd:Body", **common),
            TaskSpec(name="dead", datasets=("aborts",), entry="zoo_odd:Body", **common),
            TaskSpec(name="far", datasets=("files",), entry="zoo_odd:Body", **common),
            TaskSpec(name="rotten", datasets=("damaged",), entry="zoo_odd:Body", **common),
        ]

    @hookimpl
    def zoo_datasets():
        common = dict(title="D", licence="CC0-1.0", signature=Signature(input_shape=(1,), outputs=1))
        exact = [DatasetSpec(name=name, origin="exact", entry=f"zoo_odd:{name}", **common)
                 for name in ("points", "sleeps", "aborts", "damaged")]
        return [*exact, DatasetSpec(name="files", origin="real", entry="zoo_odd:points", **common)]

    @hookimpl
    def zoo_models():
        own = ("odd", "stuck", "dead", "far", "rotten")
        return [ModelSpec(name="net", tasks=own, entry="zoo_odd:net"),
                ModelSpec(name="orphans", tasks=("cosine",), entry="zoo_odd:orphans"),
                ModelSpec(name="clashes", tasks=("cosine",), entry="zoo_odd:net", options={"lr": 1.0})]

    class points:
        signature = Signature(input_shape=(1,), outputs=1)

        def __init__(self, ctx):
            pass

        def load(self, split):
            import numpy as np
            return {"x": np.arange(20.0).reshape(20, 1)}

    class sleeps(points):
        def load(self, split):
            time.sleep(600)

    class aborts(points):
        def load(self, split):
            os.abort()

    class damaged(points):
        def load(self, split):
            raise DamagedDataError("file x is cut")

    class Body:
        def __init__(self, spec):
            pass

        def prepare(self, ctx, data, recipe):
            pass

        def train(self, ctx, model, recipe):
            for _ in range(recipe.steps):
                yield Step(1)

        def evaluate(self, ctx, model, split):
            import numpy as np
            return Evaluation({"m": 1.0}, {"t": Table([0, 1], [[np.float32(1), 1j]])} if split == "test" else {})

    def net(signature):
        from torch import nn
        return nn.Linear(1, 1)

    def orphans(signature):
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "of-the-zoo-tests"], close_fds=False)
        os.abort()
"""


def test_a_table_that_is_no_json_is_left_out_of_its_record_and_the_score_stays(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path]
) -> None:
    make_plugin("zoo-odd", ODD)
    done = zoo("bench", "odd", "--max-steps", "2", "--device", "cpu")
    assert done.code == 0, done.err
    (record,) = by_model().values()
    assert (record.status, record.score, record.measured.tables) == ("ok", 1.0, {})
    assert "complex" in record.measured.left_out["table t"]


def test_a_crash_is_seen_although_a_grandchild_lives_on_and_a_long_timeout_is_no_error(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path]
) -> None:
    make_plugin("zoo-odd", ODD)
    assert zoo(*bench("orphans"), "--timeout", "9000h").code == 1
    assert by_model()["orphans"].status == "crashed"
    assert not sleepers()


def test_a_loader_that_hangs_or_dies_costs_only_its_own_trials(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path]
) -> None:
    make_plugin("zoo-odd", ODD)
    for task, status in (("stuck", "timeout"), ("dead", "crashed")):
        assert zoo("bench", task, "--max-steps", "2", "--device", "cpu", "--timeout", "2s").code == 1
        (path,) = Path("results").glob(f"*{task}/*.json")
        record = decode(path.read_bytes())
        assert record.status == status
        assert "in phase prepare" in record.reason
        assert "prepare" in [phase.name for phase in record.phases]


def test_under_all_a_problem_with_one_pair_skips_only_that_pair(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path], only_plugins: Callable[..., None]
) -> None:
    make_plugin("zoo-odd", ODD.replace("time.sleep(600)", "raise OSError('no answer')"))  # no trial may time out here
    only_plugins("zoo-odd", "zoo-cosine", "zoo-mnist")
    done = zoo("bench", "--all", "--offline", "--max-steps", "1", "--device", "cpu")
    assert done.code == 1, done.err
    statuses = {
        (record.task.name.partition(":")[2], record.model.name.partition(":")[2]): record.status
        for record in (decode(path.read_bytes()) for path in Path("results").glob("*/*.json"))
    }
    assert statuses["cosine", "mlp"] == statuses["mnist", "cnn"] == "ok"
    assert statuses["cosine", "clashes"] == "error"
    assert statuses["far", "net"] == "skipped"
    assert statuses["rotten", "net"] == "error", "damaged data are a failure, not a skip"
    assert zoo("bench", "--all", "--data-root", "nowhere").code == 2


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")
def test_a_worker_that_never_lets_go_of_the_interpreter_goes_with_its_parent_too(
    tmp_path: Path, make_plugin: Callable[..., Path]
) -> None:
    plugin = make_plugin(
        "zoo-greedy",
        """
        import re, subprocess, sys
        from zoo_core import ModelSpec, hookimpl

        @hookimpl
        def zoo_models():
            return [ModelSpec(name="greedy", tasks=("cosine",), entry="zoo_greedy:greedy")]

        def greedy(signature):
            subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "of-the-zoo-tests"])
            re.match(r"(a+)+$", "a" * 60 + "b")
        """,
    )
    process = start(tmp_path, plugin, *bench("greedy"))
    wait_until(sleepers)
    children = family(process.pid)
    process.kill()
    process.communicate()
    wait_until(lambda: not any(map(is_alive, children)), seconds=20)  # a dead one may stay a zombie, if init is slow
    assert not sleepers()


def test_a_plugins_command_that_cannot_be_imported_does_not_take_the_help_with_it(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path]
) -> None:
    make_plugin(
        "zoo-command",
        """
        from zoo_core import CommandSpec, hookimpl

        @hookimpl
        def zoo_commands():
            return [CommandSpec(name="feed", help="Feed them.", entry="zoo_command_missing:app"),
                    CommandSpec(name="count", help="Count them.", entry="zoo_command:count")]

        def count():
            print("two")
        """,
    )
    shown = zoo("--help")
    assert shown.code == 0
    assert "Feed them." in shown.out
    failed = zoo("feed")
    assert failed.code == 2
    assert "'feed' of plugin zoo-command cannot be imported" in failed.err
    assert zoo("count").out == "two\n"


def test_the_error_for_a_task_of_a_plugin_that_did_not_load_says_so(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path]
) -> None:
    make_plugin("zoo-broken", "raise RuntimeError('no luck')")
    done = zoo("bench", "broken-task")
    assert done.code == 2
    assert "zoo-broken 1.0: RuntimeError: no luck" in done.err


def test_a_results_folder_that_may_not_be_written_is_the_callers_mistake(
    zoo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.mkdir

    def refusing(self: Path, *arguments: Any, **options: Any) -> None:
        if ".staging" in self.parts:
            raise PermissionError(13, "Permission denied", str(self))
        real(self, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", refusing)
    done = zoo("bench", "cosine", "--model", "mlp", "--max-steps", "1", "--device", "cpu")
    assert done.code == 2
    assert "may not be read or written" in done.err


def test_what_a_loader_prints_goes_to_standard_error_and_not_into_json(
    tmp_path: Path, make_plugin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_START", "spawn")  # decoding needs no torch, which a fork server would import
    plugin = make_plugin(
        "zoo-loud",
        """
        from zoo_core import DatasetSpec, Signature, hookimpl

        @hookimpl
        def zoo_datasets():
            return [DatasetSpec(name="loud", title="Loud", origin="exact", licence="CC0-1.0", entry="zoo_loud:Loud",
                                signature=Signature(input_shape=(1,), outputs=1))]

        class Loud:
            signature = Signature(input_shape=(1,), outputs=1)

            def __init__(self, ctx):
                pass

            def load(self, split):
                import numpy as np
                print("words of the loader")
                x = np.arange(20.0, dtype=np.float32).reshape(20, 1) + len(split)
                return {"x": x, "y": x}
        """,
    )
    process = start(tmp_path, plugin, "data", "fetch", "loud", "--json")
    out, err = process.communicate(timeout=120)
    assert json.loads(out)["dataset"] == "zoo-loud:loud", err
    assert "words of the loader" in err

"""Every process of a trial ends with it, the fork server ends with its parent, and plugins cannot change the parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from zoo_core.files import cache_dir, system_start
from zoo_core.results.records import decode
from zoo_core.runner import beside, processes
from zoo_core.runner.beside import Beside
from zoo_core.runner.events import DevicesJob
from zoo_core.runner.executor import LocalExecutor

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sessions and orphans as on Linux")

# Helpers that try to get away: each leaves its parent, its session and its group. One also drops its environment.
HELPERS = """
    import os, subprocess, sys, time
    from zoo_core import ModelSpec, hookimpl

    SLEEP = [sys.executable, "-c", "import time; time.sleep(600)", "escaped-from-the-zoo"]

    @hookimpl
    def zoo_models():
        names = ("ends", "dies", "hangs")
        return [ModelSpec(name=name, tasks=("cosine",), entry=f"zoo_helpers:{name}") for name in names]

    def _escape(run):
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                run()
            os._exit(0)
        os.wait()

    def _start_helpers():
        import ctypes
        _escape(lambda: os.execv(SLEEP[0], SLEEP))
        _escape(lambda: os.execve(SLEEP[0], SLEEP, {}))
        def sleep():
            ctypes.CDLL(None).prctl(15, b"escaped-from-zoo", 0, 0, 0)  # PR_SET_NAME
            time.sleep(600)
        _escape(sleep)
        time.sleep(0.3)  # the processes have their names

    def _net(action):
        from torch import nn

        class Net(nn.Linear):
            def forward(self, x):
                if self.training:
                    action()
                return super().forward(x)

        return Net(1, 1)

    def ends(signature):
        _start_helpers()
        return _net(lambda: None)

    def dies(signature):
        _start_helpers()
        os.abort()

    def hangs(signature):
        _start_helpers()
        time.sleep(600)
"""


def bench(*models: str) -> list[str]:
    words = [word for model in models for word in ("--model", model)]
    return ["bench", "cosine", *words, "--max-steps", "1", "--device", "cpu"]


def statuses(folder: Path) -> dict[str, str]:
    found = [decode(path.read_bytes()) for path in folder.glob("*/*.json")]
    return {record.model.name.partition(":")[2]: record.status for record in found}


def escaped() -> list[psutil.Process]:
    return [
        process
        for process in psutil.process_iter(["cmdline", "name", "status"])
        if process.info["status"] != psutil.STATUS_ZOMBIE
        and ("escaped-from-the-zoo" in (process.info["cmdline"] or []) or process.info["name"] == "escaped-from-zo")
    ]


def wait_until(condition: Callable[[], Any], seconds: float = 180) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.05)


@pytest.fixture(autouse=True)
def _nothing_escapes() -> Iterator[None]:
    assert not escaped()
    yield
    left = escaped()
    for process in left:
        process.kill()
    assert not left


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_helpers_that_leave_session_and_parent_end_with_their_trial_however_it_ends(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    make_plugin("zoo-helpers", HELPERS)
    monkeypatch.setenv("ZOO_START", method)
    models = ["ends", "dies", "hangs"] if method == "fork" else ["ends"]
    zoo(*bench(*models), "--timeout", "10s" if method == "fork" else "120s")  # a fresh process imports torch first
    assert statuses(Path("results")) == {
        name: status for name, status in (("ends", "ok"), ("dies", "crashed"), ("hangs", "timeout")) if name in models
    }
    assert not escaped()


def start_zoo(folder: Path, plugin: Path, *words: str, **options: Any) -> subprocess.Popen[str]:
    path = os.pathsep.join([str(plugin), os.environ.get("PYTHONPATH", "")])
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "zoo_core", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def marked_by(pid: int) -> list[int]:
    return [found for found, mark in processes.marks() if mark.startswith(f"{pid}-")]


def test_the_orphans_of_a_process_that_ends_while_it_is_looked_at_are_ended() -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    orphan = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    wait_until(lambda: psutil.Process(ended.pid).status() == psutil.STATUS_ZOMBIE)
    looks = iter([[ended.pid], [ended.pid, orphan.pid]])
    processes._end_all(lambda: next(looks, [ended.pid]))
    assert orphan.wait(10) == -signal.SIGKILL
    ended.wait()


def test_after_kill_9_of_the_parent_the_fork_server_ends_and_takes_the_helpers_with_it(
    tmp_path: Path, make_plugin: Callable[..., Path]
) -> None:
    plugin = make_plugin("zoo-helpers", HELPERS)
    process = start_zoo(tmp_path, plugin, *bench("hangs"))
    wait_until(lambda: len(escaped()) >= 3)
    process.kill()
    process.communicate(timeout=60)  # nobody holds its output open
    wait_until(lambda: not escaped() and not marked_by(process.pid), 10)


def test_what_kill_9_of_parent_and_fork_server_left_is_ended_by_the_next_run(
    tmp_path: Path, make_plugin: Callable[..., Path]
) -> None:
    plugin = make_plugin("zoo-helpers", HELPERS)
    process = start_zoo(tmp_path, plugin, *bench("hangs"))
    wait_until(lambda: len(escaped()) >= 3)
    for pid in [process.pid, *(child.pid for child in psutil.Process(process.pid).children())]:
        os.kill(pid, signal.SIGKILL)
    process.communicate(timeout=60)
    left = escaped()
    LocalExecutor()
    wait_until(lambda: not marked_by(process.pid), 10)
    for helper in escaped():  # the one without an environment: nothing leads to it any more
        assert helper in left
        helper.kill()
    wait_until(lambda: not escaped(), 10)


def test_the_fork_server_ends_with_a_run_even_if_it_is_stopped(
    tmp_path: Path, make_plugin: Callable[..., Path]
) -> None:
    plugin = make_plugin(
        "zoo-stops",
        """
        import os, signal
        from zoo_core import ModelSpec, hookimpl

        @hookimpl
        def zoo_models():
            return [ModelSpec(name="stops", tasks=("cosine",), entry="zoo_stops:net")]

        def net(signature):
            from torch import nn
            os.kill(os.getppid(), signal.SIGSTOP)
            return nn.Linear(1, 1)
        """,
    )
    process = start_zoo(tmp_path, plugin, *bench("stops"))
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert "1 new" in out
    assert not marked_by(process.pid)


def test_a_process_with_the_mark_of_a_living_parent_is_left_alone() -> None:
    with processes.marking(processes.new_mark()):
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    wait_until(lambda: child.pid in marked_by(os.getpid()))
    processes.end_abandoned()
    assert child.poll() is None
    child.kill()
    child.wait()


def test_a_mark_whose_pid_is_used_again_is_of_a_parent_that_has_ended() -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], env={"ZOO_JOB": f"{os.getpid()}-1-aa"}
    )
    wait_until(lambda: any(pid == child.pid for pid, _ in processes.marks()))
    processes.end_abandoned()
    assert child.wait(10) == -signal.SIGKILL


def test_only_files_that_a_running_trial_locks_count_as_trials_beside() -> None:
    folder = cache_dir() / "running"
    folder.mkdir(parents=True, exist_ok=True)
    stale = folder / str(os.getpid())  # of an earlier process with this pid, as older versions named it
    stale.touch()
    killed = folder / f"{system_start()}-1-abcd"
    killed.touch()
    with beside.announced(beside.used_by((), "cpu")) as others:
        assert others() == Beside()
        with beside.announced(beside.used_by((), "cpu")) as those_of_another_run:
            assert others() == those_of_another_run() == Beside(sharing=1)
        assert others() == Beside()
    assert list(folder.iterdir()) == []


def test_files_of_the_current_folder_replace_no_module_of_a_worker_or_the_command(tmp_path: Path) -> None:
    for name in ("random", "types", "torch", "zoo_core", "sitecustomize", "msgspec", "numpy"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / name)!r} + '-ran', 'w')\n")
    zoo = Path(sys.executable).with_name("zoo")
    if not zoo.is_file():
        pytest.skip("the command zoo is not installed")
    for method in ("fork", "spawn"):
        command = [zoo, *bench("mlp"), "--results", f"results-{method}"]
        done = subprocess.run(
            command, cwd=tmp_path, env={**os.environ, "ZOO_START": method}, capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stderr
    assert list(tmp_path.glob("*-ran")) == []


def test_python_m_zoo_core_searches_the_current_folder_last(tmp_path: Path) -> None:
    for name in ("random", "torch", "sitecustomize", "msgspec", "numpy"):
        (tmp_path / f"{name}.py").write_text(f"open({str(tmp_path / name)!r} + '-ran', 'w')\n")
    command = [sys.executable, "-m", "zoo_core", *bench("mlp"), "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["status"] == "ok"
    assert list(tmp_path.glob("*-ran")) == []


RUDE = """
    import io, os, signal, sys
    from zoo_core import ModelSpec, hookimpl

    print("words of the module")
    os.system("echo words of its child")
    os.write(1, b"words of its C code\\n")
    os.chdir("/")
    sys.stdout = io.StringIO()
    sys.argv[:] = ["other"]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
    os.umask(0o777)

    @hookimpl
    def zoo_models():
        os.chdir("/usr")
        return [ModelSpec(name="rude", tasks=("cosine",), entry="zoo_rude:net")]

    def net(signature):
        from torch import nn
        os.chdir("/")
        print("words of the trial")
        return nn.Linear(1, 1)
"""


def test_a_plugin_that_prints_and_changes_folder_and_signals_changes_neither_json_nor_paths(
    tmp_path: Path, make_plugin: Callable[..., Path]
) -> None:
    plugin = make_plugin("zoo-rude", RUDE)
    environment = {**os.environ, "ZOO_CACHE": "cache", "ZOO_RESULTS": ""}
    del environment["ZOO_RESULTS"]
    environment["PYTHONPATH"] = os.pathsep.join([str(plugin), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-P", "-m", "zoo_core", *bench("rude"), "--json", "--results", "mine"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (record,) = json.loads(done.stdout)
    assert record["status"] == "ok"
    assert "zoo bench cosine" in record["command"]
    assert statuses(tmp_path / "mine") == {"rude": "ok"}
    assert {path.name for path in tmp_path.iterdir()} == {"cache", "mine"}
    for source in ("module", "child", "C code"):
        assert source in done.stderr


def test_what_the_module_of_a_plugin_changes_in_its_process_is_as_before(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path]
) -> None:
    make_plugin("zoo-rude", RUDE)
    folder, handler, streams = Path.cwd(), signal.getsignal(signal.SIGINT), (sys.stdin, sys.stdout, sys.stderr)
    assert json.loads(zoo("list", "tasks", "--json").out), "JSON and nothing else"
    assert Path.cwd() == folder
    assert signal.getsignal(signal.SIGINT) is handler
    assert (sys.stdin, sys.stdout, sys.stderr) == streams
    assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == set()
    mode = os.umask(0o022)
    os.umask(mode)
    assert mode != 0o777


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import os; os._exit(3)", "its module calls os._exit(3), which would end the whole program"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
    ],
)
def test_a_plugin_that_ends_the_process_on_import_is_named_and_the_others_are_listed(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path], source: str, reason: str
) -> None:
    make_plugin("zoo-leaves", source)
    listed = zoo("list", "tasks")
    assert listed.code == 0
    assert "cosine" in listed.out
    assert reason in listed.err


def test_a_plugin_that_forks_on_import_may_end_its_fork(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path]
) -> None:
    make_plugin("zoo-forks", "import os\npid = os.fork()\nif pid == 0:\n    os._exit(0)\nos.waitpid(pid, 0)\n")
    assert "did not load" not in zoo("list", "tasks").err


def test_an_executor_leaves_no_process_of_its_jobs() -> None:
    executor = LocalExecutor()
    executor.ask(DevicesJob())
    server = executor._fork.server if executor._fork else None
    assert server is not None
    assert [child for child in server.children() if child.status() != psutil.STATUS_ZOMBIE] == []

"""`--sandbox`: what a model's file can reach in it, and what is recorded."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from zoo_core import bench
from zoo_core.errors import UsageError
from zoo_core.results.records import Record, decode
from zoo_core.runner import sandbox


def why_not() -> str:
    try:
        sandbox.require()
    except UsageError as error:
        return str(error)
    return ""


needs_bubblewrap = pytest.mark.skipif(bool(why_not()), reason=why_not() or "it works here")
BENCH = ("bench", "cosine", "--model", "project/net.py:Net", "--max-steps", "2", "--device", "cpu", "--threads", "1")
Zoo = Callable[..., Any]

# Tries everything, and prints what succeeded.
CURIOUS = """
import json, os, pathlib, signal, socket
from torch import nn

OUTSIDE = pathlib.Path(PLACE)
found = {}

def attempt(name):
    def decorate(function):
        try:
            found[name] = function()
        except BaseException as error:
            found[name] = f"refused: {type(error).__name__}"
    return decorate

@attempt("network")
def _():
    socket.create_connection(("127.0.0.1", PORT), timeout=3).close()
    return "reached"

@attempt("key")
def _():
    return (pathlib.Path.home() / ".ssh" / "id").read_text()

@attempt("home")
def _():
    return sorted(path.name for path in pathlib.Path.home().iterdir())

@attempt("beside")
def _():
    return sorted(path.name for path in OUTSIDE.rglob("*"))

@attempt("write beside")
def _():
    (OUTSIDE / "project" / "planted").write_text("x")
    return "written"

@attempt("change itself")
def _():
    (OUTSIDE / "project" / "net.py").write_text("x")
    return "written"

@attempt("write to the system")
def _():
    pathlib.Path("/usr/planted").write_text("x")
    return "written"

@attempt("write to the packages")
def _():
    pathlib.Path(nn.__file__).with_name("planted").write_text("x")
    return "written"

@attempt("write to the cached data")
def _():
    cache = pathlib.Path(os.environ["ZOO_CACHE"]) / "columns"
    next(cache.rglob("opened.json")).write_text("x")
    return "written"

@attempt("secret")
def _():
    return os.environ["SECRET_TOKEN"]

@attempt("processes")
def _():
    return [name for name in os.listdir("/proc") if name.isdigit() and int(name) > 50]

@attempt("kill")
def _():
    os.kill(PARENT, 0)
    return "found"

@attempt("shadow")
def _():
    return pathlib.Path("/etc/shadow").exists() or pathlib.Path("/etc/passwd").exists()

@attempt("temporary")
def _():
    pathlib.Path("/tmp/mine").write_text("x")
    return pathlib.Path("/tmp/mine").read_text()

print("FOUND" + json.dumps(found), flush=True)
folder = pathlib.Path(os.readlink("/proc/self/fd/1")).parent
os.symlink("/etc/passwd", folder / "link")
os.mkfifo(folder / "pipe")
(folder / "kept").write_text("x")

def Net(signature):
    return nn.Linear(1, 1)
"""
HONEST = (
    "from torch import nn\ndef Net(signature):\n    return nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))\n"
)


def records() -> list[Record]:
    return [decode(path.read_bytes()) for path in sorted(Path("results").glob("*/*.json"))]


def write(folder: Path, source: str) -> None:
    (folder / "project").mkdir(exist_ok=True)
    (folder / "project" / "net.py").write_text(source)


@needs_bubblewrap
def test_a_curious_file_reaches_nothing_outside_and_the_trial_is_ok(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id").write_text("private")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SECRET_TOKEN", "private")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        source = CURIOUS.replace("PLACE", repr(str(tmp_path))).replace("PORT", str(port))
        write(tmp_path, source.replace("PARENT", str(os.getpid())))
        done = zoo(*BENCH, "--sandbox")
    assert done.code == 0, done.out + done.err
    (record,) = records()
    assert (record.status, record.environment["sandbox"]) == ("ok", "bubblewrap")
    (log,) = Path("results").glob("*/*/log.txt")
    found = json.loads(next(line for line in log.read_text().splitlines() if line.startswith("FOUND"))[5:])
    assert found["network"] == "refused: ConnectionRefusedError"
    assert found["key"] == "refused: FileNotFoundError"
    assert found["home"] == []
    beside = [name for name in found["beside"] if record.id not in name]
    assert beside == [".staging", "home", "log.txt", "net.py", "project", "results"]
    assert found["change itself"] == "refused: OSError"
    assert found["write to the system"] == "refused: OSError"
    assert found["write to the packages"] == "refused: OSError"
    assert found["write to the cached data"] == "refused: OSError"
    assert found["secret"] == "refused: KeyError"
    assert found["processes"] == []
    assert found["kill"] == "refused: ProcessLookupError"
    assert found["shadow"] is False
    assert found["temporary"] == "x"
    assert not (tmp_path / "project" / "planted").exists()
    assert not Path("/tmp/mine").exists()
    assert source.replace("PARENT", str(os.getpid())) == (tmp_path / "project" / "net.py").read_text()
    names = {path.name for path in Path("results").glob("*/*/*")}
    assert "kept" in names
    assert not {"link", "pipe"} & names


OF_SEVERAL = """
import os, time
for _ in range(16):
    if os.fork() == 0:
        kept = []
        while True:
            kept.append(bytearray(2**24))
            time.sleep(0.01)
time.sleep(60)
"""
MANY = """
import os, time
for _ in range(100):
    if os.fork() == 0:
        time.sleep(60)
time.sleep(60)
"""
FILL = """
with open("/tmp/large", "wb") as file:
    while True:
        file.write(bytes(2**24))
"""
# What takes too much -> the statuses it may get, and words of the reason
GREEDY = {
    "memory at once": ("import torch\nkept = torch.ones(2**40)", {"out_of_memory", "error"}, "memory"),
    "memory piece by piece": ("kept = []\nwhile True:\n    kept.append(bytearray(2**26))", {"out_of_memory"}, ""),
    "memory of several processes": (OF_SEVERAL, {"out_of_memory"}, "MiB of memory"),
    "many processes": (MANY, {"error"}, "processes"),
    "a folder in memory": (FILL, {"error", "out_of_memory", "interrupted"}, ""),
}


@needs_bubblewrap
@pytest.mark.slow
@pytest.mark.parametrize("kind", GREEDY)
def test_a_greedy_file_is_ended_and_the_machine_stays_as_it_was(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    source, statuses, words = GREEDY[kind]
    write(tmp_path, f"{source}\n{HONEST}")
    monkeypatch.setenv("ZOO_SANDBOX_MIB", "1024")
    monkeypatch.syspath_prepend(tmp_path)
    done = zoo(*BENCH, "--sandbox", "--timeout", "100s")
    (record,) = records()
    assert record.status in statuses, record.reason
    assert words in record.reason
    assert done.code in (1, 2)
    assert not sandboxed(tmp_path)


def sandboxed(folder: Path) -> list[psutil.Process]:
    """The processes in sandboxes of a test that has put its folder on the search path, which is in their command."""
    return [process for process in psutil.process_iter() if is_sandboxed(process, folder)]


def is_sandboxed(process: psutil.Process, folder: Path) -> bool:
    try:
        words = process.cmdline()
    except psutil.Error:
        return False
    return str(folder) in words and "zoo_core.runner.sandboxed" in " ".join(words)


@needs_bubblewrap
@pytest.mark.slow
def test_a_trial_with_initial_weights_has_the_same_scores_in_the_sandbox_and_saves_its_model(
    zoo: Zoo, tmp_path: Path
) -> None:
    write(tmp_path, HONEST)
    assert zoo(*BENCH, "--save").code == 0
    (saved,) = Path("results").glob("*/*/checkpoint.safetensors")
    command = (*BENCH, "--save", "--weights", saved)
    assert zoo(*command).code == 0
    assert zoo(*command, "--sandbox", "--force").code == 0
    first, outside, inside = sorted(records(), key=lambda record: record.started_at)
    assert [record.status for record in records()] == ["ok"] * 3
    assert outside.measured.scores == inside.measured.scores != first.measured.scores
    assert outside.key == inside.key
    assert outside.model.weights_sha256 == inside.model.weights_sha256 != ""
    assert inside.measured.checkpoint == "checkpoint.safetensors"
    assert [*Path("results").glob(f"*/{inside.id}/checkpoint.safetensors")]
    assert ("sandbox" in outside.environment, inside.environment["sandbox"]) == (False, "bubblewrap")


@needs_bubblewrap
@pytest.mark.slow
def test_a_file_imports_its_neighbours_and_a_class_of_a_notebook_runs(zoo: Zoo, tmp_path: Path) -> None:
    write(tmp_path, HONEST.replace("8", "width").replace("def", "from sizes import width\ndef"))
    (tmp_path / "project" / "sizes.py").write_text("width = 8\n")
    (tmp_path / "project" / "other.py").write_text("secret = 1\n")
    done = zoo(*BENCH, "--sandbox")
    assert done.code == 0, done.out
    assert [*records()[0].imports] == []

    def build(signature: object, width: int = 4) -> object:
        import os

        from torch import nn

        assert os.environ["USER"] == "sandbox"
        return nn.Linear(1, 1)

    (record,) = bench("cosine", model=build, sandbox=True, device="cpu", max_steps=1, progress=False).records
    assert (record.status, record.environment["sandbox"]) == ("ok", "bubblewrap"), record.reason


@needs_bubblewrap
@pytest.mark.slow
def test_a_crash_in_the_sandbox_is_recorded_as_a_crash(zoo: Zoo, tmp_path: Path) -> None:
    write(tmp_path, f"import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n{HONEST}")
    assert zoo(*BENCH, "--sandbox").code == 1
    (record,) = records()
    assert record.status == "crashed"
    assert "SIGSEGV" in record.reason


@needs_bubblewrap
@pytest.mark.slow
def test_a_timeout_ends_the_sandbox_with_all_its_processes(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    write(tmp_path, f"import os, time\nif os.fork() == 0:\n    os.setsid()\ntime.sleep(600)\n{HONEST}")
    assert zoo(*BENCH, "--sandbox", "--timeout", "6s").code == 1
    (record,) = records()
    assert record.status == "timeout"
    _, left = psutil.wait_procs(sandboxed(tmp_path), timeout=5)
    assert not left


def test_without_bubblewrap_the_error_says_how_to_get_it(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, HONEST)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    done = zoo(*BENCH, "--sandbox")
    assert done.code == 2
    assert "install it, such as with `apt install bubblewrap`" in done.err
    assert not Path("results").exists()


def test_where_namespaces_are_forbidden_the_error_says_so(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, HONEST)
    (tmp_path / "bwrap").write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    (tmp_path / "bwrap").chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    done = zoo(*BENCH, "--sandbox")
    assert done.code == 2
    assert "No permissions to create new namespace" in done.err

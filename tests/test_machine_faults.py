"""A fault of the machine, such as a full disk, is never the result of a trial, and no finished trial is lost to it."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from zoo_core.columns import write_blocks
from zoo_core.errors import MachineError, UsageError
from zoo_core.results.records import Record, decode
from zoo_core.results.store import Store
from zoo_core.runner import log, run, saving
from zoo_core.runner.saving import fault_of_disks

PLIGHT = """
    import errno, os, resource, shutil, sys
    from pathlib import Path
    from zoo_core import DatasetSpec, ModelSpec, Signature, TaskSpec, hookimpl

    @hookimpl
    def zoo_models():
        names = ("full", "wrapped", "files", "large", "hidden", "dies", "late", "removes", "renames",
                 "replaces", "hungry")
        own = [ModelSpec(name=name, tasks=("cosine",), entry=f"zoo_plight:{name}") for name in names]
        return [*own, ModelSpec(name="fine", tasks=("cosine", "wide"), entry="zoo_plight:fine")]

    @hookimpl
    def zoo_tasks():
        return [TaskSpec(name="wide", title="Wide", summary="Many points.", kind="regression", datasets=("large",),
                         metric="mse", higher_is_better=False, recipe={"batch_size": 64, "epochs": 1.0})]

    @hookimpl
    def zoo_datasets():
        return [DatasetSpec(name="large", title="Large", origin="exact", licence="CC0-1.0", entry="zoo_plight:Large",
                            signature=Signature(input_shape=(1,), outputs=1))]

    class Large:
        signature = Signature(input_shape=(1,), outputs=1)

        def __init__(self, ctx):
            pass

        def load(self, split):
            import numpy as np
            x = np.arange(1_000_000, dtype=np.float32).reshape(-1, 1) + len(split)
            return {"x": x, "y": x}

    def _with(action, *, training=True):
        from torch import nn

        class Net(nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = nn.Linear(1, 1)

            def forward(self, x):
                if self.training == training:
                    action()
                return self.inner(x)

        return Net()

    RESULTS = Path(os.environ.get("PLIGHT_RESULTS", "results"))

    def _full():
        raise OSError(errno.ENOSPC, "No space left on device", "/elsewhere/file.npy")

    def _wrapped():
        try:
            raise OSError(errno.EIO, "Input/output error")
        except OSError as error:
            raise ValueError("the cache of the model is damaged") from error

    def _files():
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
        kept = [open(os.devnull) for _ in range(40)]

    def _large():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        Path("large.bin").write_bytes(bytes(10_000))

    def _hungry():
        raise MemoryError("too large")

    def fill():
        with contextlib.suppress(OSError):
            with open(RESULTS.parent / "filler", "ab", buffering=0) as file:
                while True:
                    file.write(bytes(4096))

    import contextlib

    def _hidden():
        fill()
        raise ValueError("no words about the disk")

    def _dies():
        fill()
        os.abort()

    full = lambda signature: _with(_full)
    hungry = lambda signature: _with(_hungry)
    wrapped = lambda signature: _with(_wrapped)
    files = lambda signature: _with(_files)
    large = lambda signature: _with(_large)
    hidden = lambda signature: _with(_hidden)
    dies = lambda signature: _with(_dies)
    late = lambda signature: _with(fill, training=False)
    removes = lambda signature: _with(lambda: shutil.rmtree(RESULTS, ignore_errors=True), training=False)
    fine = lambda signature: _with(lambda: None)

    def _rename():
        if RESULTS.exists():
            RESULTS.rename(RESULTS.with_name("renamed"))

    def _replace():
        if RESULTS.is_dir():
            shutil.rmtree(RESULTS)
            RESULTS.write_text("a file")

    renames = lambda signature: _with(_rename, training=False)
    replaces = lambda signature: _with(_replace, training=False)
"""


def bench(*models: str, results: str | Path = "results") -> list[str]:
    words = [word for model in models for word in ("--model", model)]
    return ["bench", "cosine", *words, "--max-steps", "3", "--device", "cpu", "--results", str(results)]


def by_model(folder: str | Path = "results") -> dict[str, Record]:
    found = [decode(path.read_bytes()) for path in Path(folder).glob("[!.]*/*.json")]
    return {record.model.name.partition(":")[2]: record for record in found}


def leftovers(folder: str | Path) -> list[Path]:
    """Temporary files, staging folders, and folders of artifacts without a record."""
    home = Path(folder)
    temporary = [path for path in home.rglob(".*") if path != home]
    folders = [path for path in home.glob("[!.]*/*") if path.is_dir() and path.name != "current"]
    return temporary + [path for path in folders if not path.with_name(f"{path.name}.json").is_file()]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of one MiB; needs root."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("needs root and Linux, to mount a small file system")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> None:
    with (folder / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    assert shutil.disk_usage(folder).free == 0


# in a worker


@pytest.mark.skipif(sys.platform == "win32", reason="the limits are POSIX's")
def test_a_fault_of_the_machine_ends_no_trial_for_good_and_the_others_run(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path]
) -> None:
    make_plugin("zoo-plight", PLIGHT)
    done = zoo(*bench("full", "wrapped", "files", "large", "fine"))
    assert done.code == 2
    found = by_model()
    assert {name: record.status for name, record in found.items()} == {
        **dict.fromkeys(("full", "wrapped", "files", "large"), "interrupted"),
        "fine": "ok",
    }
    assert found["full"].reason.startswith("no space is left on the disk (/elsewhere/file.npy): free space")
    assert found["wrapped"].reason.startswith("the disk reports an input/output error")
    assert found["files"].reason.startswith("this process has too many open files")
    assert found["large"].reason.startswith("a file reached the size limit of this process")
    for record in found.values():
        assert record.status == "ok" or f"error: {record.reason}; 1 trial did not finish\n" in done.err
    assert "4 new, 1 recorded already" in zoo(*bench("full", "wrapped", "files", "large", "fine")).out
    assert leftovers("results") == []


@pytest.mark.parametrize("model", ["hidden", "dies"])
def test_a_trial_that_fails_on_a_full_disk_without_saying_so_runs_again_when_there_is_room(
    zoo: Callable[..., Any],
    make_plugin: Callable[..., Path],
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    model: str,
) -> None:
    make_plugin("zoo-plight", PLIGHT)
    monkeypatch.setenv("PLIGHT_RESULTS", str(small_disk / "r"))
    done = zoo(*bench(model, "fine", results=small_disk / "r"))
    assert done.code == 2
    assert "error: no space is left on the disk" in done.err
    assert "1 trial did not finish" in done.err
    assert "1 trial did not run" in done.err, "the second one finds no room for its results"
    assert by_model(small_disk / "r") == {}
    assert leftovers(small_disk / "r") == []
    (small_disk / "filler").unlink()
    again = zoo(*bench("fine", results=small_disk / "r"))
    assert (again.code, by_model(small_disk / "r")["fine"].status) == (0, "ok")


def test_a_finished_trial_that_cannot_be_saved_is_printed_and_the_line_can_be_kept(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path], small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_plugin("zoo-plight", PLIGHT)
    monkeypatch.setenv("PLIGHT_RESULTS", str(small_disk / "r"))
    done = zoo(*bench("late", results=small_disk / "r"))
    assert done.code == 2
    assert by_model(small_disk / "r") == {}
    assert leftovers(small_disk / "r") == []
    told, content = (line for line in done.err.splitlines() if line.startswith(("unsaved: ", "{")))
    record = decode(content.encode())
    assert (record.status, record.score is not None) == ("ok", True)
    assert (record.measured.pictures, record.measured.per_example) == ({}, "")
    assert any("no space is left" in reason for reason in record.measured.left_out.values())
    path = Path(told.rpartition(" put the next line into ")[2])
    (small_disk / "filler").unlink()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    assert "0 new, 1 recorded already, 0 failed" in zoo(*bench("late", results=small_disk / "r")).out


def test_decoded_data_that_do_not_fit_end_the_command_before_anything_is_recorded(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path], small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_plugin("zoo-plight", PLIGHT)
    monkeypatch.setenv("ZOO_CACHE", str(small_disk))
    for words in (["bench", "wide", "--max-steps", "1", "--device", "cpu"], ["data", "fetch", "large"]):
        done = zoo(*words)
        assert done.code == 2
        assert done.err.startswith(("error: no space is left on the disk", "error: a file could not be written"))
        assert len(done.err.splitlines()) == 1
        assert not Path("results").exists()
        assert not list(small_disk.rglob(".decoding*"))


def test_under_all_only_the_trials_of_the_full_disk_are_left_for_the_next_call(
    zoo: Callable[..., Any], only_plugins: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo_core.runner.executor import LocalExecutor

    only_plugins("zoo-cosine", "zoo-mnist")
    ask = LocalExecutor.ask

    def full_for_mnist(self: LocalExecutor, job: Any, timeout_s: float | None = None) -> object:
        if "mnist" in getattr(job, "dataset", ""):
            raise MachineError("no space is left on the disk")
        return ask(self, job, timeout_s)

    monkeypatch.setattr(LocalExecutor, "ask", full_for_mnist)
    done = zoo("bench", "--all", "--offline", "--max-steps", "1", "--device", "cpu")
    assert done.code == 2
    assert {record.task.name for record in by_model().values()} == {"zoo-cosine:cosine"}
    (line,) = (line for line in done.err.splitlines() if line.startswith("error: "))
    assert line.startswith("error: no space is left on the disk; ")
    assert line.endswith(" did not run")


# the results folder


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("file", "is a file, not a folder"),
        ("link", "is a link to nowhere, which does not exist"),
        ("below", "is a file"),
    ],
)
@pytest.mark.parametrize("dry", [[], ["--dry-run"]])
def test_results_that_are_no_folder_are_refused_in_one_line_before_anything_runs(
    zoo: Callable[..., Any], tmp_path: Path, kind: str, words: str, dry: list[str]
) -> None:
    results = tmp_path / "results"
    if kind == "link":
        results.symlink_to("nowhere")
    else:
        results.write_text("mine")
    done = zoo(*bench("mlp", results=results / "deep" if kind == "below" else results), *dry)
    assert done.code == 2
    assert words in done.err
    assert len(done.err.splitlines()) == 1
    assert kind == "link" or results.read_text() == "mine"


@pytest.mark.parametrize("name", ["ENOSPC", "EDQUOT", "EROFS", "EIO", "EACCES"])
def test_a_results_folder_that_takes_no_file_ends_the_command_before_training(
    zoo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    number = getattr(errno, name)
    opened = Path.open

    def refuse(self: Path, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        if self.suffix == ".probe" and "results" in self.parts:
            raise OSError(number, os.strerror(number), str(self))
        return opened(self, mode, *arguments, **options)

    def no_worker(*_: object, **__: object) -> None:
        raise AssertionError("a trial began")

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(run.Run, "_run_trial", no_worker)
    done = zoo(*bench("mlp"))
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert ".probe" in done.err
    assert not Path("results").exists()


def test_the_probe_of_the_results_leaves_nothing_and_finds_a_full_disk(small_disk: Path) -> None:
    store = Store(small_disk / "deep" / "results")
    store.require_writable()
    assert list(small_disk.iterdir()) == []
    fill(small_disk)
    for flush in (True, False):
        with pytest.raises(MachineError, match=r"no space is left on the disk \(.*results.*\)"):
            store.require_writable(flush=flush)
    assert [path.name for path in small_disk.iterdir()] == ["filler"]
    assert "no space is left" in str(fault_of_disks([small_disk / "missing", small_disk]))
    assert fault_of_disks([small_disk.parent]) is None


@pytest.mark.parametrize("model", ["removes", "renames"])
def test_results_that_are_removed_or_renamed_during_a_trial_are_made_again_for_its_record(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    make_plugin("zoo-plight", PLIGHT)
    monkeypatch.setenv("PLIGHT_RESULTS", str(Path("results").absolute()))
    done = zoo(*bench(model))
    assert done.code == 2
    record = by_model()[model]
    assert (record.status, record.score is not None) == ("ok", True)
    assert "moved or removed during the trial" in str(record.measured.left_out)
    assert "1 trial lost pictures, checkpoint or other files" in done.err
    assert leftovers("results") == []
    shutil.rmtree("renamed", ignore_errors=True)  # with the staging folder that was renamed with it


def test_results_that_become_a_file_during_a_trial_cost_only_the_trials_that_follow(
    zoo: Callable[..., Any], make_plugin: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    make_plugin("zoo-plight", PLIGHT)
    monkeypatch.setenv("PLIGHT_RESULTS", str(Path("results").absolute()))
    done = zoo(*bench("replaces", "fine"))
    assert done.code == 2
    (content,) = (line for line in done.err.splitlines() if line.startswith("{"))
    assert decode(content.encode()).status == "ok"
    assert "results is a file, not a folder" in done.err
    assert "1 trial did not run" in done.err
    assert Path("results").read_text() == "a file"


def test_artifacts_that_cannot_be_moved_do_not_take_their_record_with_them(
    zoo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    monkeypatch.setattr(Store, "_move", full)
    done = zoo(*bench("mlp"))
    assert done.code == 2
    record = by_model()["mlp"]
    assert (record.status, record.measured.pictures, record.measured.per_example) == ("ok", {}, "")
    assert "the disk quota is used up" in record.measured.left_out["artifacts"]
    assert leftovers("results") == []


def test_notes_on_the_current_code_that_cannot_be_written_cost_no_trial(
    zoo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", "results/current")

    monkeypatch.setattr(run, "note_current_code", refuse)
    done = zoo(*bench("mlp"))
    assert done.code == 2
    assert "error: the file system is read-only (results/current)" in done.err
    assert by_model()["mlp"].status == "ok"


def test_json_on_standard_output_stays_json_and_has_the_record_that_could_not_be_saved(
    zoo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Store, "save", full)
    done = zoo(*bench("mlp"), "--json")
    assert done.code == 2
    assert [record["status"] for record in json.loads(done.out)] == ["ok"]
    assert "error: no space is left on the disk (results): " in done.err
    assert "1 trial could not be saved" in done.err


# processes and limits


@pytest.mark.parametrize(
    "error", [BlockingIOError(errno.EAGAIN, "try again"), EOFError(), OSError(errno.EMFILE, "many")]
)
def test_a_process_that_cannot_be_started_leaves_the_trial_for_the_next_call(
    zoo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    assert zoo(*bench("mlp", results="first")).code == 0

    def refuse(_: object) -> None:
        raise error

    monkeypatch.setattr(BaseProcess, "start", refuse)
    done = zoo(*bench("mlp"))
    assert done.code == 2
    assert done.err.startswith(("error: no worker process can be started", "error: this process has too many open"))
    assert not Path("results").exists()


LIMITS = {"NOFILE": 12, "FSIZE": 4096, "AS": 2_000_000_000}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limits differ elsewhere")
@pytest.mark.parametrize("name", LIMITS)
def test_under_a_limit_that_is_too_low_no_trial_gets_a_final_status(tmp_path: Path, name: str) -> None:
    import resource

    def limit() -> None:
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (LIMITS[name], LIMITS[name]))

    command = [sys.executable, "-m", "zoo_core", *bench("mlp")]
    done = subprocess.run(command, cwd=tmp_path, preexec_fn=limit, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stderr
    assert "error: " in done.stderr
    assert {record.status for record in by_model(tmp_path / "results").values()} <= {"interrupted"}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="user namespaces are Linux's")
def test_a_user_without_a_passwd_entry_and_without_a_home_can_run_with_a_named_cache(tmp_path: Path) -> None:
    unknown = ["unshare", "--user", "--map-user=12345"]
    if subprocess.run([*unknown, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this system gives no user namespaces")
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME", "USER")}
    command = [*unknown, sys.executable, "-m", "zoo_core", *bench("mlp"), "--save"]
    done = subprocess.run(
        command, cwd=tmp_path, env={**environment, "ZOO_CACHE": str(tmp_path / "c")}, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert by_model(tmp_path / "results")["mlp"].status == "ok"


@pytest.mark.parametrize(("available_mib", "status"), [(400, "interrupted"), (600, "out_of_memory")])
def test_a_trial_without_memory_is_to_blame_only_if_its_end_gives_memory_back(
    zoo: Callable[..., Any],
    make_plugin: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    available_mib: int,
    status: str,
) -> None:
    make_plugin("zoo-plight", PLIGHT)
    memory = SimpleNamespace(total=10_000 << 20, available=available_mib << 20)  # the limit is a twentieth: 500 MiB
    monkeypatch.setattr(saving.psutil, "virtual_memory", lambda: memory)
    done = zoo(*bench("hungry"))
    assert by_model()["hungry"].status == status
    assert done.code == (2 if status == "interrupted" else 1)
    assert ("error: other programs leave 400 of 10,000 MiB of memory" in done.err) == (status == "interrupted")


def test_other_commands_say_in_one_line_that_the_disk_is_full(
    zoo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "site/index.html")

    monkeypatch.setattr(Path, "write_bytes", full)
    monkeypatch.setattr(Path, "write_text", full)
    done = zoo("new", "plugin", "mine")
    assert done.code == 2
    assert done.err.startswith("error: no space is left on the disk (site/index.html): ")
    assert len(done.err.splitlines()) == 1


# a second Ctrl-C, and features


def test_ctrl_c_while_a_record_is_saved_ends_the_run_after_that(
    zoo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Store.save

    def save_with_ctrl_c(self: Store, *arguments: Any) -> Path:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        return save(self, *arguments)

    monkeypatch.setattr(Store, "save", save_with_ctrl_c)
    before = signal.getsignal(signal.SIGINT)
    done = zoo(*bench("mlp"), "--seeds", "2")
    assert done.code == 130
    assert [record.status for record in by_model().values()] == ["ok"]
    assert len(list(Path("results").glob("[!.]*/*.json"))) == 1
    assert signal.getsignal(signal.SIGINT) is before
    assert leftovers("results") == []


def test_features_on_a_full_disk_are_an_error_and_no_crash(small_disk: Path) -> None:
    blocks = [np.zeros((1024, 512), np.float16)] * 2  # of a disk of one MiB
    with pytest.raises(OSError, match="No space left"):
        write_blocks(small_disk / "features.npy", (2048, 512), np.dtype(np.float16), blocks)


# the log


def test_a_log_that_grows_without_end_is_emptied_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "MAX_GROWING_BYTES", 1000)
    monkeypatch.setattr(log, "INTERVAL_S", 0.01)
    path = tmp_path / log.LOG
    with log.limiting_log(tmp_path), path.open("ab", buffering=0) as file:
        file.write(b"x" * 2000)
        while path.stat().st_size >= 2000:
            pass
        file.write(b"the end")
    assert log.read_log_tail(tmp_path) == "... 2,000 bytes of output were dropped\nthe end"


def test_a_log_that_became_a_link_or_a_pipe_is_neither_read_nor_emptied(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("x" * (log.MAX_BYTES + 1))
    for make in (lambda path: path.symlink_to(mine), os.mkfifo, lambda path: path.hardlink_to(mine)):
        path = tmp_path / log.LOG
        make(path)
        assert log.read_log_tail(tmp_path) == ""
        path.unlink(missing_ok=True)
    assert mine.stat().st_size == log.MAX_BYTES + 1


def test_a_link_above_the_results_that_leads_nowhere_is_named(tmp_path: Path) -> None:
    (tmp_path / "disk").symlink_to("unplugged")
    with pytest.raises(UsageError, match="disk is a link to unplugged"):
        Store(tmp_path / "disk" / "results").require_writable()

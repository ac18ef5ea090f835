"""What a killed run leaves in the results folder is finished if it was complete, or else removed; nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from zoo_core.files import portable, write_atomically
from zoo_core.measure.environment import machine_id
from zoo_core.results import store as store_module
from zoo_core.results.records import SCHEMA, DatasetFacts, DeviceFacts, Measured, ModelFacts, Record, TaskFacts, encode
from zoo_core.results.store import Store

KEY = "0123456789abcdef" * 4
RECORD = Record(
    schema=SCHEMA,
    id=f"{KEY[:16]}-{machine_id()}-20260101000000000000",
    key=KEY,
    status="ok",
    started_at="2026-01-01T00:00:00.000000+00:00",
    task=TaskFacts(
        name="zoo-x:t",
        title="",
        summary="",
        version=1,
        kind="regression",
        kind_version=1,
        metric="mse",
        higher_is_better=False,
        unit="examples",
    ),
    dataset=DatasetFacts(name="zoo-x:d", title="", version=1, origin="exact", licence="", fingerprint="f" * 32),
    model=ModelFacts(name="zoo-x:m", title="", version=1, code_sha256=""),
    device=DeviceFacts(kind="cpu"),
    seed=0,
    recipe={},
    recipe_class="default",
    budget="length",
    measured=Measured(scores={"mse": 0.5}, pictures={"a": "picture-0.png"}),
)


class Killed(BaseException):
    """Stands for the end of the process at this point."""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


@pytest.fixture
def dead() -> int:
    """The id of a process that is gone."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def stage(store: Store, monkeypatch: pytest.MonkeyPatch, pid: int) -> Path:
    with monkeypatch.context() as patch:
        patch.setattr(os, "getpid", lambda: pid)
        staged = store.stage(RECORD.id)
    (staged / "picture-0.png").write_bytes(b"png")
    return staged


def files(store: Store) -> set[str]:
    return {path.relative_to(store.folder).as_posix() for path in store.folder.rglob("*") if path.is_file()}


COMPLETE = {f"zoo-x--t/{RECORD.id}.json", f"zoo-x--t/{RECORD.id}/picture-0.png"}


@pytest.mark.parametrize("killed_in", ["write_atomically", "_move", "rename", "replace", "_release"])
def test_a_run_that_is_killed_while_it_saves_loses_a_trial_only_before_its_record_is_written(
    store: Store, dead: int, monkeypatch: pytest.MonkeyPatch, killed_in: str
) -> None:
    staged = stage(store, monkeypatch, dead)

    def kill(*arguments: Any) -> None:
        if killed_in != "replace" or arguments[0].name.endswith(store_module.COMPLETE):
            raise Killed

    original = Path.replace

    def kill_or_replace(self: Path, target: Path) -> Path:
        kill(self)
        return original(self, target)

    with monkeypatch.context() as patch:
        if killed_in == "write_atomically":
            patch.setattr(store_module, killed_in, kill)
        elif killed_in in ("rename", "replace"):
            patch.setattr(Path, killed_in, kill_or_replace)
        else:
            patch.setattr(Store, killed_in, kill)
        with pytest.raises(Killed):
            store.save(RECORD, staged)
    for descriptor in store._locks.values():  # as the system does when a process ends
        if descriptor is not None:
            os.close(descriptor)
    Store(store.folder).clean(machine_id())
    assert files(store) == (set() if killed_in == "write_atomically" else COMPLETE)
    assert not (store.folder / ".staging").exists()


def test_an_error_while_artifacts_are_moved_leaves_neither_record_nor_artifacts_in_place(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = stage(store, monkeypatch, os.getpid())
    original = Path.replace

    def refuse(self: Path, target: Path) -> Path:
        if self.name.endswith(store_module.COMPLETE):
            raise OSError(5, "Input/output error")
        return original(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", refuse)
        with pytest.raises(OSError, match="Input/output"):
            store.save(RECORD, staged)
    assert files(store) == {f".staging/{staged.name}/picture-0.png"}
    store.save(RECORD, staged)
    assert files(store) == COMPLETE
    assert not (store.folder / ".staging").exists()


def test_a_process_that_was_given_the_number_of_a_killed_run_does_not_keep_its_staging(store: Store) -> None:
    staged = store.stage(RECORD.id)
    store.discard(staged)
    staged.mkdir(parents=True)  # by a process that ended before this one began
    long_ago = time.time() - 10 * 24 * 3600
    os.utime(staged, (long_ago, long_ago))
    store.clean(machine_id())
    assert not staged.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="folders are locked on POSIX only")
def test_staging_that_is_locked_stays_although_no_process_of_its_number_is_here(
    store: Store, dead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    staged = stage(store, monkeypatch, dead)  # such as by a run in another container on this machine
    store.clean(machine_id())
    assert staged.is_dir()
    store._release(staged)
    store.clean(machine_id())
    assert not staged.exists()


def test_what_other_machines_and_people_put_into_staging_stays(store: Store, dead: int) -> None:
    staging = store.folder / ".staging"
    others = [f"{dead}-key-otherbox-2026", f"{dead}-key-otherbox-2026.record", "by-hand", ".hidden", f"{dead}"]
    staging.mkdir(parents=True)
    for name in others:
        (staging / name).write_text("x")
    mine = staging / f".{dead}-key-{machine_id()}-2026.record.0000.tmp"
    mine.write_text("half a record")
    store.clean(machine_id())
    assert sorted(path.name for path in staging.iterdir()) == sorted(others)


def test_a_record_without_artifacts_survives_a_kill_too(
    store: Store, dead: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = store.folder / ".staging" / f"{dead}-{RECORD.id}.record"
    write_atomically(waiting, encode(RECORD))
    waiting.with_name(f"{dead}-{RECORD.id}").mkdir()
    (store.folder / f".{dead}-0000.probe").write_text("x")
    store.clean(machine_id())
    assert files(store) == {f"zoo-x--t/{RECORD.id}.json"}
    assert not store.artifacts(RECORD).exists()


def test_a_complete_record_never_replaces_one_that_is_there(store: Store, dead: int) -> None:
    path = store.save(RECORD)
    waiting = store.folder / ".staging" / f"{dead}-{RECORD.id}.record"
    write_atomically(waiting, encode(replace(RECORD, seed=9)))
    (store.folder / ".staging" / f"{dead}-{RECORD.id}").mkdir()
    store.clean(machine_id())
    assert path.read_bytes() == encode(RECORD)
    assert not waiting.exists()
    assert not store.artifacts(RECORD).exists()


def test_a_record_id_is_a_file_name_on_every_system() -> None:
    assert portable(RECORD.id) == RECORD.id
    assert len(RECORD.id) < 60
    assert RECORD.id == RECORD.id.lower(), "names that differ only in case are one on macOS and Windows"

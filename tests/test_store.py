"""The results folder: records are found again and never overwritten, and damaged files are left unchanged."""

from __future__ import annotations

import os
import string
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo_core.errors import DamagedRecordError
from zoo_core.files import cache_dir, portable, write_atomically
from zoo_core.measure.environment import machine_id
from zoo_core.results.records import SCHEMA, DatasetFacts, DeviceFacts, ModelFacts, Record, TaskFacts, encode
from zoo_core.results.store import Store, Unreadable

KEY = "0123456789abcdef" * 4
MANY = settings(max_examples=30, deadline=None)
HOSTILE = [
    "../../etc",
    "..",
    ".",
    "",
    "/etc/passwd",
    "C:\\windows",
    "a/b:c",
    "zoo-x:../../up",
    "a\0b",
    "-rf",
    "é" * 300,
]


def record(number: int = 0, task: str = "zoo-x:t", key: str = KEY, **changes: Any) -> Record:
    fields: dict[str, Any] = {
        "schema": SCHEMA,
        "id": f"{key[:16]}-machine-{number:020d}",
        "key": key,
        "status": "ok",
        "started_at": f"2026-01-01T00:00:{number:02d}.000000+00:00",
        "task": TaskFacts(
            name=task,
            title="",
            summary="",
            version=1,
            kind="regression",
            kind_version=1,
            metric="mse",
            higher_is_better=False,
            unit="examples",
        ),
        "dataset": DatasetFacts(name="zoo-x:d", title="", version=1, origin="exact", licence="", fingerprint="f" * 32),
        "model": ModelFacts(name="zoo-x:m", title="", version=1, code_sha256=""),
        "device": DeviceFacts(kind="cpu"),
        "seed": 0,
        "recipe": {},
        "recipe_class": "default",
        "budget": "length",
    }
    return Record(**(fields | changes))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results")


def dead_process() -> int:
    """The id of a process that is gone."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def test_a_record_is_one_file_in_its_tasks_folder(store: Store):
    path = store.save(record())
    assert path == store.folder / "zoo-x--t" / f"{record().id}.json"
    assert path.read_bytes() == encode(record())
    assert [found for found in store.folder.rglob("*") if found.is_file()] == [path]


def test_a_saved_record_is_read_and_found_again(store: Store):
    store.save(record())
    assert list(store.read()) == [record()]
    assert store.find("zoo-x:t", KEY) == [record()]


def test_an_empty_or_missing_folder_holds_no_records_and_is_not_made(store: Store):
    assert list(store.read()) == []
    assert store.find("zoo-x:t", KEY) == []
    store.clean(machine_id())
    assert not store.folder.exists()


def test_the_records_of_one_experiment_are_found_oldest_first(store: Store):
    for number in (2, 0, 1):
        store.save(record(number, started_at=f"2026-01-0{3 - number}T00:00:00.000000+00:00"))
    assert [found.started_at[9] for found in store.find("zoo-x:t", KEY)] == ["1", "2", "3"]


def test_records_of_another_experiment_task_or_of_a_like_key_are_not_found(store: Store):
    like = KEY[:16] + "f" * 48
    store.save(record(0, key=like))
    store.save(record(1, task="zoo-x:other"))
    assert store.find("zoo-x:t", KEY) == []
    assert store.find("zoo-x:t", like) == [record(0, key=like)]


def test_records_are_read_oldest_first_within_a_task(store: Store):
    keys = {0: "f" * 64, 1: "0" * 64, 2: "a" * 64}
    for number, key in keys.items():
        store.save(record(number, key=key))
    assert [found.key[0] for found in store.read() if isinstance(found, Record)] == ["f", "0", "a"]


def test_a_record_is_never_overwritten(store: Store):
    path = store.save(record())
    with pytest.raises(FileExistsError, match="records are never overwritten"):
        store.save(record(status="error"))
    assert path.read_bytes() == encode(record())


UNREADABLE = {
    "cut": encode(record())[:100],
    "empty": b"",
    "no JSON": b"words",
    "no text": b"\xff\xfe",
    "a newer schema": b'{"schema": 99, "new": true}',
    "another form": b"[1, 2]",
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_record_that_cannot_be_read_is_reported_and_left_byte_for_byte(case: str, store: Store):
    good = store.save(record())
    bad = good.with_name(f"{KEY[:16]}-machine-bad.json")
    bad.write_bytes(UNREADABLE[case])
    found = list(store.read())
    assert [item for item in found if isinstance(item, Record)] == [record()]
    [reported] = [item for item in found if isinstance(item, Unreadable)]
    assert reported.path == bad
    assert reported.reason
    assert store.find("zoo-x:t", KEY) == [record()]
    store.clean(machine_id())
    assert bad.read_bytes() == UNREADABLE[case]


def test_a_folder_in_a_records_place_is_reported(store: Store):
    store.save(record())
    (store.folder / "zoo-x--t" / "folder.json").mkdir()
    assert [item.path.name for item in store.read() if isinstance(item, Unreadable)] == ["folder.json"]


def test_files_that_are_no_records_are_passed_over(store: Store):
    folder = store.save(record()).parent
    (folder / ".hidden.json").write_text("x")
    (folder / "notes.txt").write_text("x")
    (store.folder / "index.json").write_text("x")
    assert list(store.read()) == [record()]


def test_staged_artifacts_are_moved_next_to_the_record(store: Store):
    staged = store.stage(record().id)
    (staged / "picture-0.png").write_bytes(b"png")
    path = store.save(record(), staged)
    assert store.artifacts(record()) == path.with_suffix("")
    assert (store.artifacts(record()) / "picture-0.png").read_bytes() == b"png"
    assert not staged.exists()
    assert list(store.read()) == [record()]


def test_a_staging_folder_in_which_nothing_was_put_is_removed(store: Store):
    staged = store.stage(record().id)
    store.save(record(), staged)
    assert not store.artifacts(record()).exists()
    assert not staged.parent.exists()


def test_two_trials_stage_apart_and_the_last_one_removes_the_parent(store: Store):
    one, other = store.stage("one"), store.stage("other")
    store.discard(one)
    assert other.is_dir()
    store.discard(other)
    assert not other.parent.exists()


def test_only_the_staging_of_processes_that_are_gone_is_cleaned(store: Store):
    mine = store.stage("mine")
    dead = mine.with_name(f"{dead_process()}-key-{machine_id()}-2026")
    strange = mine.with_name("by-hand")
    elsewhere = mine.with_name(f"{dead_process()}-key-another-2026")
    for folder in (dead, strange, elsewhere):
        folder.mkdir()
        (folder / "picture.png").write_bytes(b"png")
    store.clean(machine_id())
    assert not dead.exists()
    assert mine.is_dir()
    assert strange.is_dir()
    assert elsewhere.is_dir(), "another machine's trial, on a shared disk"


def test_temporary_files_of_old_are_cleaned_and_one_being_written_now_is_not(store: Store):
    path = store.save(record())
    old, fresh = path.with_name(".a.json.0000.tmp"), path.with_name(".b.json.1111.tmp")
    for file in (old, fresh):
        file.write_bytes(b"half")
    week_ago = time.time() - 7 * 24 * 3600
    os.utime(old, (week_ago, week_ago))
    store.clean(machine_id())
    assert not old.exists()
    assert fresh.exists()
    assert path.exists()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_task_name_stays_inside_the_folder(name: str, store: Store):
    task = record(task=name)
    path = store.save(task)
    assert path.parent.parent == store.folder
    assert list(store.read()) == [task]
    assert store.find(name, KEY) == [task]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_record_id_stays_inside_the_folder(name: str, store: Store):
    staged = store.stage(name)
    (staged / "a").write_bytes(b"1")
    path = store.save(record(id=name), staged)
    assert path.parent == store.folder / "zoo-x--t"
    assert path.is_file()
    assert store.artifacts(record(id=name)).parent == path.parent


@MANY
@given(st.text(max_size=200))
def test_a_portable_name_is_one_that_every_system_takes(name: str):
    found = portable(name)
    assert 0 < len(found) <= 80
    assert set(found) <= set(string.ascii_letters + string.digits + "._-")
    assert not found.startswith((".", "-"))
    assert not found.endswith(".")
    assert portable(found) == found


def test_a_long_name_cut_at_a_dot_does_not_end_with_it():
    assert not portable("a" * 79 + ".bcd").endswith(".")


def test_a_name_that_is_portable_stays_as_it_is():
    assert portable("zoo-x--t_1.5") == "zoo-x--t_1.5"


# writing


@MANY
@given(st.binary(max_size=100), st.none() | st.binary(max_size=100))
def test_writing_puts_the_content_in_place_of_the_old_one(content: bytes, before: bytes | None):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "deep" / "file"
        if before is not None:
            path.parent.mkdir()
            path.write_bytes(before)
        write_atomically(path, content)
        assert path.read_bytes() == content
        assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("fails", ["fsync", "replace"])
def test_where_writing_fails_the_old_content_stays_and_nothing_else(
    fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def full(*words: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync" if fails == "fsync" else "replace", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new content")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_cache_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "mine"))
    assert cache_dir() == tmp_path / "mine"
    assert not cache_dir().exists()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ZOO_CACHE", "mine")
    assert cache_dir() == tmp_path / "mine"


def test_else_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ZOO_CACHE")
    assert cache_dir().is_absolute()
    assert "zoo" in cache_dir().parts


def test_a_record_that_could_not_be_read_again_is_not_written_and_its_artifacts_stay(store: Store):
    good = record()
    staged = store.stage(good.id)
    (staged / "picture-0.png").write_bytes(b"png")
    wrong = msgspec.structs.replace(good.task, chance="0.2")  # type: ignore[arg-type]
    for bad in (
        msgspec.structs.replace(good, task=wrong),
        msgspec.structs.replace(good, recipe={"lr": 1j}),
        msgspec.structs.replace(good, seed=None),  # type: ignore[arg-type]
    ):
        with pytest.raises(DamagedRecordError):
            store.save(bad, staged)
        assert not list(store.folder.glob("*/*.json"))
        assert (staged / "picture-0.png").is_file()
    assert store.save(good, staged).is_file()

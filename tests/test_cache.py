"""The cache folder: new folders are complete or absent, and leftovers of killed runs are removed."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo_core.errors import MachineError, UsageError
from zoo_core.files import (
    cache_dir,
    hide_home,
    new_folder,
    own_cache,
    remove_abandoned,
    require_writable_cache,
    write_to_cache,
)

CACHE = Path("below", "the", "cache")


def test_only_temporary_folders_older_than_a_day_are_removed(tmp_path: Path) -> None:
    now = time.time()
    for name, hours in ((".making-old", 25), (".making-slow", 20), (".making-new", 0), ("made", 25)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("content")
        os.utime(tmp_path / name, (now - hours * 3600,) * 2)
    remove_abandoned(tmp_path, ".making-*")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".making-new", ".making-slow", "made"]


KILLED = """
import sys, time
from pathlib import Path
from zoo_core.files import new_folder
with new_folder(Path(sys.argv[1]), ".making-") as inside:
    (inside / "half").write_text("1")
    print("ready", flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no locks of this kind there")
def test_the_folder_of_a_killed_process_goes_at_the_next_call_and_that_of_a_running_one_stays(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "made")]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as killed,
        subprocess.Popen(command, stdout=subprocess.PIPE) as running,
    ):
        try:
            for process in (killed, running):
                assert process.stdout is not None
                assert process.stdout.readline() == b"ready\n"
            killed.kill()
            killed.wait()
            before = {path.name for path in tmp_path.iterdir()}
            with new_folder(tmp_path / "made", ".making-") as inside:
                (inside / "whole").write_text("1")
            after = {path.name for path in tmp_path.iterdir()}
        finally:
            running.kill()
    assert len(before) == 2
    assert len(after & before) == 1
    assert after - before == {"made"}


def test_where_there_is_nothing_to_remove_nothing_happens(tmp_path: Path) -> None:
    remove_abandoned(tmp_path, ".making-*")
    remove_abandoned(tmp_path / "not-there", ".making-*")


def test_a_new_folder_appears_with_all_of_its_content(tmp_path: Path) -> None:
    with new_folder(tmp_path / "below" / "made", ".making-") as inside:
        (inside / "a").write_text("1")
        assert not (tmp_path / "below" / "made").exists()
    assert (tmp_path / "below" / "made" / "a").read_text() == "1"
    assert [path.name for path in (tmp_path / "below").iterdir()] == ["made"]


def test_an_error_while_a_folder_is_filled_leaves_nothing(tmp_path: Path) -> None:
    def fill_half() -> None:
        with new_folder(tmp_path / "made", ".making-") as inside:
            (inside / "a").write_text("1")
            raise ValueError("half")

    with pytest.raises(ValueError, match="half"):
        fill_half()
    assert list(tmp_path.iterdir()) == []


def test_of_two_that_make_one_folder_the_first_stays(tmp_path: Path) -> None:
    with new_folder(tmp_path / "made", ".making-") as late:
        (late / "a").write_text("late")
        with new_folder(tmp_path / "made", ".making-") as early:
            (early / "a").write_text("early")
    assert (tmp_path / "made" / "a").read_text() == "early"
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_a_folder_that_cannot_take_its_place_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="made"), new_folder(tmp_path / "made", ".making-"):
        (tmp_path / "made").write_text("a file is here")
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_a_cache_that_can_be_written_is_created_and_left_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "new" / "cache"))
    require_writable_cache()
    assert list((tmp_path / "new" / "cache").iterdir()) == []


@pytest.mark.parametrize("write", [require_writable_cache, lambda: own_cache("a"), lambda: write_to_cache(CACHE, b"")])
@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "No space left on device"), (errno.EROFS, "Read-only file system")]
)
def test_a_disk_that_takes_nothing_is_the_callers_to_fix(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str, write: Callable[[], object]
) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path))

    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(
        MachineError, match=rf"cache folder .* cannot be written \({words}\): set ZOO_CACHE to a folder"
    ):
        write()


@pytest.mark.skipif(sys.platform == "win32", reason="homes are found in another way there")
@pytest.mark.parametrize("cache", ["", "~/cache"])
def test_a_user_without_a_home_folder_is_told_to_name_a_cache(monkeypatch: pytest.MonkeyPatch, cache: str) -> None:
    import pwd

    def unknown(_: int) -> None:
        raise KeyError("uid not found")

    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ZOO_CACHE", cache)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(UsageError, match="there is no home folder for the cache: set ZOO_CACHE"):
        cache_dir()
    assert hide_home("/root/x") == "/root/x"

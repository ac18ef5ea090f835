"""The leaderboard's caches only save time: one that is damaged, old or locked is made again, and never believed."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from zoo_leaderboard.records import cachefile
from zoo_leaderboard.records.cachefile import read_cached, write_cached
from zoo_leaderboard.site.build import build_site


def cut(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(content: bytes) -> bytes:
    """One bit of the last float, which would decode as another number."""
    return content[:-3] + bytes([content[-3] ^ 1]) + content[-2:]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "cut": cut,
    "zeros": lambda content: bytes(len(content)),
    "empty": lambda content: b"",
    "noise": lambda content: os.urandom(len(content)),
    "a flipped bit": flipped,
    "the form of an earlier version": lambda content: content[cachefile.DIGEST_BYTES :],
    "a pickle": lambda content: b"cos\nsystem\n(S'touch outside'\ntR.",
    "deep": lambda content: b"\x91" * 100_000,
    "more": lambda content: content + b"\0",
}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def cache_files(cache: Path) -> list[Path]:
    found = [path for path in (cache / "leaderboard").rglob("*") if path.is_file()]
    assert {path.suffix for path in found} == {".files", ".head", ".msgpack", ".stamps"}
    return found


def rows(site: Path) -> list[object]:
    (data,) = (site / "data").glob("zoo-a*.json")
    return [group["models"] for group in json.loads(data.read_text("utf-8"))["groups"]]


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_cache_is_made_again_in_silence(name, cache, record, save, results, tmp_path, capfd):
    save(record(score=0.5), record(score=0.75, seed=1, minute=1))
    build_site([results], tmp_path / "site")
    before, good = rows(tmp_path / "site"), {path: path.read_bytes() for path in cache_files(cache)}
    for path, content in good.items():
        path.write_bytes(DAMAGES[name](content))
    again = build_site([results], tmp_path / "site")
    assert (again.trials, again.unreadable, rows(tmp_path / "site")) == (2, [], before)
    assert capfd.readouterr() == ("", "")
    for path, content in good.items():
        if path.suffix in (".files", ".head"):  # the others tell of the build before
            assert path.read_bytes() == content
    assert not (tmp_path / "outside").exists()


@pytest.mark.skipif(os.name == "nt", reason="pipes are files of POSIX")
def test_pipes_links_and_folders_in_the_cache_hold_no_build_up(cache, record, save, results, tmp_path):
    save(record())
    build_site([results], tmp_path / "site")
    for number, path in enumerate(cache_files(cache)):
        path.unlink()
        if number == 0:
            os.mkfifo(path)
        elif number == 1:
            path.symlink_to("/dev/zero")
        else:
            path.mkdir()
    assert build_site([results], tmp_path / "site").trials == 1


def test_a_cache_of_other_code_is_not_believed(tmp_path):
    write_cached(tmp_path / "file", [1.5], "one version")
    assert read_cached(tmp_path / "file", list[float], "one version") == [1.5]
    assert read_cached(tmp_path / "file", list[float], "another") is None


@pytest.mark.parametrize("bit", range(8))
def test_no_single_flipped_bit_is_believed(bit, tmp_path):
    write_cached(tmp_path / "file", {"score": 0.5}, "code")
    good = (tmp_path / "file").read_bytes()
    for place in range(len(good)):
        (tmp_path / "file").write_bytes(good[:place] + bytes([good[place] ^ (1 << bit)]) + good[place + 1 :])
        assert read_cached(tmp_path / "file", dict[str, float], "code") is None


def test_a_cache_without_permission_costs_only_time(cache, record, save, results, tmp_path, monkeypatch):
    """As root every file can be read, so the refusal of the system is put in its place."""
    save(record())
    build_site([results], tmp_path / "site")

    def refuse(*_: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(cachefile, "read_regular", refuse)
    monkeypatch.setattr(cachefile, "write_atomically", refuse)
    assert build_site([results], tmp_path / "site").trials == 1


def test_two_builds_of_one_folder_at_once_leave_a_cache_that_is_whole(cache, record, save, results, tmp_path):
    save(*(record(seed=seed, minute=seed) for seed in range(3)))
    failed = []

    def build(name: str) -> None:
        try:
            assert build_site([results], tmp_path / name).trials == 3
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=build, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert build_site([results], tmp_path / "one").rendered == 0
    assert not list(cache.rglob("*.tmp"))


def test_a_value_that_the_cache_cannot_hold_is_not_written(tmp_path):
    for value in (2**70, "\udcff", {"a": 10**30}):
        write_cached(tmp_path / "file", value, "code")
    assert not (tmp_path / "file").exists()
    assert msgspec.msgpack.encode(2**64 - 1)

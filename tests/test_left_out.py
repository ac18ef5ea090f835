"""Files that a data set leaves out are told at each run, with `zoo data fetch` and in the record."""

from __future__ import annotations

import json
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo_core.data.accounting import OTHER_KIND, describe, left_out_by_loader, recording
from zoo_core.data.walk import walk
from zoo_core.errors import UsageError
from zoo_core.results.records import LeftOut, decode
from zoo_core.runner.events import PredictJob
from zoo_core.runner.executor import LocalExecutor

COMMAND = ("bench", "mnist", "--model", "mlp-100", "--max-steps", "1", "--device", "cpu", "--data-root", "digits")
DANGLING = "zoo-mnist:mnist leaves out 2 files, such as lost-0: link whose target is missing"
NOTES = f"zoo-mnist:mnist leaves out notes.txt: {OTHER_KIND}"


def idx(values: np.ndarray[Any, Any]) -> bytes:
    return b"\0\0\x08" + bytes([values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def write_digits(folder: Path) -> Path:
    """Forty digits in each split, as MNIST has them; two dangling links and a file of notes."""
    folder.mkdir()
    images = np.random.default_rng(0).integers(0, 255, (40, 28, 28), dtype=np.uint8)
    for split in ("train", "t10k"):
        (folder / f"{split}-images-idx3-ubyte").write_bytes(idx(images))
        (folder / f"{split}-labels-idx1-ubyte").write_bytes(idx(np.arange(40, dtype=np.uint8) % 10))
    (folder / "notes.txt").write_text("mine")
    for number in range(2):
        (folder / f"lost-{number}").symlink_to("../.git/annex/x")
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right of their own there")
def test_what_is_left_out_is_in_the_record_and_told_again_by_a_run_that_trains_nothing(
    zoo: Callable[..., Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    write_digits(tmp_path / "digits")
    assert zoo(*COMMAND).code == 0
    [path] = (tmp_path / "results").glob("*/*.json")
    record = decode(path.read_bytes())
    assert [(item.reason, item.count, item.example) for item in record.dataset.left_out] == [
        (OTHER_KIND, 1, "notes.txt"),
        ("link whose target is missing", 2, "lost-0"),
    ]
    assert caplog.messages == [f"warning: {NOTES}", f"warning: {DANGLING}"]
    caplog.clear()
    again = zoo(*COMMAND)
    assert "1 recorded already" in again.out
    assert caplog.messages == [f"warning: {NOTES}", f"warning: {DANGLING}"]
    fetched = zoo("data", "fetch", "mnist", "--data-root", "digits")
    assert fetched.err.splitlines() == [f"warning: {NOTES}", f"warning: {DANGLING}"]
    as_json = zoo("data", "fetch", "mnist", "--data-root", "digits", "--json").out
    assert [item["count"] for item in json.loads(as_json)["left_out"]] == [1, 2]
    without = json.loads(path.read_bytes())
    del without["dataset"]["left_out"]  # as older records are
    assert decode(json.dumps(without).encode()).dataset.left_out == []


def test_a_line_names_one_file_or_counts_several() -> None:
    one, six = (LeftOut(reason="of no use", count=count, example="a/b.png") for count in (1, 6))
    assert describe("d", [one, six]) == [
        "d leaves out a/b.png: of no use",
        "d leaves out 6 files, such as a/b.png: of no use",
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="links need a right of their own there")
def test_a_file_is_read_whichever_path_the_loader_opens_and_another_one_is_not(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / name).touch()
    (tmp_path / "link").symlink_to("data")
    for home, opened in (("link", "data"), ("data", "link"), ("data", "data/../data")):
        names = {str(tmp_path / opened / "a.png"), str(tmp_path / opened / "c.png")}
        [left_out] = left_out_by_loader(tmp_path / home, walk(tmp_path / home), names, {}, ())
        assert (left_out.count, left_out.example) == (1, "b.png")


def test_a_loader_that_opens_no_file_in_python_leaves_nothing_out_by_itself(tmp_path: Path) -> None:
    (tmp_path / "all.h5").touch()
    assert left_out_by_loader(tmp_path, walk(tmp_path), {"/etc/hosts"}, {}, ()) == []


def test_opened_files_are_recorded_in_nested_blocks_and_not_after_them(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).touch()
    with recording() as outer:
        (tmp_path / "a").read_bytes()
        with recording() as inner:
            os.close(os.open(tmp_path / "b", os.O_RDONLY))
    (tmp_path / "c").read_bytes()
    assert ({Path(name).name for name in outer}, {Path(name).name for name in inner}) == ({"a", "b"}, {"b"})


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no such names")
def test_a_job_with_a_path_that_is_not_utf8_names_it_and_the_remedy() -> None:
    job = PredictJob(checkpoint="c", files=[os.fsdecode(b"/a/caf\xe9/deep/x.png")], top=1, device="cpu")
    with pytest.raises(UsageError, match=r"the name /a/caf\\xe9 is not UTF-8: rename the file or folder"):
        LocalExecutor().run(job)


def test_a_cache_that_cannot_be_written_ends_the_call_before_any_trial(
    zoo: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "file" / "cache"))
    for command in (("bench", "cosine", "--model", "linear"), ("bench", "--all"), ("data", "fetch", "digits")):
        done = zoo(*command)
        assert done.code == 2
        assert done.err.startswith("error: the cache folder ")
        assert "cannot be written (Not a directory): set ZOO_CACHE to a folder" in done.err
        assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "results").exists()

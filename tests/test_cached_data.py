"""The cache is checked, not believed: what was cut, emptied, edited, added or removed is noticed and made anew."""

from __future__ import annotations

import errno
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo_core import cached
from zoo_core.cached import find_problem, is_whole, new_cached_folder, with_checksum, without_checksum
from zoo_core.columns import write_array, write_blocks
from zoo_core.data import open as opening
from zoo_core.data.open import OpenData, open_data
from zoo_core.errors import DataError, UnknownSplitError
from zoo_core.protocols import Context
from zoo_core.results.records import decode
from zoo_core.specs import DatasetSpec, Signature

POINT = Signature(input_shape=(2,), outputs=2)
SPEC = DatasetSpec(name="d", title="", origin="exact", licence="", signature=POINT, entry="fake:Fake", plugin="zoo-x")
FILES = ("held_out.npy", "opened.json", "test/x.npy", "test/y.npy", "train/x.npy", "train/y.npy")


def numbers(count: int) -> dict[str, Any]:
    return {"x": np.arange(2 * count, dtype=np.float32).reshape(count, 2), "y": np.arange(count) % 2 + 1}


class Fake:
    """A data set that counts how often it is decoded."""

    signature = POINT

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, ctx: Context) -> Fake:
        self.made += 1
        return self

    def load(self, split: str) -> Mapping[str, Any]:
        if split == "val":
            raise UnknownSplitError(split)
        return numbers({"train": 20, "test": 6}[split])


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    fake = Fake()
    monkeypatch.setattr(opening, "resolve_entry", lambda entry: fake)
    return fake


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files written in the test count as old, so that their stamps are trusted."""
    now = time.time_ns() + 3_600_000_000_000
    monkeypatch.setattr(cached.time, "time_ns", lambda: now)


def opened() -> OpenData:
    return open_data(SPEC, Context(), "f" * 32)


def folder_of(tmp_path: Path) -> Path:
    (folder,) = (tmp_path / "cache" / "columns").glob("zoo-x-d-*")
    return folder


def is_right(data: OpenData) -> bool:
    data.unseal()
    return all(
        np.array_equal(data.split(split, holdout=False).columns[name], column)
        for split, count in (("train", 20), ("test", 6))
        for name, column in numbers(count).items()
    )


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def change_last_byte(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def zero(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:128] + bytes(len(content) - 128))


def another_array(path: Path) -> None:
    path.unlink()
    np.save(path, np.zeros((6, 3), np.int16))


def into_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def into_a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def into_a_link_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


DAMAGES: dict[str, Callable[[Path], object]] = {
    "cut": cut,
    "emptied": lambda path: path.write_bytes(b""),
    "one bit": change_last_byte,
    "zeroed": zero,
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "another dtype and shape": another_array,
    "removed": Path.unlink,
    "a folder": into_a_folder,
    "a FIFO": into_a_fifo,
    "a dangling link": into_a_link_to_nothing,
}


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", [*FILES, "contents.json"])
def test_a_damaged_file_of_the_cache_is_never_used_and_the_data_are_decoded_anew(
    name: str, damage: str, fake: Fake, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    opened()
    opened()
    assert fake.made == 1
    DAMAGES[damage](folder_of(tmp_path) / name)
    assert is_right(opened())
    assert fake.made == 2
    (line,) = (record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING)
    assert "is damaged (" in line
    assert name in line
    assert line.count("\n") == 0
    assert is_right(opened())
    assert fake.made == 2, "the new folder is whole"


def test_zeroed_labels_in_the_cache_do_not_change_a_score(
    zoo: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    words = ("bench", "cosine", "--model", "mlp", "--max-steps", "3", "--device", "cpu", "--results")
    assert zoo(*words, "before").code == 0
    (labels,) = (tmp_path / "cache" / "columns").glob("*/test/y.npy")
    before = labels.read_bytes()
    zero(labels)
    assert labels.read_bytes() != before
    assert zoo(*words, "after").code == 0
    assert labels.read_bytes() == before, "it is made anew"
    scores = [
        decode(path.read_bytes()).measured.scores
        for name in ("before", "after")
        for path in Path(name).glob("*/*.json")
    ]
    assert len(scores) == 2
    assert scores[0] == scores[1] != {}


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("damage", ["cut", "one bit", "zeroed", "removed", "a FIFO"])
def test_a_test_split_changed_while_a_trial_runs_is_decoded_anew_before_its_use(
    damage: str, fake: Fake, tmp_path: Path
) -> None:
    data = opened()
    DAMAGES[damage](folder_of(tmp_path) / "test" / "y.npy")
    assert is_right(data)
    assert fake.made == 2


def test_a_cache_that_is_removed_while_a_trial_runs_is_decoded_anew(fake: Fake, tmp_path: Path) -> None:
    data = opened()
    folder_of(tmp_path).rename(tmp_path / "away")
    assert is_right(data)


@pytest.mark.usefixtures("settled")
def test_an_edit_with_the_old_size_and_modification_time_is_noticed(fake: Fake, tmp_path: Path) -> None:
    """The ctime, which no program can set back, gives it away."""
    opened()
    path = folder_of(tmp_path) / "train" / "y.npy"
    opened()
    before = path.stat()
    with path.open("r+b") as file:  # in place, so that the inode stays too
        file.seek(-1, os.SEEK_END)
        file.write(b"\1")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)
    assert is_right(opened())
    assert fake.made == 2


@pytest.mark.usefixtures("settled")
def test_files_that_are_as_they_were_checked_are_not_read_again(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened()
    opened()
    monkeypatch.setattr(cached, "open_regular", lambda path: pytest.fail(f"{path} is read"))
    assert find_problem(folder_of(tmp_path)) == ""


def test_a_file_is_read_again_while_a_change_could_leave_its_stamp_as_it_is(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right after a write, a second one in the same tick of the file system's clock would not be seen."""
    monkeypatch.setattr(cached.time, "time_ns", lambda: 0)
    opened()
    opened()
    checked = folder_of(tmp_path) / "checked.json"
    assert not checked.exists() or json.loads(without_checksum(checked.read_bytes())) == {}


def test_stamps_that_were_noted_by_no_check_are_not_trusted(fake: Fake, tmp_path: Path) -> None:
    opened()
    folder = folder_of(tmp_path)
    zero(folder / "test" / "y.npy")
    (folder / "checked.json").write_text(json.dumps(cached.stamps_of(folder)))  # without the checksum in its first line
    assert is_right(opened())
    assert fake.made == 2


def test_a_column_that_was_added_is_no_part_of_the_data_and_is_kept_beside_them(
    fake: Fake, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    opened()
    (folder_of(tmp_path) / "train" / "mine.txt").write_text("a person's own note")
    data = opened()
    assert set(data.split("train").columns) == {"x", "y"}
    (kept,) = (tmp_path / "cache" / "columns").glob(".damaged-*")
    assert [path.name for path in kept.rglob("*.*")] == ["mine.txt"], "only the zoo's own files are removed"
    assert str(kept) in caplog.text


def test_what_a_link_leads_to_is_not_removed(fake: Fake, tmp_path: Path) -> None:
    opened()
    own = tmp_path / "own.npy"
    np.save(own, np.zeros(20))
    path = folder_of(tmp_path) / "train" / "y.npy"
    path.unlink()
    path.symlink_to(own)
    assert is_right(opened())
    assert own.exists()


def test_a_cached_folder_that_is_a_file_is_replaced(fake: Fake, tmp_path: Path) -> None:
    opened()
    folder = folder_of(tmp_path)
    folder.rename(tmp_path / "away")
    folder.write_text("something else")
    assert is_right(opened())


def test_a_whole_folder_that_another_process_put_there_meanwhile_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(text: str) -> None:
        with new_cached_folder(tmp_path / "made", ".making-") as inside:
            (inside / "a.npy").write_text(text)

    make("first")
    (tmp_path / "made" / "a.npy").write_text("cut")
    real_problem = cached.find_problem

    def slow(folder: Path) -> str:
        found = real_problem(folder)
        folder.rename(tmp_path / "old")
        make("second")  # by the faster process
        return found

    monkeypatch.setattr(cached, "find_problem", slow)
    assert not is_whole(tmp_path / "made")
    assert (tmp_path / "made" / "a.npy").read_text() == "second"


CHILD = """
import sys
import numpy as np
from pathlib import Path
from zoo_core.cached import is_whole, new_cached_folder
folder = Path(sys.argv[1])
for turn in range(25):
    if not is_whole(folder):
        with new_cached_folder(folder, ".making-") as inside:
            np.save(inside / "a.npy", np.arange(1000))
    if turn % 5 == int(sys.argv[2]):
        try:
            with (folder / "a.npy").open("r+b") as file:
                file.write(b"damage")
        except FileNotFoundError:
            pass  # another process makes it anew
"""


def test_processes_that_make_damage_and_check_one_folder_at_once_do_not_harm_each_other(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CHILD, str(tmp_path / "made")]
    processes = [subprocess.Popen([*command, str(number)], stderr=subprocess.PIPE, text=True) for number in range(3)]
    errors = [process.communicate(timeout=60)[1] for process in processes]
    assert "Traceback" not in "".join(errors)
    assert [path.name for path in tmp_path.iterdir()] in ([], ["made"]), "no process leaves anything else"


@pytest.mark.parametrize("content", [b"", b"[]", b"a\nb", bytes(range(256))])
def test_a_checksum_notices_each_change_of_content(content: bytes) -> None:
    stored = with_checksum(content)
    assert without_checksum(stored) == content
    for place in range(len(stored)):
        changed = stored[:place] + bytes([stored[place] ^ 1]) + stored[place + 1 :]
        with pytest.raises(ValueError):
            without_checksum(changed)


@pytest.mark.parametrize(
    "write",
    [
        lambda path: write_array(path, np.zeros(1 << 20)),
        lambda path: write_array(path, np.zeros((1 << 10, 1 << 10), order="F")),
        lambda path: write_blocks(path, (1 << 20,), np.dtype("f8"), [np.zeros(1 << 20)]),
    ],
)
def test_a_disk_that_fills_while_a_column_is_written_is_an_error_with_its_number(
    write: Callable[[Path], None], tmp_path: Path
) -> None:
    """numpy's own writer raises an OSError without a number, by which nobody can tell a full disk."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    try:
        with pytest.raises(OSError) as caught, new_cached_folder(tmp_path / "made", ".making-") as inside:
            write(inside / "x.npy")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.errno == errno.EFBIG
    assert list(tmp_path.iterdir()) == [], "no half column is left"


def test_a_full_disk_passes_upward_unchanged_and_leaves_no_half_column(
    fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError) as caught:
            opened()
    assert caught.value.errno == errno.ENOSPC
    assert list((tmp_path / "cache" / "columns").iterdir()) == []
    assert is_right(opened())


def test_blocks_of_another_number_of_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x\.npy have 3 rows instead of 4"):
        write_blocks(tmp_path / "x.npy", (4, 2), np.dtype("f4"), [np.zeros((2, 2)), np.ones((1, 2))])


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6).reshape(2, 3),
        np.asfortranarray(np.ones((3, 4), np.float16)),
        np.array(["é", "b"]),
        np.zeros((0, 3)),
    ],
)
def test_arrays_are_written_as_numpy_does(array: np.ndarray[Any, Any], tmp_path: Path) -> None:
    write_array(tmp_path / "own.npy", array)
    np.save(tmp_path / "numpys.npy", array)
    assert (tmp_path / "own.npy").read_bytes() == (tmp_path / "numpys.npy").read_bytes()


def test_blocks_are_written_as_one_array(tmp_path: Path) -> None:
    array = np.random.default_rng(0).random((7, 3)).astype(np.float16)
    write_blocks(tmp_path / "own.npy", array.shape, array.dtype, [array[:4], array[4:]])
    np.save(tmp_path / "numpys.npy", array)
    assert (tmp_path / "own.npy").read_bytes() == (tmp_path / "numpys.npy").read_bytes()

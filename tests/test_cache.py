"""The cache folder: new folders are complete or absent, and leftovers of killed runs are removed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from zoo_core.files import new_folder, remove_abandoned


def test_only_temporary_folders_older_than_a_day_are_removed(tmp_path: Path) -> None:
    now = time.time()
    for name, hours in ((".making-old", 25), (".making-slow", 20), (".making-new", 0), ("made", 25)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("content")
        os.utime(tmp_path / name, (now - hours * 3600,) * 2)
    remove_abandoned(tmp_path, ".making-")
    assert sorted(path.name for path in tmp_path.iterdir()) == [".making-new", ".making-slow", "made"]


def test_where_there_is_nothing_to_remove_nothing_happens(tmp_path: Path) -> None:
    remove_abandoned(tmp_path, ".making-")
    remove_abandoned(tmp_path / "not-there", ".making-")


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

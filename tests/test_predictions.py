"""`zoo predict --pictures`: where the pictures go, and which tasks draw any."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo_core.cli.reuse import _new_pictures
from zoo_core.errors import UsageError
from zoo_core.runner.saved_models import write_new


def names(folder: Path, *files: str) -> list[str]:
    return [Path(path).name for path in _new_pictures(folder, [Path(file) for file in files])]


def test_each_file_gets_a_picture_of_its_own_name(tmp_path: Path) -> None:
    assert names(tmp_path / "new", "a.jpg", "b.tar.png", "c") == ["a.png", "b.tar.png", "c.png"]
    assert not (tmp_path / "new").exists()  # nothing is made before there is something to write


def test_files_of_one_name_are_numbered_also_where_only_the_case_differs(tmp_path: Path) -> None:
    assert names(tmp_path, "x/a.jpg", "y/a.png", "z/A.jpg", "a-2.jpg") == ["a.png", "a-2.png", "A-3.png", "a-2-2.png"]


def test_no_file_and_no_link_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"mine")
    (tmp_path / "b.png").symlink_to(tmp_path / "nowhere.png")
    for file in ("a.jpg", "b.jpg"):
        with pytest.raises(UsageError, match="exists, and no file is overwritten: give another folder"):
            names(tmp_path, "c.jpg", file)
        with pytest.raises(UsageError, match="exists, and no file is overwritten: give another folder"):
            write_new(tmp_path / Path(file).with_suffix(".png"), b"")
    assert (tmp_path / "a.png").read_bytes() == b"mine"
    assert not (tmp_path / "nowhere.png").exists()


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"--pictures .*file is a file: give a folder"):
        names(tmp_path / "file", "a.jpg")
    with pytest.raises(UsageError, match=r"a\.png (exists|cannot be written \(Not a directory\))"):
        write_new(tmp_path / "file" / "a.png", b"")

"""The cache folder: what killed runs left there goes, what is being made stays."""

from __future__ import annotations

import os
import time
from pathlib import Path

from zoo_core.files import remove_abandoned


def test_folders_that_nobody_has_filled_for_more_than_a_day_are_removed_and_no_others(tmp_path: Path) -> None:
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

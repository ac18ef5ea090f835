"""File names: numbers sorted by value, both forms of Unicode, names that are not UTF-8."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from zoo_core import DamagedDataError
from zoo_core.data.labels import require_two_classes
from zoo_core.data.names import natural_key, require_utf8, sort_frames
from zoo_core.data.walk import find_named


def test_numbers_in_names_are_sorted_by_value() -> None:
    names = ["f10.json", "f2.json", "F1.json", "f0003.json", "g1.json", "f2_b10.json", "f2_b9.json", "1.json", "x.json"]
    expected = [
        "1.json",
        "F1.json",
        "f2.json",
        "f2_b9.json",
        "f2_b10.json",
        "f0003.json",
        "f10.json",
        "g1.json",
        "x.json",
    ]
    assert sorted(names, key=natural_key) == expected
    assert [path.name for path in sort_frames(map(Path, names))] == expected


def test_digits_of_other_scripts_are_text() -> None:
    assert natural_key("a²٣") == ("a²٣",)
    assert natural_key("1²2") == ("", 1, "²", 2, "")
    assert sorted(["²", "٣", "1"], key=natural_key) == ["1", "²", "٣"]


@pytest.mark.parametrize(("one", "other"), [("1.json", "01.json"), ("a1.json", "A1.json")])
def test_two_frames_of_one_number_are_refused(one: str, other: str) -> None:
    with pytest.raises(DamagedDataError, match="have the same frame number: remove one"):
        sort_frames([Path(one), Path(other)])


def test_a_name_is_found_in_its_other_unicode_form(tmp_path: Path) -> None:
    (tmp_path / "cafe\u0301").mkdir()
    (tmp_path / "cafe\u0301" / "nai\u0308f.png").touch()
    assert find_named(tmp_path, "caf\u00e9/na\u00eff.png") == tmp_path / "cafe\u0301" / "nai\u0308f.png"
    assert find_named(tmp_path, "caf\u00e9/absent.png") is None
    assert find_named(tmp_path, "\u00e9/absent.png") is None


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names or read them differently")
def test_a_name_that_is_not_utf8_is_named_in_printable_form() -> None:
    require_utf8(Path("caf\u00e9"))
    with pytest.raises(DamagedDataError, match=r"the name of a/caf\\xe9 is not UTF-8: rename it") as caught:
        require_utf8(Path(os.fsdecode(b"a/caf\xe9")))
    str(caught.value).encode()


def test_labels_of_one_class_are_refused() -> None:
    require_two_classes(np.array([0, 1]), "here")
    require_two_classes(np.array([], np.int64), "here")  # empty splits are reported elsewhere
    with pytest.raises(DamagedDataError, match="here: all 2 labels are class 3"):
        require_two_classes(np.array([3, 3]), "here")

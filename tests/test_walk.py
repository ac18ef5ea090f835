"""The one enumerator of files: links, hidden and system files, order, and folders and archives alike."""

from __future__ import annotations

import os
import sys
import tempfile
import unicodedata
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo_core.data.locate import fingerprint, list_root
from zoo_core.data.walk import (
    CIRCULAR,
    DANGLING,
    HIDDEN,
    MANY_LINKS,
    MAX_VISITS,
    SPECIAL,
    find_named,
    find_one,
    folders,
    folders_below,
    inner_root,
    is_hidden,
    list_folder,
    walk,
)
from zoo_core.errors import DamagedDataError, DataUnavailableError
from zoo_core.specs import DatasetSpec, Signature

SPEC = DatasetSpec(
    name="d", title="D", origin="real", licence="", signature=Signature(input_shape=(1,)), entry="m:n", plugin="zoo-x"
)
links = pytest.mark.skipif(sys.platform == "win32", reason="links need a right of their own there")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path_factory.mktemp("cache")))


def write(folder: Path, *names: str, content: str = "") -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content or name)
    return folder


def as_zip(folder: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for below in sorted(folder.rglob("*")):
            if below.is_file():
                archive.write(below, below.relative_to(folder).as_posix())
    return path


@pytest.mark.parametrize(
    "name",
    [*(".a", "._a.png", ".DS_Store", ".git", "__MACOSX", "Thumbs.db", "THUMBS.DB", "desktop.ini", "Icon\r"), "@eaDir"],
)
def test_hidden_and_system_files_are_left_out_by_one_rule(tmp_path: Path, name: str) -> None:
    assert is_hidden(name)
    write(tmp_path, "a.png", f"deep/{name}", f"{name}x/b.png" if name == "__MACOSX" else "deep/b.png")
    assert f"deep/{name}" not in walk(tmp_path).files
    assert walk(tmp_path).left_out == {f"deep/{name}": HIDDEN}
    assert find_named(tmp_path, f"deep/{name}") is None


@pytest.mark.parametrize("name", ["a.png", "MACOSX", "thumbs", "icon", "a.", "-"])
def test_other_names_are_not_hidden(name: str) -> None:
    assert not is_hidden(name)


@links
def test_links_to_files_and_folders_are_followed_also_out_of_the_root(tmp_path: Path) -> None:
    write(tmp_path / "elsewhere", "red/0.png", "one.png")
    root = write(tmp_path / "root", "a/x.png")
    (root / "train").symlink_to(tmp_path / "elsewhere")
    (root / "two.png").symlink_to(tmp_path / "elsewhere/one.png")
    assert walk(root).files == ["a/x.png", "train/one.png", "train/red/0.png", "two.png"]
    assert [path.name for path in folders(root)] == ["a", "train"]
    assert folders_below(root) == [root, root / "a", root / "train", root / "train/red"]


@links
def test_links_in_a_circle_end_and_are_reported(tmp_path: Path) -> None:
    root = write(tmp_path / "root", "a/x.png", "b/y.png")
    (root / "a/up").symlink_to(root)
    (root / "a/self").symlink_to("self")
    (root / "a/to_b").symlink_to(root / "b")
    (root / "b/to_a").symlink_to(root / "a")
    tree = walk(root)
    assert tree.files == ["a/to_b/y.png", "a/x.png", "b/to_a/x.png", "b/y.png"]
    assert tree.left_out["a/up"] == tree.left_out["a/to_b/to_a"] == tree.left_out["b/to_a/to_b"] == CIRCULAR
    assert tree.left_out["a/self"] == DANGLING
    assert folders_below(root / "a")[1:] == [root / "a/to_b"]


@links
def test_dangling_links_and_what_is_no_file_are_reported(tmp_path: Path) -> None:
    write(tmp_path, "a.png")
    (tmp_path / "gone.png").symlink_to("../.git/annex/objects/x")
    (tmp_path / "below_a_file.png").symlink_to("a.png/x")
    (tmp_path / "too_long.png").symlink_to("x" * 300)
    os.mkfifo(tmp_path / "pipe")
    expected = dict.fromkeys(("below_a_file.png", "gone.png", "too_long.png"), DANGLING) | {"pipe": SPECIAL}
    assert walk(tmp_path).left_out == expected
    assert list_folder(tmp_path).left_out == {tmp_path / name: reason for name, reason in expected.items()}


def test_names_are_sorted_in_composed_form_on_every_system(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "é")
    write(tmp_path, "z.png", f"{decomposed}.png", "f.png", "A.png")
    assert [path.name for path in list_folder(tmp_path).files] == ["A.png", "f.png", "z.png", f"{decomposed}.png"]


NAMES = st.sampled_from(["a", "b.png", ".h", "Thumbs.db", "__MACOSX", "é", "c d"])
TREES = st.dictionaries(
    st.lists(NAMES, min_size=1, max_size=3).map(lambda parts: "/".join([*parts, "f.txt"])), st.text("xy"), min_size=1
)


@settings(max_examples=40, deadline=None)
@given(TREES)
def test_a_folder_and_a_zip_of_it_have_one_list_one_report_and_one_fingerprint(files: Mapping[str, str]) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_CACHE", f"{folder}/cache")
        root = Path(folder, "root")
        for name, content in {**files, "always.txt": ""}.items():
            write(root, name, content=content)
        archive = as_zip(root, Path(folder, "root.zip"))
        assert list_root(archive) == list_root(root) == walk(root)
        assert fingerprint(SPEC, archive) == fingerprint(SPEC, root)


# the fingerprint sees what the loaders see


@links
def test_another_target_of_a_link_makes_another_fingerprint(tmp_path: Path) -> None:
    for disk, content in (("disk1", "first"), ("disk2", "other")):
        write(tmp_path / disk, "red/0.png", content=content)
    root = write(tmp_path / "root", "test/0.png")
    (root / "train").symlink_to(tmp_path / "disk1")
    before = fingerprint(SPEC, root)
    (tmp_path / "disk1/red/0.png").write_text("third")
    assert len({before, changed := fingerprint(SPEC, root)}) == 2
    (root / "train").unlink()
    (root / "train").symlink_to(tmp_path / "disk2")
    assert fingerprint(SPEC, root) not in (before, changed)


@links
def test_a_link_and_the_folder_itself_have_one_fingerprint(tmp_path: Path) -> None:
    write(tmp_path / "plain", "train/0.png", "test/0.png")
    (tmp_path / "linked").mkdir()
    for split in ("train", "test"):
        (tmp_path / "linked" / split).symlink_to(tmp_path / "plain" / split)
    assert fingerprint(SPEC, tmp_path / "linked") == fingerprint(SPEC, tmp_path / "plain")


def in_place(path: Path, content: bytes) -> None:
    with path.open("r+b") as file:
        file.write(content)


def by_another_file(path: Path, content: bytes) -> None:
    path.with_name("new").write_bytes(content)
    path.with_name("new").replace(path)


@pytest.mark.parametrize("change", [in_place, by_another_file])
@pytest.mark.parametrize("form", ["folder", "archive"])
def test_a_file_of_equal_size_and_time_with_another_content_is_noticed(tmp_path: Path, change: Any, form: str) -> None:
    root = write(tmp_path / "root", "a.txt", "b.txt")
    other = write(tmp_path / "other", "b.txt")
    write(other, "a.txt", content="A.txt")
    path = root / "a.txt" if form == "folder" else as_zip(root, tmp_path / "root.zip")
    content = b"A.txt" if form == "folder" else as_zip(other, tmp_path / "other.zip").read_bytes()
    where, state = root if form == "folder" else path, path.stat()
    for _ in range(20):  # also when both happen in one tick of the file system's clock
        before = fingerprint(SPEC, where)
        old = path.read_bytes()
        change(path, content)
        os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
        assert path.stat().st_size == state.st_size
        assert fingerprint(SPEC, where) != before
        content = old


def test_both_forms_of_unicode_have_one_fingerprint(tmp_path: Path) -> None:
    one = write(tmp_path / "one", "лайка/й.png", "b.png", content="1")
    other = write(tmp_path / "other", unicodedata.normalize("NFD", "лайка/й.png"), "b.png", content="1")
    assert fingerprint(SPEC, one) == fingerprint(SPEC, other)


@links
@pytest.mark.parametrize("count", [7, 15])
def test_folders_that_all_link_to_each_other_are_listed_in_bounded_time(count: int, tmp_path: Path) -> None:
    """By every path through them, seven folders would be listed 13,699 times, and fifteen for ever."""
    names = [f"{number:02}" for number in range(count)]
    for name in names:
        write(tmp_path, f"{name}/a.txt")
    for name in names:
        for other in names:
            if other != name:
                (tmp_path / name / f"to{other}").symlink_to(tmp_path / other)
    tree = walk(tmp_path)
    assert len(tree.files) <= count * (1 + MAX_VISITS)
    assert {f"{name}/a.txt" for name in names} <= set(tree.files)
    assert f"{names[0]}/to{names[1]}/a.txt" in tree.files, "short paths through links come first"
    assert MANY_LINKS in tree.left_out.values()
    assert len(folders_below(tmp_path)) <= 1 + count * (1 + MAX_VISITS)
    assert walk(tmp_path) == tree


@links
def test_a_folder_to_which_many_links_lead_is_listed_by_each_of_them(tmp_path: Path) -> None:
    write(tmp_path, "all/a.txt")
    for fold in range(MAX_VISITS):
        (tmp_path / f"fold{fold}").symlink_to("all")
    assert len(walk(tmp_path).files) == 1 + MAX_VISITS
    assert walk(tmp_path).left_out == {}


@pytest.mark.skipif(sys.platform != "linux", reason="the device is Linux's")
def test_a_link_to_a_device_is_left_out_as_what_it_is(tmp_path: Path) -> None:
    write(tmp_path, "a.txt")
    (tmp_path / "zero").symlink_to("/dev/zero")
    assert walk(tmp_path).left_out == {"zero": SPECIAL}


@links
def test_a_folder_deeper_than_any_path_is_one_error(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    for _ in range(30):  # each step relative to the last folder: the whole path is longer than the system takes
        os.mkdir("d" * 200, dir_fd=descriptor)
        inside = os.open("d" * 200, os.O_RDONLY, dir_fd=descriptor)
        os.close(descriptor)
        descriptor = inside
    os.close(descriptor)
    with pytest.raises(DataUnavailableError, match=r"cannot be read as a folder \(File name too long\)"):
        walk(tmp_path)


# finding


def test_one_of_a_name_is_found_at_any_depth_and_two_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "a/b/table.csv", ".trash/table.csv")
    assert find_one(tmp_path, "table.csv", "it must") == tmp_path / "a/b/table.csv"
    with pytest.raises(DataUnavailableError, match=r"holds no x\.csv at any depth; it must"):
        find_one(tmp_path, "x.csv", "it must")
    write(tmp_path, "c/table.csv")
    with pytest.raises(DamagedDataError, match=r"holds two data sets, .*c/table\.csv and .*a/b/table\.csv: give"):
        find_one(tmp_path, "table.csv", "it must")


@links
def test_a_link_to_the_one_that_was_found_is_no_second_one(tmp_path: Path) -> None:
    write(tmp_path, "a/table.csv")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert find_one(tmp_path, "table.csv", "") == tmp_path / "a/table.csv"


def test_the_inner_root_lies_below_single_folders_that_are_not_the_datas_own(tmp_path: Path) -> None:
    write(tmp_path, "a/b/train/0.png", ".DS_Store")
    assert inner_root(tmp_path, {"train"}) == tmp_path / "a/b"
    write(tmp_path, "a/README")
    assert inner_root(tmp_path, {"train"}) == tmp_path / "a"

"""Untrusted archives: members that lead outside and damaged files are refused, everything else is unpacked."""

from __future__ import annotations

import gzip
import io
import random
import stat
import struct
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo_core.data.archives import extract, is_archive, members, reading
from zoo_core.errors import DamagedDataError, DataError, UnsafeArchiveError

FILES = {"a.txt": b"first", "deep/er/b.bin": bytes(range(256)), "deep/empty": b""}
Make = Callable[[Path, Mapping[str, bytes]], Path]


def make_zip(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    return path


def make_tar(path: Path, files: Mapping[str, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path


def make_tar_gz(path: Path, files: Mapping[str, bytes]) -> Path:
    path.write_bytes(gzip.compress(make_tar(path, files).read_bytes()))
    return path


def with_special_member(path: Path, kind: bytes, target: str = "") -> Path:
    """A tar whose second member is a link or a device."""
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("good.txt"), io.BytesIO())
        entry = tarfile.TarInfo("special")
        entry.type, entry.linkname = kind, target
        archive.addfile(entry)
    return path


def below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def nothing_but(folder: Path, archive: Path) -> bool:
    """Whether a refusal left nothing on disk beside the archive."""
    return [path for path in folder.rglob("*") if path.is_file() or path.name.startswith(".")] == [archive]


makers = pytest.mark.parametrize("make", [make_zip, make_tar, make_tar_gz])


@makers
def test_a_good_archive_unpacks_to_its_files(make: Make, tmp_path: Path):
    archive = make(tmp_path / "good", FILES)
    assert is_archive(archive)
    extract(archive, tmp_path / "new" / "folder")
    assert below(tmp_path / "new") == {f"folder/{name}": content for name, content in FILES.items()}


@makers
def test_the_members_of_an_archive_are_its_files_with_their_content(make: Make, tmp_path: Path):
    archive = make(tmp_path / "good", FILES)
    assert {name: content.read() for name, content in members(archive)} == FILES


def test_a_tar_of_a_folder_as_tar_itself_makes_it_unpacks(tmp_path: Path):
    """`tar -cf x.tar .` writes a member `.` first, and `./` before every name."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.txt").write_text("first")
    with tarfile.open(tmp_path / "dot.tar", "w") as archive:
        archive.add(folder, arcname=".")
    extract(tmp_path / "dot.tar", tmp_path / "out")
    assert below(tmp_path / "out") == {"a.txt": b"first"}


def test_folders_in_an_archive_are_no_members(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "f.zip", "w") as archive:
        archive.writestr("folder/", b"")
        archive.writestr("folder/a", b"1")
    assert [name for name, _ in members(tmp_path / "f.zip")] == ["folder/a"]


def named_in(page: str, name: str) -> zipfile.ZipInfo:
    """A member of an old Windows archiver: its name in a code page, without the flag of UTF-8."""

    class Old(zipfile.ZipInfo):
        def _encodeFilenameFlags(self) -> tuple[bytes, int]:
            return name.encode(page), self.flag_bits & ~0x800

    return Old(name.encode(page).decode("cp437"))


def names_of(path: Path) -> list[str]:
    return [name for name, _ in members(path)]


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("cp866", ["лайка/борзой пёс.png", "КОШКА/1.png", "plain/a.png"]),
        ("cp1251", ["лайка/борзой пёс.png", "Кошка/1.png"]),
        ("cp437", ["été/über.png", "Bär/é.png"]),
        ("utf-8", ["лайка/été.png", "猫/1.png"]),  # macOS writes UTF-8 without the flag
    ],
)
def test_names_of_old_archivers_are_decoded(page: str, names: list[str], tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "old.zip", "w") as archive:
        for name in names:
            archive.writestr(named_in(page, name), name.encode())
    assert names_of(tmp_path / "old.zip") == names
    extract(tmp_path / "old.zip", tmp_path / "out")
    assert all((tmp_path / "out" / name).read_bytes() == name.encode() for name in names)


def test_the_unicode_name_of_info_zip_is_used(tmp_path: Path):
    with_unicode_name(tmp_path / "a.zip", "?.png", "猫.png", zlib.crc32(b"?.png"))
    assert names_of(tmp_path / "a.zip") == ["猫.png"]


def test_the_unicode_name_of_another_name_is_not_used(tmp_path: Path):
    with_unicode_name(tmp_path / "a.zip", "renamed.png", "猫.png", zlib.crc32(b"?.png"))
    assert names_of(tmp_path / "a.zip") == ["renamed.png"]


def with_unicode_name(path: Path, name: str, unicode_name: str, checksum: int) -> None:
    entry, encoded = zipfile.ZipInfo(name), unicode_name.encode()
    entry.extra = struct.pack("<HHBI", 0x7075, 5 + len(encoded), 1, checksum) + encoded
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(entry, b"1")


def test_a_tar_with_names_of_windows_is_decoded(tmp_path: Path):
    with tarfile.open(tmp_path / "a.tar", "w", encoding="cp1251", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("лайка.png"))
    assert names_of(tmp_path / "a.tar") == ["лайка.png"]


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("page", ["cp866", "cp1251"])
def test_the_names_of_a_tar_share_a_code_page(page: str, mode: str, tmp_path: Path):
    names = ["plain.png", "я/1.png", "лайка.png", "last.png"]  # one letter alone does not show the page
    with tarfile.open(tmp_path / "a.tar", mode, encoding=page, format=tarfile.GNU_FORMAT) as archive:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size = len(name.encode())
            archive.addfile(entry, io.BytesIO(name.encode()))
    assert {name: content.read().decode() for name, content in members(tmp_path / "a.tar")} == {
        name: name for name in names
    }


def test_backslashes_separate_folders(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "powershell.zip", "w") as archive:
        for name in ("train\\red\\", "train\\red\\0.png", "test\\1.png"):
            entry = zipfile.ZipInfo("x")
            entry.filename = name
            archive.writestr(entry, b"" if name.endswith("\\") else b"1")
    assert names_of(tmp_path / "powershell.zip") == ["train/red/0.png", "test/1.png"]
    extract(tmp_path / "powershell.zip", tmp_path / "out")
    assert (tmp_path / "out/train/red/0.png").read_bytes() == b"1"


@makers
def test_hidden_and_system_files_are_left_out_and_told(make: Make, tmp_path: Path):
    added = ["__MACOSX/train/._0.png", "__MACOSX/x.png", "train/._0.png", "train/.DS_Store", "._train", "a/Thumbs.db"]
    archive = make(tmp_path / "mac", {"train/0.png": b"1", "a/b.txt": b"", **dict.fromkeys(added, b"0")})
    assert names_of(archive) == ["train/0.png", "a/b.txt"]
    left_out: dict[str, str] = {}
    with reading(archive):
        assert [name for name, _ in members(archive, left_out)] == ["train/0.png", "a/b.txt"]
    assert sorted(left_out) == ["._train", "__MACOSX", "a/Thumbs.db", "train/.DS_Store", "train/._0.png"]
    extract(archive, tmp_path / "out")
    assert not any((tmp_path / "out" / name).exists() for name in added)


@pytest.mark.parametrize(("make", "name"), [(make_zip, "a.zip"), (make_tar_gz, "a.tar.gz")])
def test_a_cut_download_is_an_archive_and_reading_it_says_what_to_do(make: Make, name: str, tmp_path: Path):
    whole = make(tmp_path / name, {"a": random.Random(1).randbytes(3000)})
    whole.write_bytes(whole.read_bytes()[:300])
    assert is_archive(whole)
    with pytest.raises(DamagedDataError, match=r"a\.(zip|tar\.gz) cannot be read .*cut or damaged, fetch it again"):
        extract(whole, tmp_path / "out")


OUTSIDE = {
    "a parent": "../evil.txt",
    "a parent further in": "good/../../evil.txt",
    "a parent at the end": "good/..",
    "an absolute path": "/tmp/evil.txt",
    "a drive letter": "C:/evil.txt",
    "a drive without a slash": "C:evil.txt",
    "a drive further in": "good/C:/evil.txt",
    "a parent with backslashes": "..\\evil.txt",
    "a drive with a backslash": "C:\\evil.txt",
    "an absolute path with a backslash": "\\evil.txt",
    "a network share": "\\\\server\\share\\evil.txt",
}


@makers
@pytest.mark.parametrize("case", OUTSIDE)
def test_a_member_that_leads_outside_is_refused_and_nothing_is_kept(case: str, make: Make, tmp_path: Path):
    archive = make(tmp_path / "bad", {"good.txt": b"good", OUTSIDE[case]: b"evil"})
    with pytest.raises(UnsafeArchiveError, match="leads outside its folder"):
        extract(archive, tmp_path / "out")
    assert nothing_but(tmp_path, archive)


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE],
    ids=["symbolic link", "hard link", "character device", "block device", "pipe"],
)
@pytest.mark.parametrize("target", ["good.txt", "../../evil", "/etc/passwd"])
def test_a_link_or_a_device_in_a_tar_is_refused_and_nothing_is_kept(kind: bytes, target: str, tmp_path: Path):
    archive = with_special_member(tmp_path / "bad.tar", kind, target)
    with pytest.raises(UnsafeArchiveError, match="member 'special' is a link or a device"):
        extract(archive, tmp_path / "out")
    assert nothing_but(tmp_path, archive)


def test_a_symbolic_link_in_a_zip_is_refused_and_nothing_is_kept(tmp_path: Path):
    entry = zipfile.ZipInfo("link")
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("good.txt", b"good")
        archive.writestr(entry, b"/etc/passwd")
    with pytest.raises(UnsafeArchiveError, match="member 'link' is a link"):
        extract(tmp_path / "bad.zip", tmp_path / "out")
    assert nothing_but(tmp_path, tmp_path / "bad.zip")


@makers
def test_a_cut_archive_is_damaged_data_and_nothing_is_kept(make: Make, tmp_path: Path):
    files = {"a": random.Random(1).randbytes(3000), "b": random.Random(2).randbytes(3000)}
    whole = make(tmp_path / "whole", files).read_bytes()
    (tmp_path / "whole").unlink()
    archive = tmp_path / "cut"
    for share in (0.0, 0.01, 0.1, 0.3, 0.5, 0.6):
        archive.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(DamagedDataError, match="cannot be read"):
            extract(archive, tmp_path / "out")
        assert nothing_but(tmp_path, archive)


@makers
def test_a_truncated_archive_can_be_tested_for_being_an_archive(make: Make, tmp_path: Path):
    whole = make(tmp_path / "whole", {"a": random.Random(1).randbytes(2000)}).read_bytes()
    for size in (0, 1, 5, 10, 50, 100, 300, 600, 1200):
        (tmp_path / "cut").write_bytes(whole[:size])
        assert is_archive(tmp_path / "cut") in (True, False)


@pytest.mark.parametrize("make", [make_zip, make_tar_gz])
def test_an_archive_with_changed_bytes_inside_is_damaged_data_and_nothing_is_kept(make: Make, tmp_path: Path):
    archive = make(tmp_path / "changed", {"a": b"word " * 2000, "b": random.Random(1).randbytes(5000)})
    content = bytearray(archive.read_bytes())
    for place in range(1000, 1100):
        content[place] ^= 0xFF
    archive.write_bytes(content)
    with pytest.raises(DamagedDataError, match="cannot be read"):
        extract(archive, tmp_path / "out")
    assert nothing_but(tmp_path, archive)


def test_an_encrypted_zip_is_a_data_error_and_nothing_is_kept(tmp_path: Path):
    archive = make_zip(tmp_path / "secret.zip", {"a": b"1"})
    content = bytearray(archive.read_bytes())
    content[6] |= 1  # general purpose flag of the local header
    content[content.index(b"PK\x01\x02") + 8] |= 1  # and of the central directory
    archive.write_bytes(content)
    with pytest.raises(DataError, match=r"secret\.zip"):
        extract(archive, tmp_path / "out")
    assert nothing_but(tmp_path, archive)


@makers
def test_a_member_that_is_both_file_and_folder_is_a_data_error_and_nothing_is_kept(make: Make, tmp_path: Path):
    archive = make(tmp_path / "odd", {"a": b"1", "a/b": b"2"})
    with pytest.raises(DataError, match="odd"):
        extract(archive, tmp_path / "out")
    assert nothing_but(tmp_path, archive)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04", b"\x1f\x8b", bytes(100)])
def test_a_file_that_is_no_archive_is_not_taken_for_one(content: bytes, tmp_path: Path):
    (tmp_path / "x").write_bytes(content)
    assert not is_archive(tmp_path / "x")
    assert not is_archive(tmp_path)
    assert not is_archive(tmp_path / "absent")


PARTS = st.sampled_from(["..", ".", "", "a", "b.txt", "C:", "c:x", "\\", "..\\..", "~", "con", " ", "é", "a:b", "\t"])
NAMES = st.lists(PARTS, min_size=1, max_size=4).flatmap(
    lambda parts: st.sampled_from(["/", "\\"]).map(lambda separator: separator.join(parts))
)


@settings(max_examples=60, deadline=None)
@given(st.lists(NAMES | st.text(min_size=1, max_size=10), min_size=1, max_size=3, unique=True), st.booleans())
def test_no_member_name_whatever_it_is_writes_outside(names: list[str], zipped: bool):
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        archive = folder / "archive"
        try:
            (make_zip if zipped else make_tar)(archive, dict.fromkeys(names, b"content"))
        except (UnicodeEncodeError, ValueError, IndexError):
            return  # a name that the format cannot hold
        try:
            extract(archive, folder / "inner" / "out")
        except DataError:
            assert nothing_but(folder, archive)
        outside = [path for path in below(folder) if not path.startswith("inner/out/")]
        assert outside == ["archive"]


@settings(max_examples=40, deadline=None)
@given(NAMES)
def test_a_name_that_is_taken_stays_inside_on_every_operating_system(name: str):
    with tempfile.TemporaryDirectory() as place:
        archive = make_tar(Path(place) / "archive", {name: b""})
        try:
            taken = [name for name, _ in members(archive)]
        except UnsafeArchiveError:
            return
        for path in taken:
            parts = PurePosixPath(path.replace("\\", "/")).parts
            for home in (PurePosixPath("/home/x"), PureWindowsPath("D:/home/x")):
                inside = home.joinpath(*parts)
                assert inside.is_relative_to(home), parts
                assert ".." not in inside.parts

"""Files from outside that claim too much, never end, or are no files: one clear error each, in bounded memory."""

from __future__ import annotations

import gzip
import io
import os
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo_core.data import archives, budget
from zoo_core.data.archives import extract, members, reading
from zoo_core.errors import DamagedDataError

TB = 1 << 40


# archives


def zip_claiming(path: Path, size: int) -> None:
    """A zip of one member of zeros whose headers state `size`."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros.bin", bytes(1 << 20))
    content = path.read_bytes().replace(struct.pack("<L", 1 << 20), struct.pack("<L", size))
    path.write_bytes(content)


def header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info


def tar_claiming(path: Path, size: int) -> None:
    path.write_bytes(header("zeros.bin", size).tobuf(tarfile.GNU_FORMAT) + bytes(1024))


def sparse_tar(path: Path, size: int) -> None:
    """GNU's old sparse format: one hole of `size` bytes, none of them in the archive."""
    block = bytearray(header("zeros.bin", 0, tarfile.GNUTYPE_SPARSE).tobuf(tarfile.GNU_FORMAT))
    block[386:398], block[398:410] = b"00000000000\0", b"00000000000\0"
    block[483:495] = tarfile.itn(size, 12, tarfile.GNU_FORMAT)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    path.write_bytes(bytes(block) + bytes(1024))


def long_header(path: Path, kind: bytes) -> None:
    """A header of 64 MiB, in 64 KiB."""
    with gzip.open(path, "wb") as file:
        file.write(header("././@LongLink", 64 << 20, kind).tobuf(tarfile.GNU_FORMAT))
        file.write(b"a" * (64 << 20))
        file.write(header("a", 0).tobuf() + bytes(1024))


def endless_sparse_map(path: Path) -> None:
    """A member whose list of holes goes on and on."""
    block = bytearray(header("zeros.bin", 0, tarfile.GNUTYPE_SPARSE).tobuf(tarfile.GNU_FORMAT))
    block[482] = 1
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    more = b"00000000001\0" * 42 + b"\1" + bytes(7)
    with gzip.open(path, "wb") as file:
        file.write(bytes(block) + more * 50_000)


def many_members(path: Path) -> None:
    with gzip.open(path, "wb", compresslevel=1) as file:
        block = header("a", 0).tobuf()
        for _ in range(20):
            file.write(block * 1_000)
        file.write(bytes(1024))


BOMBS: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "a zip that claims 4 GiB": ("a.zip", lambda path: zip_claiming(path, 0xFFFFFFFE), r"unpacks to 4\.0 GiB or more"),
    "a tar that claims 1 TB": ("a.tar", lambda path: tar_claiming(path, TB), r"unpacks to 1,024\.0 GiB or more"),
    "a sparse tar of 1 TB": ("a.tar", lambda path: sparse_tar(path, TB), r"unpacks to 1,024\.0 GiB or more"),
    "a long name": ("a.tar.gz", lambda path: long_header(path, tarfile.GNUTYPE_LONGNAME), "headers do not end"),
    "a long extension": ("a.tar.gz", lambda path: long_header(path, tarfile.XHDTYPE), "headers do not end"),
    "an endless list of holes": ("a.tar.gz", endless_sparse_map, "headers do not end"),
    "20,000 members in 10 KB": ("a.tar.gz", many_members, "far more files than its size allows"),
}


@pytest.mark.parametrize("case", BOMBS)
def test_an_archive_that_claims_or_holds_too_much_is_one_error_before_it_is_unpacked(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, make, words = BOMBS[case]
    monkeypatch.setattr(budget, "FREE_MEMBERS", 1000)
    make(tmp_path / name)
    assert (tmp_path / name).stat().st_size < 1 << 21
    with pytest.raises(DamagedDataError, match=f"archive .*{name} .*{words}"):
        extract(tmp_path / name, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == [name], "nothing is kept"


@pytest.mark.parametrize("mode", ["w:gz", "w:bz2", "w:xz"])
def test_a_tar_that_unpacks_to_far_more_than_its_size_is_stopped_while_it_is_read(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "FREE_BYTES", 1 << 20)
    monkeypatch.setattr(budget, "MAX_RATIO", 10)
    with tarfile.open(tmp_path / "a.tar", mode) as archive:  # type: ignore[call-overload]
        archive.addfile(header("a", 3 << 20), io.BytesIO(bytes(3 << 20)))
    with pytest.raises(DamagedDataError, match="GiB or more, 10 times its size"):
        extract(tmp_path / "a.tar", tmp_path / "out")


def test_what_is_skipped_in_an_archive_counts_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "FREE_BYTES", 4 << 20)
    monkeypatch.setattr(budget, "MAX_RATIO", 10)
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as archive:
        for number in range(3):
            archive.addfile(header(f".hidden{number}", 2 << 20), io.BytesIO(bytes(2 << 20)))
        archive.addfile(header("a", 1), io.BytesIO(b"1"))
    with pytest.raises(DamagedDataError, match="GiB or more"), reading(tmp_path / "a.tar.gz"):
        list(members(tmp_path / "a.tar.gz"))


def test_a_zip_whose_member_is_longer_than_its_header_states_is_not_read_on(tmp_path: Path) -> None:
    zip_claiming(tmp_path / "a.zip", 1000)
    with pytest.raises(DamagedDataError, match=r"a\.zip cannot be read"):
        extract(tmp_path / "a.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a/" * 300 + "b", "lies in more than 100 folders"),
        ("a" * 300, "has a name that this system cannot take"),
        ("ф" * 200, "has a name that this system cannot take"),
    ],
    ids=["deep", "long", "long in bytes"],
)
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_a_member_with_a_name_that_no_system_takes_is_a_data_error(
    kind: str, name: str, words: str, tmp_path: Path
) -> None:
    path = tmp_path / f"a.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name, b"1")
    else:
        with tarfile.open(path, "w") as archive:
            archive.addfile(header(name, 1), io.BytesIO(b"1"))
    with pytest.raises(DamagedDataError, match=words):
        extract(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_disk_that_fills_while_an_archive_is_unpacked_passes_upward_and_leaves_nothing(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a", os.urandom(1 << 18))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, before[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            extract(tmp_path / "a.zip", tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]


def test_damaged_bzip2_is_damage_and_no_fault_of_the_machine(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.bz2", "w:bz2") as archive:
        archive.addfile(header("a", 1 << 16), io.BytesIO(os.urandom(1 << 16)))
    content = bytearray((tmp_path / "a.tar.bz2").read_bytes())
    content[40_000:40_010] = bytes(10)
    (tmp_path / "a.tar.bz2").write_bytes(content)
    with pytest.raises(DamagedDataError, match=r"a\.tar\.bz2 cannot be read"):
        extract(tmp_path / "a.tar.bz2", tmp_path / "out")


def test_an_archive_of_blank_pictures_is_no_bomb(tmp_path: Path) -> None:
    """50 MiB of one colour in 50 KiB: what real masks look like."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(5):
            archive.writestr(f"{number}.bmp", bytes(10 << 20))
    with reading(tmp_path / "a.zip"):
        assert sum(len(content.read()) for _, content in members(tmp_path / "a.zip")) == 50 << 20
    assert archives.is_archive(tmp_path / "a.zip")

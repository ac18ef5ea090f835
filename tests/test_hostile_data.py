"""Files from outside that claim too much, never end, or are no files: one clear error each, in bounded memory."""

from __future__ import annotations

import errno
import gzip
import io
import os
import resource
import socket
import struct
import subprocess
import sys
import tarfile
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from zoo_core import files
from zoo_core.data import archives, budget
from zoo_core.data.archives import extract, members, reading
from zoo_core.data.idx import read_idx
from zoo_core.data.images import read_image, read_images
from zoo_core.data.locate import fingerprint
from zoo_core.data.reading import read_bytes, read_text
from zoo_core.data.walk import SPECIAL, walk
from zoo_core.errors import DamagedDataError, DataError, DataUnavailableError
from zoo_core.files import open_regular, read_regular
from zoo_core.specs import DatasetSpec, Signature

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


# pictures


@pytest.mark.parametrize("mode", ["1", "L"])
@pytest.mark.parametrize("kind", ["png", "gif", "tif", "webp"])
def test_a_small_file_of_a_huge_picture_is_refused_before_its_pixels_are_decoded(
    mode: str, kind: str, tmp_path: Path
) -> None:
    path = tmp_path / f"huge.{kind}"
    if kind == "webp":  # at most 16,383 pixels a side
        Image.new("L", (8_000, 8_000)).save(path, lossless=True)
    else:
        Image.new(mode, (8_000, 8_000)).save(path, **({"compression": "tiff_lzw"} if kind == "tif" else {}))
    if path.stat().st_size * 500 > 64e6:
        pytest.skip("this form does not pack so much")
    began = time.perf_counter()
    with pytest.raises(
        DamagedDataError, match=rf"huge\.{kind} cannot be read as a picture .*8000x8000 in [\d,]+ bytes"
    ):
        read_image(path)
    assert time.perf_counter() - began < 1


def test_an_honest_large_photograph_and_a_large_mask_pass(tmp_path: Path) -> None:
    Image.effect_noise((7_000, 5_000), 40).save(tmp_path / "photo.jpg")
    Image.new("L", (6_000, 5_000)).save(tmp_path / "mask.png")
    assert read_images([tmp_path / "photo.jpg", tmp_path / "mask.png"], (5, 7)).shape == (2, 3, 5, 7)


# IDX files


def idx_of(*sizes: int) -> bytes:
    return bytes([0, 0, 8, len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)


@pytest.mark.parametrize("sizes", [(1 << 31,), (1 << 31, 1 << 31, 1 << 31), (0xFFFFFFFF, 28, 28)])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_an_idx_file_that_states_terabytes_is_refused_by_what_it_holds(
    suffix: str, sizes: tuple[int, ...], tmp_path: Path
) -> None:
    content = idx_of(*sizes) + bytes(100)
    path = tmp_path / f"images{suffix}"
    path.write_bytes(gzip.compress(content) if suffix else content)
    with pytest.raises(DamagedDataError, match="holds 100 bytes of data, which does not match its sizes"):
        read_idx(path)


def test_a_packed_idx_file_that_unpacks_to_far_more_than_its_size_is_not_unpacked(tmp_path: Path) -> None:
    with gzip.open(tmp_path / "images.gz", "wb") as file:
        file.write(idx_of(200 << 20))
        for _ in range(200):
            file.write(bytes(1 << 20))
    with pytest.raises(DamagedDataError, match=r"images\.gz holds more than \d+ bytes"):
        read_idx(tmp_path / "images.gz")


# no regular files


@pytest.fixture
def special(tmp_path: Path) -> dict[str, Path]:
    root = tmp_path / "special"
    root.mkdir()
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(root)  # the path of a socket may be at most 107 bytes long
        try:
            server.bind("socket")
        finally:
            os.chdir(here)
    (root / "zero").symlink_to("/dev/zero")
    (root / "to_fifo").symlink_to("fifo")
    (root / "itself").symlink_to("itself")
    (root / "folder").mkdir()
    return {path.name: path for path in root.iterdir()}


NAMES = ("fifo", "socket", "zero", "to_fifo", "itself", "folder")
READERS: dict[str, Callable[[Path], object]] = {
    "text": read_text,
    "bytes": read_bytes,
    "IDX": read_idx,
    "picture": read_image,
}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_regular_file_is_an_error_and_never_a_wait(reader: str, name: str, special: dict[str, Path]) -> None:
    with pytest.raises(DataError, match=name):
        READERS[reader](special[name])


def test_a_root_of_special_files_is_listed_without_them_and_says_so(special: dict[str, Path]) -> None:
    root = special["fifo"].parent
    (root / "a.txt").write_text("1")
    tree = walk(root)
    assert tree.files == ["a.txt"]
    assert {name for name, reason in tree.left_out.items() if reason == SPECIAL} == {
        "fifo",
        "socket",
        "zero",
        "to_fifo",
    }
    fields = {"title": "", "licence": "", "origin": "real", "plugin": "zoo-x", "entry": "m:n"}
    spec = DatasetSpec(name="d", signature=Signature(input_shape=(1,)), **fields)  # type: ignore[arg-type]
    assert len(fingerprint(spec, root)) == 32
    for name in ("fifo", "zero"):
        with pytest.raises(DataError, match=name):
            fingerprint(spec, special[name])


def test_a_file_that_grows_past_the_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(11))
    assert read_regular(tmp_path / "a", 11) == bytes(11)
    with pytest.raises(OSError, match="it is larger than 10 bytes") as caught:
        read_regular(tmp_path / "a", 10)
    assert caught.value.errno == errno.EOVERFLOW, "EFBIG is the fault of a disk or a limit, when a file is written"
    with pytest.raises(OSError, match="larger than 10 bytes"):
        read_regular("/proc/self/status", 10)  # the system states a size of zero


def test_a_small_file_is_read_whole_and_takes_no_memory_for_the_limit(tmp_path: Path) -> None:
    content = bytes(range(256)) * 1000
    (tmp_path / "a").write_bytes(content)
    tracemalloc.start()
    try:
        assert read_regular(tmp_path / "a", 8 << 30) == content
        assert tracemalloc.get_traced_memory()[1] < 3 * len(content)
    finally:
        tracemalloc.stop()
    (tmp_path / "empty").touch()
    assert read_regular(tmp_path / "empty", 0) == b""


def test_a_file_whose_size_the_system_does_not_state_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "BLOCK", 7)
    assert read_regular("/proc/version", 1000) == Path("/proc/version").read_bytes()


def test_a_name_with_a_zero_byte_is_no_file() -> None:
    with pytest.raises(OSError, match="no name of a file") as caught:
        read_regular("a\0b", 10)
    assert caught.value.errno == errno.EINVAL


def test_a_link_is_refused_where_none_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").symlink_to("a")
    with open_regular(tmp_path / "b") as file:
        assert file.read() == b"1"
    with pytest.raises(OSError) as caught:
        open_regular(tmp_path / "b", follow_links=False)
    assert caught.value.errno == errno.ELOOP


def test_a_fault_of_the_disk_is_not_called_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"1")

    def fail(*_: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "open", fail)
    for reader in READERS.values():
        with pytest.raises(OSError) as caught:
            reader(tmp_path / "a")
        assert caught.value.errno == errno.EIO


def test_a_missing_file_says_what_the_data_must_hold(tmp_path: Path) -> None:
    with pytest.raises(DataUnavailableError, match=r"a\.csv is missing; it must hold a\.csv"):
        read_bytes(tmp_path / "a.csv", needs="it must hold a.csv")


# memory


MEASURE = """
import resource, sys
from pathlib import Path
from zoo_core.errors import ZooError
from {module} import {name}
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    {name}(Path(sys.argv[1]), *map(eval, sys.argv[2:]))
except ZooError as error:
    print(type(error).__name__)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""


def peak_mib(function: str, path: Path, *words: str) -> tuple[list[str], int]:
    """Call a reader in a process of its own; return the name of its ZooError and the growth of its peak memory."""
    module, _, name = function.partition(":")
    command = [sys.executable, "-c", MEASURE.format(module=module, name=name), str(path), *words]
    *error, peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return error, int(peak)


def test_a_pickle_cannot_reserve_memory(tmp_path: Path) -> None:
    """By the index of its memo, a pickle of 12 bytes takes 16 GB from Python's unpickler in C."""
    path = tmp_path / "test_batch"
    path.write_bytes(b"\x80\x02}r\xff\xff\xff\x3f.")
    assert peak_mib("zoo_cifar10.data:read_batch", path) == (["DamagedDataError"], pytest.approx(0, abs=20))
    path.write_bytes(b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I99999999999\nt\x8c\x01bt\x52.")
    assert peak_mib("zoo_cifar10.data:read_batch", path) == (["DamagedDataError"], pytest.approx(0, abs=20))


def test_a_table_of_one_line_without_end_is_an_error_of_bounded_memory(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a" * (20 << 20))
    error, peak = peak_mib("zoo_traffic_signs.data:read_table", tmp_path / "a.csv", "('a',)", "''")
    assert error == ["DamagedDataError"]
    assert peak < 200
    with (tmp_path / "a.csv").open("wb") as file:
        file.truncate(1 << 40)  # a sparse file
    error, peak = peak_mib("zoo_traffic_signs.data:read_table", tmp_path / "a.csv", "('a',)", "''")
    assert error == ["DamagedDataError"]
    assert peak < 50


def test_a_recording_of_many_bodies_in_many_frames_takes_the_memory_of_one(tmp_path: Path) -> None:
    joints = "\n".join(["{0} 0 0 0 0 0 0 0 0 0 0 0"] * 25)
    bodies = "".join(f"{n} 0 0 0 0 0 0 0 0 0\n25\n{joints.format(n * 9)}\n" for n in range(100))
    (tmp_path / "a.skeleton").write_text(f"20000\n100\n{bodies}" + "0\n" * 19_999)
    error, peak = peak_mib("zoo_pose.formats:read_ntu", tmp_path / "a.skeleton")
    assert error == []
    assert peak < 100, "all bodies in all frames would take 570 MiB"

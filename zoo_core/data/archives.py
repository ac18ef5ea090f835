"""Unpacks untrusted zip and tar archives: nothing is written outside the folder, and links are refused.

One rule for names, whichever system made the archive: backslashes separate folders, names are decoded as Unicode, and
hidden and system files are left out, as `zoo_core.data.walk` does in a folder.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from zoo_core.data.budget import BLOCK, Budget, Counted, TarStream
from zoo_core.data.walk import HIDDEN, hidden_part
from zoo_core.errors import DamagedDataError, UnsafeArchiveError
from zoo_core.files import new_folder
from zoo_core.quote import shorten

UNPACKING = ".unpacking-"
ZIP_MAGIC, ZIP_HEADER = b"PK\x03\x04", 30  # the first bytes, and the size in bytes of a member's header
COMPRESSED_TARS = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
UTF8_FLAG = 0x800  # of a zip member
UNICODE_PATH = 0x7075  # Info-ZIP's extra field: version, checksum, name in UTF-8
FREQUENT_LETTERS = frozenset("оеаинтсрвл")  # two thirds of the letters of a Russian text
WORD = re.compile(r"[^\W\d_]+")
MAX_FOLDERS = 100  # that a member may lie in
OPENERS: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}  # by the first bytes of a tar
# zipfile raises RuntimeError for a password, and its subclass NotImplementedError for an unknown compression.
UNREADABLE = (
    *(zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError),
    *(EOFError, RuntimeError, struct.error, ValueError, LookupError, ArithmeticError),  # of headers that are damaged
)


def is_archive(path: Path) -> bool:
    """Return whether `path` is a zip or tar file, also one that ends too early: reading it names the fault."""
    if not path.is_file():
        return False
    if _begins_as_zip(path):
        return True
    try:
        return zipfile.is_zipfile(path) or _is_tar(path)
    except EOFError:  # a compressed tar that ends too early
        return path.name.lower().endswith(COMPRESSED_TARS)


def _is_tar(path: Path) -> bool:
    try:
        with _open_tar(path, Budget(path)):
            return True
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError, DamagedDataError):
        return False
    except OSError as error:
        if error.errno is None:  # bz2 says so of other content
            return False
        raise


def _begins_as_zip(path: Path) -> bool:
    with path.open("rb") as file:
        begin = file.read(ZIP_HEADER)
    return begin.startswith(ZIP_MAGIC) and len(begin) == ZIP_HEADER


@contextmanager
def reading(archive: Path) -> Iterator[None]:
    """Turn every reading error inside the block into a DamagedDataError that names the archive.

    Errors of the machine, such as a full disk, pass.
    """
    try:
        yield
    except UNREADABLE as error:
        raise _unreadable(archive, error) from error
    except MemoryError as error:  # LZMA reserves what a header states
        raise _unreadable(archive, error) from error
    except OSError as error:
        if error.errno in (None, errno.EINVAL):  # bz2's for damaged content; a place before the begin of the file
            raise _unreadable(archive, error) from error
        raise


def _unreadable(archive: Path, error: Exception) -> DamagedDataError:
    reason = shorten(str(error) or type(error).__name__)
    return DamagedDataError(f"archive {archive} cannot be read ({reason}): it is cut or damaged, fetch it again")


def members(archive: Path, left_out: dict[str, str] | None = None) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the relative path, with `/`, and the open content of every file in an archive. Use inside `reading`.

    left_out: gets the path and the reason of each file or folder that is left out.
    Raises UnsafeArchiveError for a link, a device, or a path that
    leads outside, DamagedDataError for far more content than the archive's size allows.
    """
    is_zip = _begins_as_zip(archive) or zipfile.is_zipfile(archive)
    budget = Budget(archive)
    for name, content in _zip_members(archive, budget) if is_zip else _tar_members(archive, budget):
        hidden = hidden_part(PurePosixPath(name).as_posix())
        if not hidden:
            yield name, content
        elif left_out is not None:
            left_out[hidden] = HIDDEN


def _zip_members(archive: Path, budget: Budget) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(archive) as opened:
        entries = opened.infolist()
        stated = sum(entry.file_size for entry in entries)
        if stated > budget.max_bytes:  # before the first byte is unpacked
            budget.refuse(stated)
        for entry, name in zip(entries, decode_names([_raw_name(entry) for entry in entries]), strict=True):
            name = name.replace("\\", "/")
            _refuse_outside(archive, name)
            if stat.S_ISLNK(entry.external_attr >> 16):
                raise UnsafeArchiveError(f"archive {archive}: member {_shown(name)} is a link")
            budget.take_member(0)
            if not name.endswith("/"):
                with opened.open(entry) as content:
                    yield name, cast(IO[bytes], Counted(content, budget))


def _raw_name(entry: zipfile.ZipInfo) -> bytes:
    """Return the name of a zip member in bytes: UTF-8 where the archive has it, else as it was written."""
    if entry.flag_bits & UTF8_FLAG:
        return entry.filename.encode("utf-8", "surrogateescape")
    header = entry.orig_filename.encode("cp437", "replace")  # zipfile decoded it so
    extra = entry.extra
    while len(extra) >= 4:
        field, size = struct.unpack("<HH", extra[:4])
        # A tool that renames a member may leave the field with its old name; the checksum shows it.
        if field == UNICODE_PATH and size > 5 and extra[5:9] == struct.pack("<I", zlib.crc32(header)):
            return extra[9 : 4 + size]
        extra = extra[4 + size :]
    try:
        return entry.filename.encode("cp437")
    except UnicodeEncodeError:
        return entry.filename.encode("utf-8", "surrogateescape")


@contextmanager
def _open_tar(archive: Path, budget: Budget) -> Iterator[tuple[tarfile.TarFile, TarStream]]:
    """Open a tar, compressed or not; what is decompressed is counted."""
    with archive.open("rb") as file:
        begin = file.read(6)
        file.seek(0)
        opener = next((opener for magic, opener in OPENERS.items() if begin.startswith(magic)), None)
        with opener(file) if opener else nullcontext(file) as content:
            stream = TarStream(cast(IO[bytes], content), budget)
            with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r:") as opened:
                yield opened, stream


def _tar_members(archive: Path, budget: Budget) -> Iterator[tuple[str, IO[bytes]]]:
    decoded: dict[bytes, str] = {}  # all names, once one of them is not UTF-8: they share a code page
    holes = Budget(archive)  # a sparse member holds more than was decompressed
    with _open_tar(archive, budget) as (opened, stream):
        for entry in opened:
            holes.take_member(entry.size)
            stream.members += 1
            raw = _raw_tar_name(entry)
            name = _as_utf8(raw)
            if name is None:
                raws = [] if decoded else _all_raw_names(opened, stream)
                decoded.update(zip(raws, decode_names(raws), strict=True))
                name = decoded[raw]
            name = name.replace("\\", "/")
            _refuse_outside(archive, name)
            if entry.isdir():
                continue
            content = opened.extractfile(entry) if entry.isreg() else None
            if content is None:
                raise UnsafeArchiveError(f"archive {archive}: member {_shown(name)} is a link or a device")
            stream.in_content = True
            with content:
                yield name, cast(IO[bytes], Counted(content, holes))
            stream.in_content = False
        stream.in_content = True
        while stream.read(BLOCK):  # gzip has its checksum at the end
            pass


def _all_raw_names(opened: tarfile.TarFile, stream: TarStream) -> list[bytes]:
    names = []
    for entry in opened:
        stream.members += 1
        names.append(_raw_tar_name(entry))
    return names


def _raw_tar_name(entry: tarfile.TarInfo) -> bytes:
    return entry.name.encode("utf-8", "surrogateescape")


def decode_names(names: Sequence[bytes]) -> list[str]:
    """Decode the names of an archive: UTF-8, else Russian DOS or Windows if all others are Cyrillic so, else cp437.

    Old Windows archivers write names in the code page of their system, and the archive does not say which.

    >>> decode_names(["лайка.png".encode("cp866"), "лайка.png".encode()])
    ['лайка.png', 'лайка.png']
    """
    decoded = [_as_utf8(name) for name in names]
    others = [raw for raw, name in zip(names, decoded, strict=True) if name is None]
    page = max(("cp437", "cp866", "cp1251"), key=lambda page: _cyrillic_share(others, page))
    return [raw.decode(page, "replace") if name is None else name for raw, name in zip(names, decoded, strict=True)]


def _as_utf8(name: bytes) -> str | None:
    try:
        return name.decode()
    except UnicodeDecodeError:
        return None


def _cyrillic_share(names: Sequence[bytes], page: str) -> float:
    """Return the share of frequent letters if all names are Cyrillic words in a code page; 0 if they are not."""
    text = " ".join(name.decode(page, "replace") for name in names)
    words = [word.lower() for word in WORD.findall(text) if not word.isascii()]
    letters = "".join(words)
    is_cyrillic = all("\u0400" <= letter <= "\u04ff" for letter in letters) and max(map(len, words), default=0) > 1
    if not is_cyrillic or any(not char.isalpha() and ord(char) > 127 and char not in "№«»—" for char in text):
        return 0.0
    return sum(letter in FREQUENT_LETTERS for letter in letters) / len(letters)


def _refuse_outside(archive: Path, name: str) -> None:
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or any(":" in part for part in path.parts) or "\0" in name:
        raise UnsafeArchiveError(f"archive {archive}: member {_shown(name)} leads outside its folder; nothing was kept")
    if len(path.parts) > MAX_FOLDERS:
        raise DamagedDataError(f"archive {archive}: member {_shown(name)} lies in more than {MAX_FOLDERS} folders")


def _shown(name: str) -> str:
    return repr(shorten(name))


def extract(archive: Path, folder: Path) -> None:
    """Unpack `archive` as the new folder `folder`, either completely or not at all.

    Raises DamagedDataError, UnsafeArchiveError.
    """
    with new_folder(folder, UNPACKING, durable=False) as inside, reading(archive):
        for name, content in members(archive):
            _write_member(archive, name, content, inside)


def _write_member(archive: Path, name: str, content: IO[bytes], folder: Path) -> None:
    target = folder.joinpath(*PurePosixPath(name).parts)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        file = target.open("wb")
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise DamagedDataError(f"archive {archive}: member {_shown(name)} is both a file and a folder") from error
    except OSError as error:
        if error.errno not in (errno.ENAMETOOLONG, errno.EINVAL, errno.EILSEQ):
            raise
        raise DamagedDataError(
            f"archive {archive}: member {_shown(name)} has a name that this system cannot take ({error.strerror}): "
            "rename it in the archive"
        ) from error
    with file:
        shutil.copyfileobj(content, file, BLOCK)

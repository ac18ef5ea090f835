"""Unpacks untrusted zip and tar archives: nothing is written outside the folder, and links are refused."""

from __future__ import annotations

import gzip
import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from zoo_core.errors import DamagedDataError, UnsafeArchiveError
from zoo_core.files import new_folder

UNPACKING = ".unpacking-"
# zipfile raises RuntimeError for a password, and its subclass NotImplementedError for an unknown compression.
UNREADABLE = (
    *(zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, lzma.LZMAError),
    *(EOFError, RuntimeError),
)


def is_archive(path: Path) -> bool:
    """Return whether `path` is a zip or tar file."""
    try:
        return path.is_file() and (zipfile.is_zipfile(path) or tarfile.is_tarfile(path))
    except EOFError:  # a compressed tar that ends too early
        return False


@contextmanager
def reading(archive: Path) -> Iterator[None]:
    """Turn every reading error inside the block into a DamagedDataError that names the archive."""
    try:
        yield
    except UNREADABLE as error:
        raise DamagedDataError(f"archive {archive} cannot be read ({error}): fetch it again") from error


def members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Yield the relative path, with `/`, and the open content of every file in an archive. Use inside `reading`.

    Raises UnsafeArchiveError for a link, a device, or a path that leads outside.
    """
    yield from _zip_members(archive) if zipfile.is_zipfile(archive) else _tar_members(archive)


def _zip_members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            _refuse_outside(archive, entry.filename)
            if stat.S_ISLNK(entry.external_attr >> 16):
                raise UnsafeArchiveError(f"archive {archive}: member {entry.filename!r} is a link")
            if not entry.is_dir():
                with opened.open(entry) as content:
                    yield entry.filename, content


def _tar_members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    with tarfile.open(archive) as opened:
        for entry in opened:
            _refuse_outside(archive, entry.name)
            if entry.isdir():
                continue
            content = opened.extractfile(entry) if entry.isreg() else None
            if content is None:
                raise UnsafeArchiveError(f"archive {archive}: member {entry.name!r} is a link or a device")
            with content:
                yield entry.name, content
        while opened.fileobj is not None and opened.fileobj.read(1 << 20):  # gzip has its checksum at the end
            pass


def _refuse_outside(archive: Path, name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if not name or path.is_absolute() or ".." in path.parts or any(":" in part for part in path.parts) or "\0" in name:
        raise UnsafeArchiveError(f"archive {archive}: member {name!r} leads outside its folder; nothing was kept")


def extract(archive: Path, folder: Path) -> None:
    """Unpack `archive` as the new folder `folder`, either completely or not at all.

    Raises DamagedDataError, UnsafeArchiveError.
    """
    with new_folder(folder, UNPACKING) as inside, reading(archive):
        for name, content in members(archive):
            _write_member(archive, name, content, inside)


def _write_member(archive: Path, name: str, content: IO[bytes], folder: Path) -> None:
    target = folder.joinpath(*PurePosixPath(name.replace("\\", "/")).parts)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        file = target.open("wb")
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise DamagedDataError(f"archive {archive}: member {name!r} is both a file and a folder") from error
    with file:
        shutil.copyfileobj(content, file)

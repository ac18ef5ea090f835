"""Unpacks zip and tar archives that strangers made: nothing is written outside the folder, links are refused."""

from __future__ import annotations

import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from zoo_core.errors import DamagedDataError, UnsafeArchiveError


def is_archive(path: Path) -> bool:
    """Whether `path` is a file that `members` can read."""
    return path.is_file() and (zipfile.is_zipfile(path) or tarfile.is_tarfile(path))


def members(archive: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Every file of an archive: its relative path with `/` and its open content.

    Raises UnsafeArchiveError for a path that leads outside, a link or a device; DamagedDataError for a cut archive.
    """
    try:
        yield from _zip_members(archive) if zipfile.is_zipfile(archive) else _tar_members(archive)
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise DamagedDataError(f"archive {archive} cannot be read ({error}): fetch it again") from error


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


def _refuse_outside(archive: Path, name: str) -> None:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in path.parts[0] or "\0" in name:
        raise UnsafeArchiveError(f"archive {archive}: member {name!r} leads outside its folder; nothing was kept")


def extract(archive: Path, folder: Path) -> None:
    """Unpack `archive` as `folder`, which does not exist yet: all of it or nothing."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".unpacking-") as temporary:
        inside = Path(temporary) / "content"
        inside.mkdir()
        for name, content in members(archive):
            target = inside.joinpath(*PurePosixPath(name.replace("\\", "/")).parts)
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                shutil.copyfileobj(content, file)
        inside.rename(folder)

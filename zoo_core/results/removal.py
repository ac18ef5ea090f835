"""Finds record files and removes them with their artifacts. Nothing outside the results folder is touched."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zoo_core.errors import RecordError, UsageError
from zoo_core.results.reading import read_record
from zoo_core.results.records import Record
from zoo_core.results.verified import FOLDER


@dataclass(frozen=True, slots=True)
class RecordFile:
    """A file with a record; `record` is None if it cannot be read."""

    path: Path
    record: Record | None

    @property
    def artifacts(self) -> Path:
        """The folder for the record's artifacts, which need not exist."""
        return self.path.with_suffix("")


def find_record_files(folder: Path) -> Iterator[RecordFile]:
    """Yield every record file below a results folder, by path. Those of running trials do not exist yet."""
    for path in sorted(folder.glob("*/*.json")):
        if path.name.startswith(".") or path.parent.name.startswith("."):
            continue
        try:
            yield RecordFile(path, read_record(path))
        except (RecordError, OSError):
            yield RecordFile(path, None)


def refuse_links(files: Sequence[RecordFile], folder: Path) -> None:
    """Raise UsageError if a file, its artifacts or its folder is a link or leads outside of the results folder."""
    inside = folder.resolve()
    for file in files:
        for path in (file.path.parent, file.path, file.artifacts):
            if path.is_symlink():
                raise UsageError(f"{path} is a link, and what it points to may be used elsewhere: remove it yourself")
            if path.exists() and not path.resolve().is_relative_to(inside):
                raise UsageError(f"{path} is outside of {folder}: remove it yourself")


def remove(file: RecordFile) -> int:
    """Remove a record, its note of `zoo verify` and its artifacts, and then folders that are empty; return the bytes of
    the artifacts.

    The record goes first, so that an interruption leaves no record whose artifacts are missing. Raises OSError.
    """
    size = sum(path.lstat().st_size for path in file.artifacts.rglob("*")) if file.artifacts.is_dir() else 0
    file.path.unlink()
    notes = file.path.parent / FOLDER
    if notes.is_dir() and not notes.is_symlink():
        (notes / file.path.name).unlink(missing_ok=True)
    if file.artifacts.is_dir():
        shutil.rmtree(file.artifacts)  # does not follow links inside
    with suppress(OSError):  # other notes or records are left
        if notes.exists():
            notes.rmdir()
        file.path.parent.rmdir()
    return size

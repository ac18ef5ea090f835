"""Reads files of a results folder, which may come from anyone: regular files of a limited size, and nothing else.

A pipe would block its reader for ever, and a device may never end. Links are followed, because results folders and
records may lie behind links; what matters is what they lead to.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from zoo_core.errors import DamagedRecordError
from zoo_core.files import portable
from zoo_core.results import records
from zoo_core.results.bounds import MAX_RECORD_BYTES, brief
from zoo_core.results.records import Record

MAX_NOTE_BYTES = 2**20
# Opening must not wait, and must not make a terminal the controlling one. Windows has only the last one.
_FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"))


def read_regular(path: Path | str, max_bytes: int) -> bytes:
    """Return the content of a regular file.

    Raises DamagedRecordError for anything else and for a larger file, and OSError.
    """
    descriptor, size = _open(path, max_bytes)
    try:
        content = os.read(descriptor, size + 1)
        while len(content) > size and (chunk := os.read(descriptor, 2**16)):  # it grew, or tells no size
            content += chunk
            if len(content) > max_bytes:
                raise DamagedRecordError(f"larger than {_size_words(max_bytes)}")
        return content
    finally:
        os.close(descriptor)


def open_regular(path: Path | str, max_bytes: int) -> int:
    """Open a regular file for reading and return its descriptor. Raises like `read_regular`."""
    return _open(path, max_bytes)[0]


def _open(path: Path | str, max_bytes: int) -> tuple[int, int]:
    """Open a regular file for reading; returns its descriptor and its size."""
    try:
        # Before it is opened: opening a device may have an effect. A `Path` would take seconds for 100,000 files.
        _require_regular(os.stat(path), max_bytes)  # noqa: PTH116
        descriptor = os.open(path, _FLAGS)
    except ValueError as error:  # a name with a zero byte
        raise DamagedRecordError(f"not a file name: {error}") from error
    try:
        found = os.fstat(descriptor)
        _require_regular(found, max_bytes)
    except (DamagedRecordError, OSError):
        os.close(descriptor)
        raise
    return descriptor, found.st_size


def _require_regular(found: os.stat_result, max_bytes: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise DamagedRecordError("not a regular file")
    if found.st_size > max_bytes:
        raise DamagedRecordError(f"larger than {_size_words(max_bytes)}")


def _size_words(size: int) -> str:
    return f"{size // 2**20} MiB"


def read_record(path: Path | str) -> Record:
    """Read the record in a file, whose name is its id. Raises DamagedRecordError, NewerSchemaError, OSError."""
    record = records.decode(read_regular(path, MAX_RECORD_BYTES))
    folder, _, name = os.fspath(path).rpartition(os.sep)  # pathlib takes seconds for 100,000 names
    if name not in (f"{record.id}.json", f"{portable(record.id)}.json"):
        raise DamagedRecordError(f"it holds the record {brief(record.id, 80)}, and a file is named by its record")
    results, _, here = folder.rpartition(os.sep)
    home = folder_name(record.task.name)
    if here != home and os.path.lexists(f"{results}{os.sep}{home}{os.sep}{name}"):
        raise DamagedRecordError(f"a file in the folder {home} has its id")
    return record


def folder_name(task: str) -> str:
    """Return the name of the folder for a task's records, from the task's qualified name, which may be no safe path."""
    return portable(task.replace(":", "--"))


def error_words(error: BaseException) -> str:
    """Return why a file could not be read, in a few words."""
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return brief(words or type(error).__name__)

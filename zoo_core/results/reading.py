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
    descriptor = open_regular(path, max_bytes)
    try:
        content = os.read(descriptor, os.fstat(descriptor).st_size + 1)
        while chunk := os.read(descriptor, 2**16):  # it grew, or is a file of the system that tells no size
            content += chunk
            if len(content) > max_bytes:
                raise DamagedRecordError(f"larger than {_size_words(max_bytes)}")
        return content
    finally:
        os.close(descriptor)


def open_regular(path: Path | str, max_bytes: int) -> int:
    """Open a regular file for reading and return its descriptor. Raises like `read_regular`."""
    try:
        # Before it is opened: opening a device may have an effect. A `Path` would take seconds for 100,000 files.
        _require_regular(os.stat(path), max_bytes)  # noqa: PTH116
        descriptor = os.open(path, _FLAGS)
    except ValueError as error:  # a name with a zero byte
        raise DamagedRecordError(f"not a file name: {error}") from error
    try:
        _require_regular(os.fstat(descriptor), max_bytes)
    except DamagedRecordError:
        os.close(descriptor)
        raise
    return descriptor


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
    folder, name = os.path.split(path)  # pathlib takes seconds for 100,000 names
    if name not in (f"{record.id}.json", f"{portable(record.id)}.json"):
        raise DamagedRecordError(f"it holds the record {brief(record.id, 80)}, and a file is named by its record")
    results, here = os.path.split(folder)
    home = folder_name(record.task.name)
    if here != home and os.path.lexists(f"{results}/{home}/{name}"):
        raise DamagedRecordError(f"a file in the folder {home} has its id")
    return record


def folder_name(task: str) -> str:
    """Return the name of the folder for a task's records, from the task's qualified name, which may be no safe path."""
    return portable(task.replace(":", "--"))


def error_words(error: BaseException) -> str:
    """Return why a file could not be read, in a few words."""
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return brief(words or type(error).__name__)

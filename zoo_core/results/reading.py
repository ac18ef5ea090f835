"""Reads the records of a results folder, which may come from anyone: regular files of a limited size, nothing else.

Links are followed, because results folders and records may lie behind links; what matters is what they lead to.
"""

from __future__ import annotations

import os
from pathlib import Path

from zoo_core.errors import DamagedRecordError
from zoo_core.files import portable, read_regular
from zoo_core.quote import brief
from zoo_core.results import records
from zoo_core.results.bounds import MAX_RECORD_BYTES
from zoo_core.results.records import Record

MAX_NOTE_BYTES = 2**20


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

"""Notes in the results folder that a record was verified: run again by `zoo verify`, with the same results or others.

A note is a small JSON file next to the task's records: `<task>/verified/<record id>.json`. Of two notes about one
record, the later replaces the earlier. The record itself never changes. Notes come from anyone: reading has limits.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from zoo_core.errors import DamagedRecordError, RecordError
from zoo_core.files import portable, read_regular, write_atomically
from zoo_core.quote import brief
from zoo_core.results.bounds import Name, utc_time
from zoo_core.results.reading import MAX_NOTE_BYTES, error_words
from zoo_core.results.records import JsonStruct
from zoo_core.results.store import Store, Unreadable

FOLDER = "verified"
MAX_DIFFERENCES = 100
MAX_DIFFERENCE_CHARS = 1000

Difference = Annotated[str, msgspec.Meta(max_length=MAX_DIFFERENCE_CHARS)]


class Verified(JsonStruct, frozen=True, kw_only=True):
    """The result of running a record's experiment again.

    record: its id. verified_at: ISO 8601, UTC. machine: id of the machine that ran it again, as in record ids.
    same: whether every compared result is equal bit for bit. differs: what is not, in words.
    """

    record: Name
    verified_at: str
    machine: Name = ""
    same: bool
    differs: Annotated[list[Difference], msgspec.Meta(max_length=MAX_DIFFERENCES)] = []


def read_note(path: Path) -> Verified:
    """Read one note. Raises RecordError for a file that is no note, and OSError."""
    try:
        note = msgspec.json.decode(read_regular(path, MAX_NOTE_BYTES), type=Verified)
        utc_time(note.verified_at)
    except (ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise DamagedRecordError(error_words(error)) from error
    if f"{portable(note.record)}.json" != path.name:
        raise DamagedRecordError(f"it is about the record {brief(note.record, 80)}")
    if note.same and note.differs:
        raise DamagedRecordError("it says both `same` and what differs")
    return note


def save_verified(store: Store, task: str, note: Verified) -> None:
    """Write the note about a record of a task (its qualified name), unless there is a later one."""
    short = [brief(text, MAX_DIFFERENCE_CHARS) for text in note.differs[:MAX_DIFFERENCES]]
    note = msgspec.structs.replace(note, differs=short)
    _write(store.task_folder(task) / FOLDER / f"{portable(note.record)}.json", note)


def _write(path: Path, note: Verified) -> None:
    try:
        known = utc_time(read_note(path).verified_at)
    except (OSError, RecordError):  # none, or a broken one
        known = ""
    if known <= utc_time(note.verified_at):
        write_atomically(path, msgspec.json.format(msgspec.json.encode(note), indent=1) + b"\n")


def merge_verified(source: Store, into: Store) -> list[Unreadable]:
    """Copy the notes of one store to another. Return the files that are no notes; they are left out."""
    unreadable = []
    for path in sorted(source.folder.glob(f"*/{FOLDER}/*.json")):
        try:
            _write(into.folder / path.relative_to(source.folder), read_note(path))
        except (OSError, RecordError) as error:
            unreadable.append(Unreadable(path, f"not a note of `zoo verify`: {error_words(error)}"))
    return unreadable

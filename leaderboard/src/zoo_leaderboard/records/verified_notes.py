"""Copies the notes of `zoo verify` with the records: `<task>/verified/<record id>.json`, one for each record."""

from __future__ import annotations

from pathlib import Path

import msgspec

from zoo_core.errors import RecordError
from zoo_core.files import write_atomically
from zoo_core.results.bounds import Name, utc_time
from zoo_core.results.reading import MAX_NOTE_BYTES, error_words, read_regular
from zoo_core.results.store import Store, Unreadable

FOLDER = "verified"


class _Note(msgspec.Struct, frozen=True):
    """What decides which of two notes stays; the rest of a note is copied as it is."""

    record: Name
    verified_at: str


def merge_verified(source: Store, into: Store) -> list[Unreadable]:
    """Copy the notes of one store to another; of two on one record the later stays. Returns those that are no notes."""
    unreadable = []
    for path in sorted(source.folder.glob(f"*/{FOLDER}/*.json")):
        target = into.folder / path.relative_to(source.folder)
        try:
            content, verified_at = _read(path)
            if verified_at > _known(target):
                write_atomically(target, content)
        except (ValueError, RecursionError, RecordError) as error:  # msgspec's errors are ValueErrors
            unreadable.append(Unreadable(path, f"not a note of `zoo verify` ({error_words(error)})"))
    return unreadable


def _read(path: Path) -> tuple[bytes, str]:
    """Return the note and its time, in UTC. Raises ValueError, RecordError."""
    content = read_regular(path, MAX_NOTE_BYTES)
    note = msgspec.json.decode(content, type=_Note)
    if note.record != path.stem:
        raise ValueError(f"it is about the record {note.record[:80]}")
    return content, utc_time(note.verified_at)


def _known(path: Path) -> str:
    """Return the time of the note that is there; "" if there is none."""
    try:
        return _read(path)[1]
    except (OSError, ValueError, RecursionError, RecordError):
        return ""

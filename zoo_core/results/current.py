"""Notes in the results folder on which code of a model is current: the code that `zoo bench` last asked for.

Records alone cannot tell: after an edit and its undoing, `zoo bench` answers from earlier records and writes none. A
note is a small JSON file, one for each task, data set and model, next to the task's records: `<task>/current/*.json`.
Each is replaced as a whole, so that concurrent runs and killed ones leave a complete note.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

import msgspec

from zoo_core.files import portable, read_regular, write_atomically
from zoo_core.results.bounds import Integer, Name, latest_time, utc_time
from zoo_core.results.reading import MAX_NOTE_BYTES, error_words
from zoo_core.results.records import JsonStruct
from zoo_core.results.store import Store, Unreadable

FOLDER = "current"

CurrentKey: TypeAlias = tuple[str, str, str]


class CurrentCode(JsonStruct, frozen=True, kw_only=True):
    """The code that was last asked for of a model on a task and a data set; names are qualified.

    code_sha256: of the model. other_code: as in `Record`. versions: of the `model`, the `dataset` and the `task`.
    asked_at: ISO 8601 with a time zone. source: as in `ModelFacts`.
    """

    task: Name
    dataset: Name
    model: Name
    code_sha256: Name
    asked_at: str
    other_code: dict[str, str] = {}
    versions: dict[str, Integer] = {}
    source: Name = ""

    @property
    def key(self) -> CurrentKey:
        return self.task, self.dataset, self.model


def save_current(store: Store, note: CurrentCode) -> None:
    """Write the note, unless the store has a later one."""
    digest = hashlib.sha256(json.dumps(note.key).encode()).hexdigest()[:12]
    name = f"{portable(note.model.replace(':', '--'), 60)}-{digest}.json"
    path = store.task_folder(note.task) / FOLDER / name
    known = _read_note(path) if path.exists() else None
    if not (isinstance(known, CurrentCode) and known.key == note.key and known.asked_at > note.asked_at):
        write_atomically(path, msgspec.json.format(msgspec.json.encode(note), indent=1) + b"\n")


def current_files(task_folder: Path) -> list[Path]:
    """List the files of a task's notes."""
    return sorted(path for path in (task_folder / FOLDER).glob("*.json") if not path.name.startswith("."))


def read_current(task_folder: Path) -> Iterator[CurrentCode | Unreadable]:
    """Read a task's notes. A broken one is only reported: without it, the newest record tells what is current."""
    return map(_read_note, current_files(task_folder))


def newest_by_key(notes: Iterable[CurrentCode | Unreadable]) -> Mapping[CurrentKey, CurrentCode]:
    """Return the latest note of each task, data set and model, of one or several results folders."""
    readable = [note for note in notes if isinstance(note, CurrentCode)]
    return {note.key: note for note in sorted(readable, key=lambda note: note.asked_at)}


def merge_current(source: Store, into: Store) -> list[str]:
    """Copy the notes of one store to another; of two notes about one model the later stays.

    Returns the names of models that have another source and other code in the two stores.
    """
    clashes = []
    for folder in sorted(source.folder.glob(f"*/{FOLDER}")):
        known = newest_by_key(read_current(into.task_folder(folder.parent.name)))
        for note in read_current(folder.parent):
            if isinstance(note, CurrentCode):
                other = known.get(note.key, note)
                if other.source != note.source and other.code_sha256 != note.code_sha256:
                    clashes.append(note.model)
                save_current(into, note)
    return clashes


def _read_note(path: Path) -> CurrentCode | Unreadable:
    try:
        note = msgspec.json.decode(read_regular(path, MAX_NOTE_BYTES), type=CurrentCode)
        if datetime.fromisoformat(note.asked_at).utcoffset() is None:
            raise ValueError(f"its time {note.asked_at!r} has no time zone")
        note = msgspec.structs.replace(note, asked_at=utc_time(note.asked_at))  # as in records, for comparisons
        if note.asked_at > latest_time():
            raise ValueError(f"its time {note.asked_at!r} lies in the future")
        return note
    except (OSError, ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        return Unreadable(path, f"not a note on the current code ({error_words(error)}): remove the file")

"""Reads the notes of `zoo verify`: that a record's experiment was run again, and whether the results were the same.

A note is a file `<task>/verified/<record id>.json` in a results folder. Notes are not trusted: a bad one is left out by
name, and nothing in a note changes a score or a rank.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import msgspec

from zoo_core.errors import RecordError
from zoo_core.files import portable
from zoo_core.results.store import Unreadable
from zoo_leaderboard.records.trials import TrialSummary
from zoo_leaderboard.text.formats import counted

FOLDER = "verified"
MAX_NOTE_BYTES = 2**16
MAX_DIFFERENCES = 100  # in a note
MAX_SHOWN = 3  # differences in a sentence; the JSON has all

ShortText = Annotated[str, msgspec.Meta(max_length=200)]
Difference = Annotated[str, msgspec.Meta(max_length=1000)]
VerifiedKey = tuple[str, str]  # the name of the task's folder, and the id of the record


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What a rerun of a record's experiment gave.

    `machine` is the id of the machine that ran it again. `differs` says in words which results are not the same.
    """

    record: ShortText
    verified_at: ShortText
    machine: ShortText = ""
    same: bool
    differs: Annotated[list[Difference], msgspec.Meta(max_length=MAX_DIFFERENCES)] = []


Notes = Mapping[VerifiedKey, Verified]


def read_verified(task_folders: Iterable[Path]) -> tuple[dict[VerifiedKey, Verified], list[Unreadable]]:
    """Read the notes in these folders of records, and name those that are left out.

    Of two notes on one record the later counts.
    """
    notes: dict[VerifiedKey, Verified] = {}
    unreadable = []
    for path in (path for folder in task_folders for path in _note_files(folder)):
        try:
            note = _read_note(path)
        except (OSError, RecordError) as error:
            unreadable.append(Unreadable(path, f"not a note of `zoo verify`: {error}"))
            continue
        key = (path.parents[1].name, note.record)
        if key not in notes or _moment(notes[key]) <= _moment(note):
            notes[key] = note
    return notes, unreadable


def note_on(trial: TrialSummary, notes: Notes) -> Verified | None:
    """Return the note on a trial's record; None if nobody ran it again."""
    return notes.get((Path(trial.path).parent.name, trial.id))


def describe_note(note: Verified, machine: str) -> str:
    """Return a note in words; `machine` is that of the record."""
    if note.same:
        return f"Verified: run again{_where([note], [machine])}, same scores."
    more = len(note.differs) - MAX_SHOWN
    shown = "; ".join(note.differs[:MAX_SHOWN]) + (f"; and {more} more" if more > 0 else "")
    return f"A rerun differed{f': {shown}' if shown else ''}."


def describe_notes(trials: Sequence[TrialSummary], notes: Notes) -> tuple[str, str]:
    """Return how many of a row's trials were run again with the same scores, and with others; "" for none."""
    noted = [(note, trial.machine) for trial in trials if (note := note_on(trial, notes)) is not None]
    same = [(note, machine) for note, machine in noted if note.same]
    differing = len(noted) - len(same)
    verified = ""
    if same:
        where = _where(*zip(*same, strict=True))
        verified = f"verified{where}, same scores: {len(same)} of {counted(len(trials), 'trial')}"
    return verified, f"a rerun of {counted(differing, 'trial')} differed" if differing else ""


def _where(notes: Sequence[Verified], machines: Sequence[str]) -> str:
    """Return where the reruns were: only if all were on another machine than the record, or all on the same one."""
    places = {_place(note.machine, machine) for note, machine in zip(notes, machines, strict=True)}
    return places.pop() if len(places) == 1 else ""


def _place(rerun: str, record: str) -> str:
    if not rerun or not record:
        return ""
    return " on another machine" if rerun != record else " on the same machine"


def _note_files(task_folder: Path) -> list[Path]:
    folder = task_folder / FOLDER
    try:
        if folder.is_symlink() or not folder.is_dir():
            return []
        return sorted(path for path in folder.iterdir() if path.suffix == ".json" and not path.name.startswith("."))
    except OSError:  # removed meanwhile, or not for this user: nothing is known of these records
        return []


def _read_note(path: Path) -> Verified:
    """Read one note. Raises OSError, RecordError."""
    try:
        note = msgspec.json.decode(_read_regular(path), type=Verified)
        _moment(note)
    except (ValueError, OverflowError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise RecordError(str(error)[:300]) from error
    if f"{portable(note.record)}.json" != path.name:
        raise RecordError(f"it is about the record {note.record[:80]}")
    if note.same and note.differs:
        raise RecordError("it says both `same` and what differs")
    return note


def _read_regular(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise RecordError("it is no regular file")
        content = file.read(MAX_NOTE_BYTES + 1)
    if len(content) > MAX_NOTE_BYTES:
        raise RecordError(f"it is larger than {MAX_NOTE_BYTES // 1024} KiB")
    return content


def _moment(note: Verified) -> datetime:
    """Return when the record was run again. Raises ValueError, OverflowError."""
    moment = datetime.fromisoformat(note.verified_at)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)

"""Reads the notes of `zoo verify`: that a record's experiment was run again, and whether the results were the same.

A note is a file `<task>/verified/<record id>.json` in a results folder. Notes are not trusted: a bad one is left out by
name, and nothing in a note changes a score or a rank.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from zoo_core.errors import RecordError
from zoo_core.results.bounds import utc_time
from zoo_core.results.reading import error_words
from zoo_core.results.store import Unreadable
from zoo_core.results.verified import FOLDER, Verified, read_note
from zoo_leaderboard.records.trials import TrialSummary
from zoo_leaderboard.text.formats import counted

MAX_SHOWN = 3  # differences in a sentence; the JSON has all

VerifiedKey = tuple[str, str]  # the name of the task's folder, and the id of the record
Notes = Mapping[VerifiedKey, Verified]


def read_verified(task_folders: Iterable[Path]) -> tuple[dict[VerifiedKey, Verified], list[Unreadable]]:
    """Read the notes in these folders of records, and name those that are left out.

    Of two notes on one record the later counts.
    """
    notes: dict[VerifiedKey, Verified] = {}
    unreadable = []
    for path in (path for folder in task_folders for path in _note_files(folder)):
        try:
            note = read_note(path)
        except (OSError, RecordError) as error:
            unreadable.append(Unreadable(path, f"not a note of `zoo verify`: {error_words(error)}"))
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


def _moment(note: Verified) -> str:
    """Return when the record was run again, in UTC."""
    return utc_time(note.verified_at)

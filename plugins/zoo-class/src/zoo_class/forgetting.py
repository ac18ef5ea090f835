"""`zoo class forget`: finds everything of one student, and removes it."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from zoo_class.boards import CACHE
from zoo_class.outcomes import Outcomes, load_outcomes, save_outcomes
from zoo_class.people import Entry, People, load_people, save_people
from zoo_class.places import PARTS, Places
from zoo_class.settings import Settings, read_settings
from zoo_class.submissions import find_submissions, names_in_tables
from zoo_class.tables import decode_text, fold
from zoo_core.errors import UnknownNameError, UsageError
from zoo_core.files import portable, write_atomically
from zoo_core.results.removal import RecordFile, find_record_files, refuse_links, remove


@dataclass(frozen=True, kw_only=True, slots=True)
class Traces:
    """What a class has of one student. files: submissions, copies and pages. tables: those with a row of them.

    rows: the folded names that such a row may have.

    records: the number of their records. made: files and folders with all students, which other commands make anew.
    """

    name: str
    entry: Entry | None
    files: Sequence[Path]
    tables: Sequence[Path]
    rows: Collection[str]
    records: int
    made: Sequence[Path]


def find_traces(places: Places, name: str) -> Traces:
    """Find everything of a student. Raises UnknownNameError if nobody has that name."""
    settings, people = read_settings(places.settings), load_people(places.private)
    entry = people.entries.get(fold(name))
    found = find_submissions(places.root, settings.submissions)
    names = {fold(person.name): person.name for person in found.people}
    if entry is None and fold(name) not in names:
        known = [*names.values(), *(item.name for item in people.entries.values())]
        raise UnknownNameError("student", name, known, hint=f"in {places.root}")
    name = entry.name if entry else names[fold(name)]
    files = [attempt.path for attempt in found.attempts if attempt.person.name == name]
    others = [attempt.path for attempt in found.attempts if attempt.person.name != name]
    if not settings.submissions.table:  # attempts may be folders in the student's own
        folder = places.root / settings.submissions.folder
        files = [folder / path.relative_to(folder).parts[0] for path in files if path.is_relative_to(folder)]
    for path in files:
        _refuse_shared(path, others, places)
    if entry is not None:
        files += [places.work / portable(entry.alias), places.pages / entry.page]
    rows = names_in_tables(places.root, settings.submissions, name)
    return Traces(
        name=name,
        entry=entry,
        files=[path for path in dict.fromkeys(files) if path.exists() or path.is_symlink()],
        tables=[path for path in _tables(places, settings) if _has_row(path, settings, rows)],
        rows=rows,
        records=sum(1 for _ in _record_files(places, entry)) if entry else 0,
        made=[path for path in _made_of_all(places) if path.exists()],
    )


def _refuse_shared(path: Path, others: Sequence[Path], places: Places) -> None:
    """Raise UsageError for a path of a table that lies outside of the class or holds submissions of others."""
    if not path.resolve().is_relative_to(places.root.resolve()):
        raise UsageError(f"{path} is outside of {places.root}: remove it yourself, and its row in the table")
    if any(other.is_relative_to(path) for other in others):
        raise UsageError(f"{path} also holds submissions of others: move those, or remove it yourself")


def forget(places: Places, traces: Traces) -> None:
    """Remove everything that was found. Raises UsageError if a record's file is a link, OSError."""
    settings, people = read_settings(places.settings), load_people(places.private)
    entry = traces.entry
    if entry is not None:
        for part in PARTS:
            files = [file for file in _record_files(places, entry) if file.path.is_relative_to(places.results(part))]
            refuse_links(files, places.results(part))
            for file in files:
                remove(file)
        _forget_notes(places, entry)
    for path in (*traces.files, *traces.made):
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    for path in traces.tables:
        _remove_rows(path, settings, traces.rows)
    _forget_outcomes(places, traces.name)
    _forget_person(places, people, traces.name)


def _record_files(places: Places, entry: Entry) -> Iterator[RecordFile]:
    for part in PARTS:
        for file in find_record_files(places.results(part)):
            if file.record is not None and _is_of(file.record.model.name, entry):
                yield file


def _is_of(model: str, entry: Entry) -> bool:
    """Return whether a model of a record is an attempt: pseudonym, space, hash of the contents."""
    return model.partition(":")[2].rpartition(" ")[0] == entry.alias


def _forget_notes(places: Places, entry: Entry) -> None:
    """Remove the notes on current code, which name the model."""
    from zoo_core.results.current import CurrentCode, current_files

    for part in PARTS:
        for folder in places.results(part).glob("*"):
            for path in current_files(folder):
                try:
                    note = msgspec.json.decode(path.read_bytes(), type=CurrentCode)
                except (OSError, msgspec.MsgspecError):
                    continue
                if _is_of(note.model, entry):
                    path.unlink()


def _tables(places: Places, settings: Settings) -> list[Path]:
    named = (settings.submissions.table, settings.submissions.roster)
    return [places.root / name for name in named if name and (places.root / name).is_file()]


def _made_of_all(places: Places) -> list[Path]:
    """List what other commands make anew of all students: grades, boards, copies of records."""
    return [
        *(places.out / name for name in ("grades.csv", "grades.json", "moodle.csv", "gradescope")),
        *(places.out / name for name in ("alike.csv", "teacher.html")),
        *(places.board, places.teachers_board, places.private / "links.csv"),
        *(places.private / f"{name}-records" for name in ("board", "teacher")),
        places.private / CACHE,
    ]


def _lines(path: Path, settings: Settings) -> tuple[list[list[str]], str, int]:
    """Return the lines of a table, its delimiter, and the number of its column `name`; -1 without one."""
    text = decode_text(path.read_bytes(), settings.submissions.encoding)
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    lines = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
    header = [fold(cell) for cell in lines[0]] if lines else []
    return lines, delimiter, header.index("name") if "name" in header else -1


def _is_row_of(line: Sequence[str], column: int, names: Collection[str]) -> bool:
    return 0 <= column < len(line) and fold(line[column]) in names


def _has_row(path: Path, settings: Settings, names: Collection[str]) -> bool:
    lines, _, column = _lines(path, settings)
    return any(_is_row_of(line, column, names) for line in lines[1:])


def _remove_rows(path: Path, settings: Settings, names: Collection[str]) -> None:
    lines, delimiter, column = _lines(path, settings)
    buffer = io.StringIO()
    kept = [line for number, line in enumerate(lines) if not number or not _is_row_of(line, column, names)]
    csv.writer(buffer, delimiter=delimiter, lineterminator="\n").writerows(kept)
    write_atomically(path, buffer.getvalue().encode())


def _forget_outcomes(places: Places, name: str) -> None:
    for part in PARTS:
        if places.outcomes(part).is_file():
            known = load_outcomes(places, part)
            kept = [item for item in known.outcomes if item.name != name]
            save_outcomes(places, Outcomes(**{**msgspec.structs.asdict(known), "outcomes": kept}))


def _forget_person(places: Places, people: People, name: str) -> None:
    if people.entries.pop(fold(name), None) is not None:
        save_people(places.private, people)

"""Finds the submissions of a class: in a folder with an entry for each student, or in a table.

An entry `NAME.py` or `NAME.ipynb` is a file, an entry `NAME` a folder with one submission. A folder that holds only
folders has an attempt in each of them. The time of an attempt is that of its last commit if it is a git repository,
else that of its newest file. A student can change both; the column `time` of a table comes from whoever made it.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from zoo_class.settings import Submissions
from zoo_class.tables import fold, read_table
from zoo_core.errors import UsageError

SUFFIXES = (".py", ".ipynb")
COMMITTER = re.compile(r"^committer .* (\d+) [+-]\d{4}$", re.M)
# `cat-file` runs no hook, pager or filter; the rest keeps git from what the repository's own settings might name.
GIT = ("git", "--no-pager", "-c", "core.fsmonitor=false", "-c", "protocol.allow=never", "-c", "safe.directory=*")
GIT_LIMIT_S = 10.0
MAX_ENTRIES = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """A student: the name, and what a roster adds to it."""

    name: str
    email: str = ""
    id: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One attempt of a student: the file or folder, when it was handed in, and its number from 1 on in time."""

    person: Person
    path: Path
    time: datetime
    number: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """All students in the order of the roster or else by name, and the attempts of each in order of time."""

    people: Sequence[Person]
    attempts: Sequence[Attempt]

    def of(self, person: Person) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.person == person]


def find_submissions(root: Path, settings: Submissions) -> Found:
    """Find the attempts of all students. Raises UsageError if there is no such folder or table, or it is wrong."""
    roster = _read_roster(root, settings)
    by_name = {fold(key): person for key, person in roster}
    for _, person in roster:
        by_name.setdefault(fold(person.name), person)
    rows = _of_table(root, settings) if settings.table else _of_folder(root / settings.folder)
    found: dict[str, list[Attempt]] = {}
    for name, path, time in rows:
        person = by_name.setdefault(fold(name), Person(name=name))
        found.setdefault(person.name, []).append(Attempt(person=person, path=path, time=time))
    listed = list(dict.fromkeys(person for _, person in roster))
    others = sorted({*by_name.values()} - {*listed}, key=lambda person: fold(person.name))
    attempts = [
        replace(attempt, number=number)
        for person in (*listed, *others)
        for number, attempt in enumerate(
            sorted(found.get(person.name, []), key=lambda item: (item.time, str(item.path))), 1
        )
    ]
    return Found(people=[*listed, *others], attempts=attempts)


def _read_roster(root: Path, settings: Submissions) -> list[tuple[str, Person]]:
    """Return each person with the name of the entry in the folder of submissions."""
    if not settings.roster:
        return []
    rows = read_table(root / settings.roster, encoding=settings.encoding, needs=["name"])
    people = [
        (
            row.get("submission") or row["name"],
            Person(name=row["name"], email=row.get("email", ""), id=row.get("id", "")),
        )
        for row in rows
        if row["name"]
    ]
    names = [fold(person.name) for _, person in people]
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise UsageError(f"{settings.roster} has two people named {twice!r}: write something behind one of the names")
    owners = {fold(person.name): person.name for _, person in people}
    for key, person in people:
        owner = owners.setdefault(fold(key), person.name)
        if owner != person.name:
            raise UsageError(
                f"{settings.roster}: the submission {key!r} belongs to {owner} and {person.name}: name one"
            )
    return people


def names_in_tables(root: Path, settings: Submissions, name: str) -> set[str]:
    """Return the folded names under which a roster and a table may have a person: the name, and that of the entry."""
    keys = [key for key, person in _read_roster(root, settings) if fold(person.name) == fold(name)]
    return {fold(name), *map(fold, keys)}


def _of_table(root: Path, settings: Submissions) -> Iterator[tuple[str, Path, datetime]]:
    for row in read_table(root / settings.table, encoding=settings.encoding, needs=["name", "path"]):
        path = root / row["path"]
        if row["name"]:
            yield row["name"], path, _parse_time(row["time"], settings.table) if row.get("time") else time_of(path)


def _parse_time(text: str, table: str) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{table}: time {text[:40]!r}: give it as 2026-12-01T23:59:00+03:00") from None
    return time if time.utcoffset() is not None else time.astimezone()


def _of_folder(folder: Path) -> Iterator[tuple[str, Path, datetime]]:
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}: create it, with one entry for each student")
    entries = sorted(folder.iterdir())
    if len(entries) > MAX_ENTRIES:
        raise UsageError(f"{folder} has {len(entries):,} entries, more than {MAX_ENTRIES:,}")
    for entry in entries:
        if entry.name.startswith("."):
            continue
        name = entry.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        if entry.is_dir() and not entry.is_symlink():
            yield from ((name, path, time_of(path)) for path in attempts_in(entry))
        else:
            stem = next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)
            yield stem, entry, time_of(entry)


def attempts_in(folder: Path) -> list[Path]:
    """Return the folders of a student's attempts: the folder itself, or those in it if it holds nothing else.

    A folder with a package and no other file is one attempt.
    """
    inside = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    only_folders = bool(inside) and all(path.is_dir() and not path.is_symlink() for path in inside)
    if only_folders and not (folder / ".git").exists() and not any((path / "__init__.py").exists() for path in inside):
        return inside
    return [folder]


def time_of(path: Path) -> datetime:
    """Return when an attempt was handed in: its last commit, or the change of its newest file."""
    if (path / ".git").exists() and (committed := _last_commit(path)) is not None:
        return committed
    newest = 0.0
    with contextlib.suppress(OSError):
        newest = path.lstat().st_mtime
        inside = [Path(home, name) for home, _, names in os.walk(path) for name in names]
        newest = max((file.lstat().st_mtime for file in inside), default=newest)
    try:
        return datetime.fromtimestamp(newest, UTC)
    except (ValueError, OverflowError, OSError):  # some file systems keep years beyond 9999
        return datetime.max.replace(tzinfo=UTC)


def _last_commit(path: Path) -> datetime | None:
    environment = {
        **os.environ,
        **{"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "GIT_NO_LAZY_FETCH": "1"},
        **{"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"},
    }
    try:
        done = subprocess.run(
            [*GIT, f"--git-dir={path / '.git'}", "cat-file", "commit", "HEAD"],
            capture_output=True,
            timeout=GIT_LIMIT_S,
            env=environment,
            check=False,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = COMMITTER.search(done.stdout.decode("utf-8", "replace").partition("\n\n")[0])
    try:
        return datetime.fromtimestamp(int(found[1]), UTC) if found else None
    except (ValueError, OverflowError, OSError):  # any number may stand there
        return None

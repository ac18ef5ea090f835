"""The files and folders of a class. Everything that names a student is in `private`, `results` or `out`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from zoo_core.errors import UsageError

Part: TypeAlias = Literal["public", "private"]
PARTS: tuple[Part, ...] = ("public", "private")
SETTINGS = "class.toml"


@dataclass(frozen=True, slots=True)
class Places:
    """A class's folder and what lies in it."""

    root: Path

    @property
    def settings(self) -> Path:
        return self.root / SETTINGS

    @property
    def students_page(self) -> Path:
        return self.root / "students.md"

    @property
    def private(self) -> Path:
        """The folder with what tells who is who; it never leaves the teacher's machine."""
        return self.root / "private"

    @property
    def work(self) -> Path:
        """The folder with a copy of each submission, as it was run."""
        return self.root / "work"

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def board(self) -> Path:
        """The site for the class, with pseudonyms."""
        return self.out / "board"

    @property
    def teachers_board(self) -> Path:
        return self.out / "teacher"

    @property
    def pages(self) -> Path:
        """The folder with a page for each student."""
        return self.out / "pages"

    def results(self, part: Part) -> Path:
        """Return the results folder for one part of the data."""
        return self.root / "results" / part

    def outcomes(self, part: Part) -> Path:
        """Return the file that says what became of each student in the last run on a part of the data."""
        return self.private / f"outcomes-{part}.json"


def find_class(folder: Path) -> Places:
    """Return the places of the class in a folder. Raises UsageError if there is none."""
    places = Places(folder.absolute())
    if not places.settings.is_file():
        raise UsageError(f"there is no {SETTINGS} in {folder}: `zoo class new {folder}` writes one")
    return places

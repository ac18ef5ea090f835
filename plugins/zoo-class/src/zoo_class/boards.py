"""`zoo class boards`: the class's board without names, the teacher's with them, and a page for each student."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from zoo_class.alike import find_alike, group_alike
from zoo_class.grading import grade_class
from zoo_class.outcomes import Outcome, Outcomes, load_outcomes
from zoo_class.pages import Site, write_pages, write_teachers_page
from zoo_class.people import load_people
from zoo_class.places import Part, Places
from zoo_class.private_part import without_examples
from zoo_class.publishing import copy_for_teacher, options_of, publish
from zoo_class.scores import read_by_id
from zoo_class.settings import Settings, read_settings
from zoo_class.tables import as_csv
from zoo_core.files import write_atomically
from zoo_core.registry import Registry
from zoo_core.results.store import Store

CACHE = "cache"  # in the private folder


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """The pages to open; None where no submission has run."""

    board: Path | None
    teachers_board: Path | None
    teachers_page: Path
    pages: int


def build_boards(places: Places, part: Part) -> Built:
    """Build everything that is shown, from the last run on a part. Raises UsageError if there was none."""
    settings = read_settings(places.settings)
    outcomes = load_outcomes(places, part)
    grades = grade_class(places) if settings.graded_part == part else []
    people = load_people(places.private)
    store = Store(places.results(part))
    site = Site(
        places=places,
        settings=settings,
        people=people,
        outcomes=outcomes,
        records=read_by_id(store),
        store=store,
        grades={grade.outcome.name: grade for grade in grades},
    )
    pages = write_pages(site)
    _write_links(places, outcomes, pages)
    alike = find_alike(places) if places.outcomes("public").is_file() else []
    return Built(
        board=_build(places, "board", outcomes.counting, settings, site, people.secret),
        teachers_board=_build(places, "teacher", outcomes.outcomes, settings, site, ""),
        teachers_page=write_teachers_page(site, pages, group_alike(alike)),
        pages=len(pages),
    )


def _build(
    places: Places, which: str, shown: Sequence[Outcome], settings: Settings, site: Site, secret: str
) -> Path | None:
    """Copy records under the names of a board and build it. With a secret, nothing in them tells who it is."""
    from zoo_leaderboard.site.build import build_site

    source = places.private / f"{which}-records"
    shutil.rmtree(source, ignore_errors=True)
    into, targets = Store(source), settings.points.targets
    options = options_of(secret, Registry.load().task(settings.task), targets)
    copied: set[str] = set()  # two equal attempts have the same records
    for item in shown:
        for record in (site.records[key] for key in item.records if key in site.records and key not in copied):
            record = without_examples(record) if site.outcomes.part == "private" else record
            if secret:
                name = item.alias if settings.boards.names == "pseudonyms" else item.name
                publish(record, site.store, into, name=name, **options)
            else:
                copy_for_teacher(record, site.store, into, _name_of_attempt(item), targets)
            copied.add(record.id)
    out = places.board if secret else places.teachers_board
    if not copied:
        return None
    with _cache_in(places.private / CACHE):
        return build_site([source], out, trial_pages=None).index


@contextlib.contextmanager
def _cache_in(folder: Path) -> Iterator[None]:
    """Let the leaderboard keep what it knows of these records in the class's own folder: it holds names."""
    before = os.environ.get("ZOO_CACHE")
    os.environ["ZOO_CACHE"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["ZOO_CACHE"]
        else:
            os.environ["ZOO_CACHE"] = before


def _name_of_attempt(item: Outcome) -> str:
    return item.name if item.counts else f"{item.name} (attempt {item.attempt})"


def _write_links(places: Places, outcomes: Outcomes, pages: Sequence[tuple[str, Path]]) -> None:
    """Write a private table with the file of each student's page, to send the addresses."""
    files = {name: path.name for name, path in pages}
    columns = ("name", "email", "pseudonym", "page")
    rows = [
        dict(zip(columns, (item.name, item.email, item.alias, files[item.name]), strict=True))
        for item in outcomes.counting
    ]
    write_atomically(places.private / "links.csv", as_csv(columns, rows))

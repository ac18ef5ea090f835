"""A page for each student, and one for the teacher with all names, attempts and failures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zoo_class.alike import Group
from zoo_class.curves import draw_curves
from zoo_class.grading import Grade
from zoo_class.outcomes import WORDS, Outcome, Outcomes
from zoo_class.people import People
from zoo_class.places import Places
from zoo_class.settings import Settings
from zoo_class.tables import fold
from zoo_core.files import write_atomically
from zoo_core.results.records import Record
from zoo_core.results.store import Store
from zoo_core.ui.advice import next_step
from zoo_core.ui.failures import log_file
from zoo_core.ui.formats import format_score
from zoo_core.ui.harmless import final_lines, harmless

MAX_PRINTED_LINES = 20
MAX_MISTAKES = 8
MAX_LOG_BYTES = 64_000
RUN_AGAIN = {
    "timeout": "make the network smaller, or its forward pass faster",
    "out_of_memory": "make the network smaller, and keep no outputs of earlier steps",
    "unreadable": "run `zoo check` on the file, as on the page for students",
    "template": "the file is the one that you were given: change it",
    "crashed": "run `zoo bench` with the file on your own machine: the process ended without a message",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """What all pages of a class are made of. grades: by name; empty if the part gives no points."""

    places: Places
    settings: Settings
    people: People
    outcomes: Outcomes
    records: Mapping[str, Record]
    store: Store
    grades: Mapping[str, Grade]


def write_pages(site: Site) -> list[tuple[str, Path]]:
    """Write a page for each student; return names and paths."""
    template = _template("student.html")
    written = []
    for item in site.outcomes.counting:
        own = [other for other in site.outcomes.outcomes if other.name == item.name]
        path = site.places.pages / site.people.entries[fold(item.name)].page
        write_atomically(path, template.render(_of_student(site, item, own)).encode("utf-8", "replace"))
        written.append((item.name, path))
    known = {path.name for _, path in written}
    for path in site.places.pages.glob("*.html"):
        if path.name not in known:
            path.unlink()
    return written


def _of_student(site: Site, item: Outcome, own: Sequence[Outcome]) -> dict[str, Any]:
    records = [site.records[key] for key in item.records if key in site.records]
    from zoo_leaderboard.text.labels import as_label

    grade = site.grades.get(item.name)
    return {
        "title": site.settings.title,
        "alias": item.alias,
        "metric": as_label(site.outcomes.metric),
        "attempts": [_attempt(site, outcome) for outcome in own if outcome.attempt],
        "missing": item.status == "missing",
        "score": format_score(item.score) if item.score is not None else "",
        "low": format_score(item.low) if item.low is not None else "",
        "high": format_score(item.high) if item.high is not None else "",
        "rank": grade.rank if grade else "",
        "people": len(site.outcomes.counting),
        "points": grade,
        "targets": site.settings.points.targets,
        "curves": draw_curves(records, site.settings.points.targets, site.outcomes.metric),
        "mistakes": [line for record in records[:1] for line in mistakes(record)],
    }


def _attempt(site: Site, outcome: Outcome) -> dict[str, Any]:
    records = [site.records[key] for key in outcome.records if key in site.records]
    bad = next((record for record in records if record.status != "ok"), None)
    advice = harmless(next_step(bad)) if bad is not None else ""
    rules = site.settings.submissions
    file = f"./{rules.file.rpartition('.')[0]}.py:{rules.model}"
    return {
        "number": outcome.attempt,
        "time": _when(outcome),
        "counts": outcome.counts,
        "became": WORDS[outcome.status],
        "ok": outcome.status == "ok",
        "reason": harmless(outcome.reason),
        "advice": advice.replace("FILE.py:NAME", file) or RUN_AGAIN.get(outcome.status, ""),
        "notes": outcome.notes,
        "printed": _printed(bad, site.store) if bad is not None else [],
    }


def _when(outcome: Outcome) -> str:
    """Return the time of an attempt as people write it, with its zone."""
    day, _, time = outcome.time.partition("T")
    return f"{day} {time[:5]} {time[8:]}".strip()


def _printed(record: Record, store: Store) -> list[str]:
    """Return the last lines that a trial printed."""
    path = log_file(record, store)
    if path is None or path.is_symlink():
        return []
    with path.open("rb") as file:
        text = file.read(MAX_LOG_BYTES).decode("utf-8", "replace")
    return final_lines(text)[-MAX_PRINTED_LINES:]


def mistakes(record: Record) -> list[str]:
    """Return the most frequent confusions of classes, in words; none if the task has no such table."""
    table = record.measured.tables.get("confusion")
    if table is None:
        return []
    cells = [
        (count, row[0], table.columns[number])
        for row in table.rows
        for number, count in enumerate(row)
        if number and isinstance(count, int) and count and table.columns[number] != row[0]
    ]
    worst = sorted(cells, key=lambda cell: -cell[0])[:MAX_MISTAKES]
    return [f"{count} of class {truth} predicted as {answer}" for count, truth, answer in worst]


def write_teachers_page(site: Site, pages: Sequence[tuple[str, Path]], alike: Sequence[Group]) -> Path:
    """Write the page with all names."""
    from zoo_leaderboard.text.labels import as_label

    where = {name: f"{site.places.pages.name}/{path.name}" for name, path in pages}
    rows = [
        {
            "outcome": item,
            "time": _when(item),
            "became": WORDS[item.status],
            "score": format_score(item.score) if item.score is not None else "",
            "grade": site.grades.get(item.name) if item.counts else None,
            "page": where.get(item.name, ""),
        }
        for item in site.outcomes.outcomes
    ]
    path = site.places.out / "teacher.html"
    content = _template("teacher.html").render(
        title=site.settings.title,
        part=site.outcomes.part,
        metric=as_label(site.outcomes.metric),
        rows=rows,
        alike=alike,
    )
    write_atomically(path, content.encode("utf-8", "replace"))
    return path


def _template(name: str) -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("zoo_class", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    return environment.get_template(name)

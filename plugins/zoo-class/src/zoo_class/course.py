"""One run of a class: finds the submissions, says which attempts count, runs them, and keeps what became of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from msgspec import structs

from zoo_class.code import is_template, units_of
from zoo_class.outcomes import Became, Outcome, Outcomes, load_outcomes, mark_counting, of_records, save_outcomes
from zoo_class.people import People, load_people
from zoo_class.places import Part, Places
from zoo_class.private_part import WITHHELD, strip_records
from zoo_class.rules import Choice, choose
from zoo_class.running import Batch, Entry, Ran, data_root, make_entry, require_hideable, run_entries
from zoo_class.scores import score_of
from zoo_class.settings import Settings, read_settings
from zoo_class.snapshots import UnusableError, source_files, take_snapshot
from zoo_class.submissions import Found, Person, find_submissions
from zoo_core.errors import UsageError
from zoo_core.files import portable
from zoo_core.registry import Registry
from zoo_core.results.store import Store
from zoo_core.runner.run import MakeDisplay
from zoo_core.specs import TaskSpec
from zoo_core.ui.parsing import parse_seeds

Intervals: TypeAlias = dict[tuple[str, ...], tuple[float | None, float | None]]


@dataclass(slots=True)
class _Course:
    """A class with everything that a run needs to know. outcomes: by name, in order; entries: what will run."""

    places: Places
    part: Part
    settings: Settings
    registry: Registry
    task: TaskSpec
    found: Found
    people: People
    template: Mapping[str, int]
    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)


def run_class(places: Places, part: Part, display: MakeDisplay, *, jobs: int = 1) -> tuple[Outcomes, Ran]:
    """Run what has no result yet, so many trials at a time, and write what became of each student.

    Raises UsageError, MachineError.
    """
    course = _prepare(places, part)
    batch = Batch(places=places, settings=course.settings, part=part, jobs=jobs)
    ran = run_entries(course.entries, course.registry, batch, display)
    kept = _known_intervals(places, part)
    outcomes = Outcomes(
        part=part,
        task=course.task.qualified,
        metric=course.task.metric,
        higher_is_better=course.task.higher_is_better,
        outcomes=[item for person in course.found.people for item in _finish(course, person, ran, kept)],
    )
    save_outcomes(places, outcomes)
    if not ran.interrupted:  # the intervals of a student are known when all seeds are there
        strip_records(places)  # also those of a run that was killed before it came here
    return outcomes, ran


def _prepare(places: Places, part: Part) -> _Course:
    settings = read_settings(places.settings)
    registry = Registry.load()
    task = registry.task(settings.task)
    require_hideable(task, settings)
    data_root(places, settings, part)
    found = find_submissions(places.root, settings.submissions)
    if not found.attempts:
        raise UsageError(f"there are no submissions in {settings.submissions.table or settings.submissions.folder}")
    people = load_people(places.private, found.people)
    template = units_of(_template_files(places, settings), least=0)
    course = _Course(places, part, settings, registry, task, found, people, template)
    for person in found.people:
        choices = choose(found.of(person), settings.submissions)
        course.outcomes[person.name] = [_begin(course, choice, len(choices)) for choice in choices]
    return course


def _template_files(places: Places, settings: Settings) -> dict[str, bytes]:
    folder = places.root / settings.submissions.template
    return source_files(folder) if settings.submissions.template and folder.is_dir() else {}


def _begin(course: _Course, choice: Choice, count: int) -> Outcome:
    """Return the outcome of an attempt so far; if it will run, add it to the entries."""
    attempt = choice.attempt
    outcome = _of_person(course, attempt.person, "not counted")
    outcome = structs.replace(
        outcome,
        attempt=attempt.number,
        attempts=count,
        time=attempt.time.isoformat(timespec="seconds"),
        days_late=choice.days_late,
        reason=choice.why_not,
    )
    if not choice.runs:
        is_late = choice.days_late and course.settings.submissions.late == "refuse"
        return structs.replace(outcome, status="late" if is_late else "not counted")
    try:
        snapshot = take_snapshot(attempt, course.places.work, outcome.alias, course.settings)
        if is_template(source_files(snapshot.folder), course.template):
            return structs.replace(outcome, status="template", digest=snapshot.digest, reason="change the template")
        entry = make_entry(course.registry, course.task, snapshot, outcome.alias)
    except UnusableError as error:
        return structs.replace(outcome, status="unreadable", reason=str(error))
    course.entries.append(entry)
    return structs.replace(outcome, model=entry.spec.name, digest=snapshot.digest, notes=[*snapshot.notes])


def _of_person(course: _Course, person: Person, status: Became) -> Outcome:
    return Outcome(name=person.name, email=person.email, id=person.id, alias=course.people.alias(person), status=status)


def _known_intervals(places: Places, part: Part) -> Intervals:
    """Return the intervals of the run before, by the ids of the records: those of private data can be computed once."""
    try:
        known = load_outcomes(places, part).outcomes
    except UsageError:  # none yet, or a damaged file, which this run replaces
        return {}
    return {tuple(item.records): (item.low, item.high) for item in known if item.low is not None}


def _finish(course: _Course, person: Person, ran: Ran, kept: Intervals) -> list[Outcome]:
    """Return the outcomes of one student; the one that counts is marked."""
    store = Store(course.places.results(course.part))
    outcomes = [_with_records(course, outcome, ran, store, kept) for outcome in course.outcomes[person.name]]
    if not outcomes:
        outcomes = [_of_person(course, person, "missing")]
    best = course.settings.submissions.attempts == "best"
    return mark_counting(outcomes, best=best, higher_is_better=course.task.higher_is_better)


def _with_records(course: _Course, outcome: Outcome, ran: Ran, store: Store, kept: Intervals) -> Outcome:
    if not outcome.model:
        return outcome
    if outcome.model in ran.refused:
        return structs.replace(outcome, status="unreadable", reason=ran.refused[outcome.model])
    records = ran.records.get(outcome.model, [])
    if not records:
        return structs.replace(outcome, status="interrupted", reason="the run ended before it began")
    if len(records) < len(parse_seeds(str(course.settings.seeds))):
        return structs.replace(outcome, status="interrupted", reason="the run ended before all its seeds were trained")
    status, reason, score = of_records(records)
    if reason and course.part == "private":  # a submission may write what it sees into an error
        reason = WITHHELD
    ids = [record.id for record in records]
    measured = score_of(records, store)
    low, high = (measured.low, measured.high) if measured is not None else (None, None)
    low, high = kept.get(tuple(ids), (low, high))
    return structs.replace(outcome, status=status, reason=reason, score=score, low=low, high=high, records=ids)


def snapshot_folder(places: Places, outcome: Outcome) -> Path:
    """Return the folder with the copy of an attempt."""
    return places.work / portable(outcome.alias) / outcome.digest


def all_snapshots(places: Places, outcomes: Sequence[Outcome]) -> dict[str, dict[str, bytes]]:
    """Return the source files of each attempt that was copied, by the name of its model."""
    return {
        outcome.model: source_files(snapshot_folder(places, outcome))
        for outcome in outcomes
        if outcome.model and snapshot_folder(places, outcome).is_dir()
    }

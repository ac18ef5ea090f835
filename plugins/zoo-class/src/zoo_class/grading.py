"""`zoo class grades`: points with reasons, as CSV, as JSON, and in the forms of Gradescope and Moodle."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from zoo_class.outcomes import WORDS, Outcome, load_outcomes
from zoo_class.places import Places
from zoo_class.points import Part, points_of
from zoo_class.rules import late_factor
from zoo_class.scores import Score, rank_words, read_by_id, score_of
from zoo_class.settings import Settings, read_settings
from zoo_class.tables import as_csv
from zoo_core.files import portable, write_atomically
from zoo_core.results.store import Store
from zoo_core.ui.formats import format_count

COLUMNS = (
    *("name", "email", "id", "points", "most", "rank", "status", "score", "low", "high"),
    *("attempt", "attempts", "time", "days_late", "pseudonym", "reason"),
)
MOODLE_COLUMNS = ("ID number", "Email address", "Full name", "Grade", "Feedback")


@dataclass(frozen=True, kw_only=True, slots=True)
class Grade:
    """The points of one student, their parts, and how they came about. late: what lateness costs, in words."""

    outcome: Outcome
    points: float
    most: float
    parts: Sequence[Part]
    reason: str
    score: Score | None
    rank: str = ""
    late: str = ""


def grade_class(places: Places) -> list[Grade]:
    """Grade every student by the last run on the part that counts. Raises UsageError if there was none."""
    settings = read_settings(places.settings)
    outcomes = load_outcomes(places, settings.graded_part)
    store = Store(places.results(outcomes.part))
    records = read_by_id(store)
    by_name = {
        item.name: [records[key] for key in item.records if key in records]
        for item in outcomes.counting
        if item.records
    }
    ranks = rank_words(by_name, store, higher_is_better=outcomes.higher_is_better)
    grades = []
    for item in outcomes.counting:
        score = score_of(by_name.get(item.name, []), store)
        score = _with_kept_interval(score, item)
        parts = points_of(score, settings.points, metric=outcomes.metric, higher_is_better=outcomes.higher_is_better)
        grades.append(_grade(item, score, parts, ranks.get(item.name, ""), settings))
    return grades


def _with_kept_interval(score: Score | None, outcome: Outcome) -> Score | None:
    """Return the score with the interval of the run: the records of the private part have no results by example."""
    if score is None or outcome.low is None:
        return score
    return Score(
        mean=score.mean,
        seeds=score.seeds,
        low=outcome.low,
        high=outcome.high,
        measures=score.measures,
        disturbed=score.disturbed,
    )


def _grade(outcome: Outcome, score: Score | None, parts: Sequence[Part], rank: str, settings: Settings) -> Grade:
    factor = late_factor(outcome.days_late, settings.submissions)
    if score is None:
        why = WORDS[outcome.status] + (f": {outcome.reason}" if outcome.reason else "")
    else:
        why = "; ".join(f"{part.name}: {part.points:.2f} of {part.most:g}, {part.reason}" for part in parts)
    late = f"{format_count(outcome.days_late, 'day')} late: {100 * factor:g} % of the points" if factor < 1 else ""
    if score is not None and late:
        why += f"; {late}"
    points = round(factor * sum(part.points for part in parts), 2)
    return Grade(
        outcome=outcome,
        points=points,
        most=settings.points.most,
        parts=parts,
        reason=why,
        score=score,
        rank=rank,
        late=late,
    )


def write_grades(places: Places, grades: Sequence[Grade]) -> None:
    """Write `grades.csv`, `grades.json`, `moodle.csv` and a `results.json` of Gradescope for each student."""
    write_atomically(places.out / "grades.csv", as_csv(COLUMNS, map(_row, grades)))
    as_json = [{**_row(grade), "parts": [_plain(part) for part in grade.parts]} for grade in grades]
    write_atomically(places.out / "grades.json", _json(as_json))
    write_atomically(places.out / "moodle.csv", as_csv(MOODLE_COLUMNS, map(_moodle_row, grades)))
    shutil.rmtree(places.out / "gradescope", ignore_errors=True)
    for number, grade in enumerate(grades, 1):
        folder = places.out / "gradescope" / f"{number:03}-{portable(grade.outcome.name)}"
        write_atomically(folder / "results.json", _json(_gradescope(grade)))


def _row(grade: Grade) -> dict[str, Any]:
    item, score = grade.outcome, grade.score
    return {
        "name": item.name,
        "email": item.email,
        "id": item.id,
        "points": grade.points,
        "most": grade.most,
        "rank": grade.rank,
        "status": item.status,
        "score": score.mean if score else None,
        "low": score.low if score else None,
        "high": score.high if score else None,
        "attempt": item.attempt,
        "attempts": item.attempts,
        "time": item.time,
        "days_late": item.days_late,
        "pseudonym": item.alias,
        "reason": grade.reason,
    }


def _moodle_row(grade: Grade) -> dict[str, Any]:
    item = grade.outcome
    values = (item.id, item.email, item.name, f"{grade.points:.2f}", grade.reason)
    return dict(zip(MOODLE_COLUMNS, values, strict=True))


def _gradescope(grade: Grade) -> dict[str, Any]:
    """Return what Gradescope's autograder reads from `results.json`."""
    tests = [
        {"name": part.name, "score": round(part.points, 2), "max_score": part.most, "output": part.reason}
        for part in grade.parts
    ]
    return {"score": grade.points, "output": grade.reason, "visibility": "after_published", "tests": tests}


def _plain(part: Part) -> dict[str, Any]:
    return {"name": part.name, "points": part.points, "most": part.most, "reason": part.reason}


def _json(value: Any) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n"

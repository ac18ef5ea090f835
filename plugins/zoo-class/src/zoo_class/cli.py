"""`zoo class`: new, run, grades, boards, alike and forget."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from zoo_class.places import find_class
from zoo_core.errors import FAILURE, INTERRUPTED, USAGE, UsageError
from zoo_core.ui.console import complain, messages, print_json, print_table, printing_at_the_end, say
from zoo_core.ui.formats import format_count, format_score

if TYPE_CHECKING:
    from zoo_class.outcomes import Outcome, Outcomes

app = typer.Typer(help="Run and grade the submissions of a class.", no_args_is_help=True, add_completion=False)
FOLDER = typer.Argument(help="The folder of the class, with class.toml.")
PART = typer.Option("--part", help="The public part of the data, or the private one.")
MAX_REASON_CHARS = 160


@app.callback()
def class_command() -> None:
    """Run and grade the submissions of a class."""


@app.command("new")
def new_command(
    folder: Annotated[Path, typer.Argument(help="A new folder.")],
    task: Annotated[str, typer.Option("--task", help="The task that the class solves: `zoo list`.")],
    title: Annotated[str, typer.Option("--title", help="The name of the class. Default: that of the task.")] = "",
    offline: Annotated[bool, typer.Option("--offline", help="Use the task's data set that needs no network.")] = False,
    preset: Annotated[Literal["", "quick"], typer.Option("--preset", help="quick: the task's short recipe.")] = "",
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Trainings of each submission.")] = 1,
) -> None:
    """Write the folder of a class: settings with comments, a page for students, and a template for them."""
    from zoo_class.starting import new_class

    places = new_class(folder, task, title, offline=offline, preset=preset, seeds=seeds)
    say(f"{folder / places.settings.name}: set the rules, then put submissions into {folder / 'submissions'}")
    say(f"{folder / places.students_page.name}: the page for students")
    say(f"next: `zoo class run {folder}`")


@app.command("run")
def run_command(
    folder: Annotated[Path, FOLDER] = Path(),
    part: Annotated[Literal["public", "private"], PART] = "public",
    jobs: Annotated[int, typer.Option("--jobs", min=1, help="How many trials run at a time.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcomes as JSON.")] = False,
) -> None:
    """Run every submission that has no result yet, and say what became of each. Failures end nothing.

    The exit code is 0 when every submission was dealt with, whether it ran or failed.
    """
    import msgspec

    from zoo_class.course import run_class
    from zoo_class.settings import read_settings
    from zoo_class.starting import write_students_page
    from zoo_core.runner.interrupts import stop_on_signals
    from zoo_core.ui.progress import make_display

    places = find_class(folder)
    write_students_page(places, read_settings(places.settings))
    stop_on_signals()
    outcomes, ran = run_class(places, part, lambda: make_display(messages()), jobs=jobs)
    with printing_at_the_end():
        if as_json:
            print_json(msgspec.to_builtins(outcomes))
        else:
            _print_outcomes(outcomes)
            say(f"{format_count(ran.new, 'trial')} ran now")
            say(f"next: `zoo class grades {folder}`, `zoo class boards {folder}`")
    if ran.interrupted:
        raise typer.Exit(INTERRUPTED)
    if ran.faults:
        raise typer.Exit(USAGE)


def _print_outcomes(outcomes: Outcomes) -> None:
    print_table(
        ["student", "pseudonym", "attempt", "outcome", outcomes.metric, "why"], map(_outcome_row, outcomes.outcomes)
    )
    counts: dict[str, int] = {}
    for item in outcomes.counting:
        counts[item.status] = counts.get(item.status, 0) + 1
    listed = ", ".join(f"{count} {status}" for status, count in sorted(counts.items(), key=lambda pair: -pair[1]))
    say(f"{format_count(len(outcomes.counting), 'student')}: {listed}")


def _outcome_row(item: Outcome) -> list[object]:
    from zoo_core.quote import one_line

    attempt = f"{item.attempt}/{item.attempts}" + ("" if item.counts else " -") if item.attempt else ""
    why = "; ".join([*([item.reason] if item.reason else []), *item.notes])
    score = format_score(item.score) if item.score is not None else ""
    return [item.name, item.alias, attempt, item.status, score, one_line(why, MAX_REASON_CHARS) if why else ""]


@app.command("grades")
def grades_command(folder: Annotated[Path, FOLDER] = Path()) -> None:
    """Turn scores into points, and write grades.csv, grades.json, moodle.csv and Gradescope's results.json."""
    from zoo_class.grading import grade_class, write_grades

    places = find_class(folder)
    grades = grade_class(places)
    write_grades(places, grades)
    print_table(
        ["student", "points", "rank", "status"],
        [[grade.outcome.name, f"{grade.points:.2f}", grade.rank, grade.outcome.status] for grade in grades],
    )
    most = grades[0].most if grades else 0
    if not most:
        complain("class.toml has no [[points.targets]], so all points are 0", "warning: ", "yellow")
    say(
        f"{folder / 'out' / 'grades.csv'}: {format_count(len(grades), 'student')}, at most {most:g} points, each with "
        "its reason"
    )


@app.command("boards")
def boards_command(
    folder: Annotated[Path, FOLDER] = Path(),
    part: Annotated[Literal["public", "private"], PART] = "public",
) -> None:
    """Build the class's board with pseudonyms, yours with names, and a page for each student."""
    from zoo_class.boards import build_boards

    places = find_class(folder)
    built = build_boards(places, part)
    if built.board is None:
        complain("no submission has run, so there is no board", "warning: ", "yellow")
    else:
        say(f"{folder / 'out' / 'board' / 'index.html'}: for the class; out/board may be published")
    say(f"{folder / 'out' / 'teacher.html'}: for you only, with names; out/teacher/index.html has all numbers")
    say(
        f"{folder / 'out' / 'pages'}: {format_count(built.pages, 'page')}, one for each student; "
        "private/links.csv says whose"
    )


@app.command("alike")
def alike_command(folder: Annotated[Path, FOLDER] = Path()) -> None:
    """Point at submissions of two students with equal code, predictions or weights: places to look, not verdicts."""
    from zoo_class.alike import find_alike, group_alike, write_alike

    places = find_class(folder)
    found = find_alike(places)
    write_alike(places, found)
    rows = [
        [group.kind, ", ".join(f"{item.name} ({item.attempt})" for item in group.members)]
        for group in group_alike(found)
    ]
    if rows:
        print_table(["equal", "students (attempt)"], rows)
    say(f"{folder / 'out' / 'alike.csv'}: {format_count(len(found), 'pair')}; small networks may be equal by chance")


@app.command("forget")
def forget_command(
    name: Annotated[str, typer.Argument(help="The student.")],
    folder: Annotated[Path, FOLDER] = Path(),
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove everything of one student: submissions, copies, records, page, and the rows in your tables.

    Grades and boards, which hold all students, are removed, too: the next commands make them anew.
    """
    from zoo_class.forgetting import find_traces, forget

    places = find_class(folder)
    traces = find_traces(places, name)
    for path in (*traces.files, *traces.tables):
        say(f"  {path}" + (" (their rows)" if path in traces.tables else ""))
    say(f"  {format_count(traces.records, 'record')}, the pseudonym, grades and boards")
    if not yes and not _is_confirmed(f"Remove all this of {traces.name}?"):
        raise typer.Exit(FAILURE)
    forget(places, traces)
    say(f"{traces.name} is forgotten; next: `zoo class run {folder}`, grades and boards")


def _is_confirmed(question: str) -> bool:
    try:
        return typer.confirm(question, err=True)
    except typer.Abort:
        if sys.stdin.isatty():  # Ctrl-C
            raise typer.Exit(INTERRUPTED) from None
        raise UsageError("nothing removed, because nobody answered the question: --yes removes without it") from None

"""`zoo check`: hold what plugins add against the conformance suite, before anyone else finds what is wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo_core.checks import RAN, Result, counts, level
from zoo_core.checks.table import CHECKS
from zoo_core.cli.app import FAILURE
from zoo_core.cli.bench import RESULTS
from zoo_core.cli.console import messages, print_json, print_table
from zoo_core.cli.parsing import complete_any, parse_duration
from zoo_core.data.cache import write_atomically
from zoo_core.errors import UnknownNameError, UsageError
from zoo_core.registry import Registry
from zoo_core.store import CONFORMANCE

if TYPE_CHECKING:
    from zoo_core.checks.suite import Settings

SHOWN = ("failed", "expected", "skipped", "not run")


def check_command(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Plugins, tasks, data sets, models; without a name all that is installed.", autocompletion=complete_any
        ),
    ] = None,
    task: Annotated[str, typer.Option("--task", help="Check models on this task.")] = "",
    only: Annotated[list[str] | None, typer.Option("--only", help="Only this check, and what it needs.")] = None,
    timeout: Annotated[str, typer.Option("--timeout", help="End a check after this long.")] = "120s",
    data_root: Annotated[
        Path | None, typer.Option("--data-root", envvar="ZOO_DATA_ROOT", help="Files of data that are not offline.")
    ] = None,
    explain: Annotated[bool, typer.Option("--list", help="Explain every check, and run none.")] = False,
    record: Annotated[bool, typer.Option("--record", help="Note the plugins' levels for the leaderboard.")] = False,
    results: Annotated[Path, RESULTS] = Path("results"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check plugins, tasks, data sets and models against the rules of the zoo; what is wrong, why, how to mend it."""
    if explain:
        _explain(only or [], as_json=as_json)
        return
    _require_known(only or [])
    found = _run(names or [], task, _settings(only or [], timeout, data_root))
    if not any(result.state in RAN for result in found):
        if found:
            _print(found)
        raise UsageError("nothing to check: not one check could be made; the reasons are above, `zoo list` shows names")
    if record:
        _record(found, results)
    if as_json:
        print_json(as_values(found))
    else:
        _print(found)
    if any(result.state == "failed" for result in found):
        raise typer.Exit(FAILURE)


def _settings(only: Sequence[str], timeout: str, data_root: Path | None) -> Settings:
    from zoo_core.checks.suite import Settings
    from zoo_core.runner.local import LocalExecutor

    seconds = parse_duration("--timeout", timeout)
    return Settings(make_executor=LocalExecutor, only=only, timeout_s=seconds, data_root=data_root)


def _require_known(only: Sequence[str]) -> None:
    known = {check.name for checks in CHECKS.values() for check in checks}
    for name in only:
        if name not in known:
            raise UnknownNameError("check", name, known, hint="`zoo check --list`")


def _run(names: Sequence[str], task: str, settings: Settings) -> list[Result]:
    from zoo_core.checks.subjects import find_subjects
    from zoo_core.checks.suite import run_suite

    registry = Registry.load()
    subjects = find_subjects(registry, names, task)
    console = messages()
    total = len(subjects)
    numbers = {subject.title: number for number, subject in enumerate(subjects, 1)}
    with console.status("checking") if console.is_terminal else nullcontext() as status:

        def heard(result: Result) -> None:
            if status is not None:
                subject = result.subject
                status.update(f"{numbers[subject.title]}/{total} {subject.what} {subject.title}: {result.check.name}")

        return run_suite(registry, subjects, settings, heard)


def _explain(only: Sequence[str], *, as_json: bool) -> None:
    _require_known(only)
    rows = [
        {"of": check.what, "check": check.name, "holds": check.summary, "why": check.why, "mend": check.mend}
        | {"needs": list(check.needs)}
        for checks in CHECKS.values()
        for check in checks
        if not only or check.name in only
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        typer.secho(f"{row['of']} {row['check']}", bold=True, nl=False)
        typer.echo(f": {row['holds']}\n  why: {row['why']}\n  mend: {row['mend']}")
        if row["needs"]:
            typer.echo(f"  needs: {', '.join(row['needs'])}")


def _print(found: Sequence[Result]) -> None:
    """What did not simply pass, then one line."""
    rows = [
        (f"{result.subject.what} {result.subject.title}", result.check.name, result.state, _remark(result))
        for state in SHOWN
        for result in found
        if result.state == state and result.applies
    ]
    if rows:
        print_table(["subject", "check", "state", "reason"], rows)
    typer.echo(summary(found))


def _remark(result: Result) -> str:
    return f"{result.reason}. To mend: {result.check.mend}" if result.state == "failed" else result.reason


def summary(found: Sequence[Result]) -> str:
    """`N ran: ...`, and the level."""
    number = counts(found)
    inapplicable = sum(not result.applies for result in found)
    ran = sum(number[state] for state in RAN)
    skipped = f"{number['skipped']} skipped" + (f" ({inapplicable} without meaning there)" if inapplicable else "")
    return (
        f"{ran} ran: {number['passed']} passed, {number['failed']} failed, {number['expected']} expected to fail, "
        f"{skipped}, {number['not run']} not run. Conformance: {level(found)}"
    )


def as_values(found: Sequence[Result]) -> dict[str, Any]:
    """The results as JSON values."""
    from zoo_core.checks.suite import by_plugin

    return {
        "level": level(found),
        "counts": counts(found),
        "plugins": {name: level(results) for name, results in by_plugin(found).items()},
        "results": [
            {
                "what": result.subject.what,
                "subject": result.subject.name,
                "task": result.subject.task,
                "plugin": result.subject.plugin,
                "check": result.check.name,
                "state": result.state,
                "applies": result.applies,
                "reason": result.reason,
                "mend": result.check.mend,
                "seconds": round(result.seconds, 3),
            }
            for result in found
        ],
    }


def _record(found: Sequence[Result], folder: Path) -> None:
    """Note the level of each plugin that was checked as a whole; other plugins' notes stay."""
    from zoo_core.checks.suite import by_plugin

    path = folder / CONFORMANCE
    try:
        noted = json.loads(path.read_bytes())
    except FileNotFoundError:
        noted = {}
    except ValueError as error:
        raise UsageError(f"{path} is not JSON ({error}): remove it, and record again") from error
    for name, results in by_plugin(found).items():
        whole = next((result.subject for result in results if result.subject.what == "plugin"), None)
        if whole is not None:
            noted[name] = {
                "version": whole.version,
                "level": level(results),
                "counts": counts(results),
                "checked_at": datetime.now(UTC).isoformat(timespec="seconds"),
            }
    if not any(result.subject.what == "plugin" for result in found):
        raise UsageError("--record goes with whole plugins: name one, or none for all")
    write_atomically(path, json.dumps(noted, indent=1, sort_keys=True).encode())
